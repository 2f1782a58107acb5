//! What a market reports, as owned values.

use souk_protocol::message::{
    Accepted, Canceled, MassCanceled, OrderStatus, Rejected, Replaced, SelfTradePrevented, Trade,
};
use souk_protocol::{MarketId, ServerMessage};

macro_rules! reports {
    ($($(#[$doc:meta])* $name:ident, batch_index $index:expr;)*) => {
        /// One execution report. The fields are those of the byte tables in PROTOCOL.md.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Report {
            $($(#[$doc])* $name($name),)*
        }

        impl Report {
            /// The report that a message is, if it is one.
            #[must_use]
            pub const fn of(message: &ServerMessage<'_>) -> Option<Self> {
                match message {
                    $(ServerMessage::$name(report) => Some(Self::$name(*report)),)*
                    _ => None,
                }
            }

            /// The market that reports.
            #[must_use]
            pub const fn market(&self) -> MarketId {
                match self { $(Self::$name(report) => report.market,)* }
            }

            /// The number of the message that led to it; 0 if that was another session's.
            #[must_use]
            pub const fn client_seq(&self) -> u64 {
                match self { $(Self::$name(report) => report.client_seq,)* }
            }

            /// The entry of the batch that led to it, or 0.
            #[must_use]
            pub fn batch_index(&self) -> u8 {
                match self { $(Self::$name(report) => $index(report),)* }
            }
        }
    };
}

reports! {
    /// A new order was accepted.
    Accepted, batch_index |r: &Accepted| r.batch_index;
    /// A message was refused by the market; its number is used up.
    Rejected, batch_index |r: &Rejected| r.batch_index;
    /// An order, or what was left of it, is gone.
    Canceled, batch_index |r: &Canceled| r.batch_index;
    /// An order was changed.
    Replaced, batch_index |r: &Replaced| r.batch_index;
    /// An order traded.
    Trade, batch_index |r: &Trade| r.batch_index;
    /// Self-trade prevention took a quantity off an order.
    SelfTradePrevented, batch_index |r: &SelfTradePrevented| r.batch_index;
    /// A mass cancel is complete.
    MassCanceled, batch_index |_| 0;
    /// Where an open order stands.
    OrderStatus, batch_index |_| 0;
}

//! What a client asks of a market, and the frames it becomes.

use souk_protocol::message::{
    BATCH_ENTRIES_MAX, Batch, BatchEntry, CancelOrder, MassCancel, NewOrder, OrderStatusRequest,
    ReplaceOrder,
};
use souk_protocol::{
    AccountId, Amount, BatchMode, ClOrdId, MarketId, OrderId, OrderType, PostOnly, Price, Qty,
    Reserved, Side, StpMode, StpScope, TimeInForce, frame_len_with_group, write_frame_with_group,
};

use crate::pace::Load;

/// A new order. Made by [`Order::limit`] or [`Order::market`] and refined by its methods; the
/// fields are public because there is no combination that the server does not check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The client's name for the order, or 0.
    pub cl_ord_id: ClOrdId,
    /// The account.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Limit price; protection price of a market order, or 0.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Market buy: the most it may spend; else 0.
    pub budget: Amount,
    /// What it does when it would trade at once.
    pub post_only: PostOnly,
    /// What it does on meeting an order of the same owner.
    pub stp_mode: StpMode,
    /// Who is the same owner.
    pub stp_scope: StpScope,
}

impl Order {
    /// A limit order, good till cancel.
    #[must_use]
    pub const fn limit(account: AccountId, side: Side, price: Price, qty: Qty) -> Self {
        Self {
            cl_ord_id: ClOrdId(0),
            account,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            price,
            qty,
            budget: Amount(0),
            post_only: PostOnly::No,
            stp_mode: StpMode::None,
            stp_scope: StpScope::Account,
        }
    }

    /// A market order, immediate or cancel. `protection` is the worst price it may trade at; a
    /// buy may have [`Order::budget`] instead, and then 0 here.
    #[must_use]
    pub const fn market(account: AccountId, side: Side, protection: Price, qty: Qty) -> Self {
        Self {
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            ..Self::limit(account, side, protection, qty)
        }
    }

    /// The same order under the client's own name.
    #[must_use]
    pub const fn named(self, cl_ord_id: ClOrdId) -> Self {
        Self { cl_ord_id, ..self }
    }

    /// The same order with another time in force.
    #[must_use]
    pub const fn time_in_force(self, time_in_force: TimeInForce) -> Self {
        Self {
            time_in_force,
            ..self
        }
    }

    /// The same order, passive only.
    #[must_use]
    pub const fn post_only(self, post_only: PostOnly) -> Self {
        Self { post_only, ..self }
    }

    /// The same order with self-trade prevention.
    #[must_use]
    pub const fn prevent_self_trade(self, stp_mode: StpMode, stp_scope: StpScope) -> Self {
        Self {
            stp_mode,
            stp_scope,
            ..self
        }
    }

    /// The same market buy with the most it may spend.
    #[must_use]
    pub const fn budget(self, budget: Amount) -> Self {
        Self { budget, ..self }
    }
}

/// How an order is named: by its id, or by the client's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderRef {
    /// The engine's id.
    Id(OrderId),
    /// The client's name.
    Named(ClOrdId),
}

impl OrderRef {
    const fn id(self) -> OrderId {
        match self {
            Self::Id(id) => id,
            Self::Named(_) => OrderId(0),
        }
    }

    const fn name(self) -> ClOrdId {
        match self {
            Self::Id(_) => ClOrdId(0),
            Self::Named(name) => name,
        }
    }
}

/// What a replace changes an order to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The client's name for the order from now on; 0 keeps the one it has.
    pub cl_ord_id: ClOrdId,
    /// The new limit price.
    pub price: Price,
    /// The new total quantity, which includes what has been executed.
    pub total_qty: Qty,
}

/// One entry of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Enters an order.
    New(Order),
    /// Cancels an order.
    Cancel(AccountId, OrderRef),
    /// Changes an order.
    Replace(AccountId, OrderRef, Change),
}

impl Instruction {
    fn entry(&self) -> BatchEntry {
        let empty = BatchEntry {
            operation: 0,
            side: 0,
            order_type: 0,
            time_in_force: 0,
            post_only: 0,
            stp_mode: 0,
            stp_scope: 0,
            reserved: Reserved,
            account: AccountId(0),
            reserved2: Reserved,
            cl_ord_id: ClOrdId(0),
            orig_cl_ord_id: ClOrdId(0),
            order_id: OrderId(0),
            price: Price(0),
            qty: Qty(0),
            budget: Amount(0),
        };
        match *self {
            Self::New(order) => BatchEntry {
                operation: NewOrder::TEMPLATE as u8,
                side: order.side as u8,
                order_type: order.order_type as u8,
                time_in_force: order.time_in_force as u8,
                post_only: order.post_only as u8,
                stp_mode: order.stp_mode as u8,
                stp_scope: order.stp_scope as u8,
                account: order.account,
                cl_ord_id: order.cl_ord_id,
                price: order.price,
                qty: order.qty,
                budget: order.budget,
                ..empty
            },
            Self::Cancel(account, order) => BatchEntry {
                operation: CancelOrder::TEMPLATE as u8,
                account,
                orig_cl_ord_id: order.name(),
                order_id: order.id(),
                ..empty
            },
            Self::Replace(account, order, change) => BatchEntry {
                operation: ReplaceOrder::TEMPLATE as u8,
                account,
                cl_ord_id: change.cl_ord_id,
                orig_cl_ord_id: order.name(),
                order_id: order.id(),
                price: change.price,
                qty: change.total_qty,
                ..empty
            },
        }
    }
}

/// How many reports must be there before a message's outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complete {
    /// The first.
    First,
    /// The `MassCanceled` after the orders.
    MassCanceled,
    /// The first of each of this many batch entries.
    Entry(usize),
}

/// A message to a market, encoded, without its number.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) market: MarketId,
    pub(crate) frame: Box<[u8]>,
    pub(crate) complete: Complete,
    pub(crate) load: Load,
}

impl Message {
    fn plain(market: MarketId, frame: &[u8]) -> Self {
        Self {
            market,
            frame: frame.into(),
            complete: Complete::First,
            load: Load::Orders(1),
        }
    }

    pub(crate) fn new_order(market: MarketId, order: &Order) -> Self {
        let message = NewOrder {
            cl_ord_id: order.cl_ord_id,
            price: order.price,
            qty: order.qty,
            budget: order.budget,
            market,
            account: order.account,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            post_only: order.post_only,
            stp_mode: order.stp_mode,
            stp_scope: order.stp_scope,
            reserved: Reserved,
        };
        Self::plain(market, &message.frame(0))
    }

    pub(crate) fn cancel(market: MarketId, account: AccountId, order: OrderRef) -> Self {
        let message = CancelOrder {
            orig_cl_ord_id: order.name(),
            order_id: order.id(),
            market,
            account,
        };
        Self {
            load: Load::Cancels(1),
            ..Self::plain(market, &message.frame(0))
        }
    }

    pub(crate) fn replace(
        market: MarketId,
        account: AccountId,
        order: OrderRef,
        change: &Change,
    ) -> Self {
        let message = ReplaceOrder {
            cl_ord_id: change.cl_ord_id,
            orig_cl_ord_id: order.name(),
            order_id: order.id(),
            price: change.price,
            total_qty: change.total_qty,
            market,
            account,
        };
        Self::plain(market, &message.frame(0))
    }

    pub(crate) fn mass_cancel(market: MarketId, account: AccountId, side: Option<Side>) -> Self {
        let message = MassCancel {
            market,
            account,
            side,
            reserved: Reserved,
        };
        Self {
            complete: Complete::MassCanceled,
            load: Load::Cancels(1),
            ..Self::plain(market, &message.frame(0))
        }
    }

    pub(crate) fn status(market: MarketId, account: AccountId, order: OrderRef) -> Self {
        let message = OrderStatusRequest {
            orig_cl_ord_id: order.name(),
            order_id: order.id(),
            market,
            account,
        };
        Self::plain(market, &message.frame(0))
    }

    /// A batch, or `None` when it has no entry or more than [`BATCH_ENTRIES_MAX`].
    pub(crate) fn batch(
        market: MarketId,
        mode: BatchMode,
        instructions: &[Instruction],
    ) -> Option<Self> {
        if instructions.is_empty() || instructions.len() > BATCH_ENTRIES_MAX {
            return None;
        }
        let entries: Vec<BatchEntry> = instructions.iter().map(Instruction::entry).collect();
        let root = Batch {
            market,
            mode,
            reserved: Reserved,
        };
        let mut frame = vec![0; frame_len_with_group::<Batch, BatchEntry>(entries.len())];
        write_frame_with_group(&root, &entries, 0, 0, &mut frame)?;
        let count = entries.len() as u32;
        let cancels = |entry: &Instruction| matches!(entry, Instruction::Cancel(..));
        let load = if instructions.iter().all(cancels) {
            Load::Cancels(count)
        } else {
            Load::Orders(count)
        };
        Some(Self {
            market,
            frame: frame.into(),
            complete: Complete::Entry(entries.len()),
            load,
        })
    }
}

//! The types that cross threads, and nothing else.
//!
//! ```text
//! gateway -- Submission --> matcher -- Batch --> publisher -- bytes --> Outbox --> gateway
//!                             ^                      |
//!                             |                     Task
//!                             |                      v
//!                             +--- Submission --- administrator
//! ```

mod gauge;
mod link;
mod permit;
mod recorded;
mod session;
mod stage;

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use souk_engine::{Command, Event, FeeRates, FeeTier, MarketLimits, MarketSpec};
use souk_protocol::message::{LevelEntry, MarketJoined, RequestRejected};
use souk_protocol::{
    AccountId, Amount, Code, FeeGroup, MarketId, MarketState, RejectReason, Reserved, SessionId,
    StpGroup,
};
use tokio::sync::Notify;

use crate::clock::{self, Stamp};
use crate::control::{Control, ControlCommand, Custody, Effect};
use crate::ledger::CurrencyIndex;

pub use crate::ids::TenantIndex;
pub use gauge::{CountsAs, QueueGauge};
pub use link::{Link, Outbox};
pub use permit::Permit;
pub use recorded::{Recorded, Verdict};
pub use session::{SessionTerms, session_cancel};
pub use stage::{SeatState, TakesBatches};

/// Largest number of commands applied before a batch goes on. Bounds the time that the first
/// command of a batch waits for the last one.
pub const BATCH_COMMANDS_MAX: usize = 64;
/// Vectors of items kept for reuse, per matcher.
pub const SPARE_ITEMS_MAX: usize = 256;

/// A market's place in the table of its matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u32);

/// What a matcher is made with for each of its seats, in order.
#[derive(Debug)]
pub enum SeatConfig {
    /// A market.
    Market(MarketSeat),
    /// A tenant's control stream.
    Control(ControlSeat),
}

/// What a market's seat is made with.
#[derive(Clone, Debug)]
pub struct MarketSeat {
    /// Whose market it is.
    pub tenant: TenantIndex,
    /// The market's id within its tenant.
    pub market: MarketId,
    /// The engine's bounds.
    pub spec: MarketSpec,
    /// The state it starts in.
    pub state: MarketState,
    /// What is traded.
    pub base: CurrencyIndex,
    /// What it is paid in.
    pub quote: CurrencyIndex,
    /// Who keeps the money.
    pub custody: Custody,
    /// Settlements that are kept for those who copy them.
    pub settlements_max: usize,
    /// Bytes of reports that are kept for each session.
    pub reports_bytes_max: usize,
}

/// What the seat of a control stream is made with.
#[derive(Debug)]
pub struct ControlSeat {
    /// Whose it is.
    pub tenant: TenantIndex,
    /// Its state.
    pub control: Control,
}

/// What one read of one connection holds for one matcher.
#[derive(Debug)]
pub struct Submission {
    /// Whose it is, for fair shares.
    pub tenant: TenantIndex,
    /// Who gets the answers.
    pub link: Arc<Link>,
    /// Which queue it waits in.
    pub lane: Lane,
    /// In the order in which they came.
    pub items: Vec<Item>,
    /// When it came, if somebody measures.
    pub times: SubmissionTimes,
}

/// When a submission was where, as far as somebody looked.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubmissionTimes {
    /// When the bytes of its messages were read.
    pub read_at: Stamp,
    /// When it was put into its matcher's queue.
    pub queued_at: Stamp,
}

/// Which queue of a matcher a submission waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Served first: cancels of a session that has nothing else under way.
    Cancels,
    /// Served in turns, tenant by tenant.
    Orders,
}

/// One message to one market, or one entry of a batch.
#[derive(Clone, Debug)]
pub struct Item {
    /// The market.
    pub seat: Seat,
    /// What is asked.
    pub request: Request,
}

/// What a session asks of a market, or of its tenant's control stream.
#[derive(Clone, Debug)]
pub enum Request {
    /// A numbered command.
    Command(Numbered),
    /// Where do I stand, and reports from now on.
    Join,
    /// The same, and the reports after this one again.
    Resume {
        /// The last report that the client has.
        last_report_seq: u64,
    },
    /// A session is gone, and had asked for its orders to be canceled then. Nothing happens if a later
    /// incarnation has been seen.
    CancelSession {
        /// The session.
        session: SessionId,
        /// Its last incarnation.
        incarnation: u64,
    },
    /// A session has logged out, and had asked for its orders to be kept then: its end is not one that cancels, also
    /// after a restart of the node.
    KeepOrders {
        /// The session.
        session: SessionId,
        /// The incarnation that logged out.
        incarnation: u64,
    },
    /// Market data, by the flags of the protocol.
    Subscribe(u8),
    /// No more market data.
    Unsubscribe,
    /// The connection is gone: forget it in this market.
    Leave,
    /// The tenant's settlements of this market, from a number on.
    SubscribeSettlements {
        /// Whose request.
        origin: RequestOrigin,
        /// The first number wanted.
        from_number: u64,
    },
    /// The control stream changed something of the market.
    Change(MarketChange),
    /// A command to the control stream.
    Control(Box<ControlRequest>),
    /// A new market, whose seat comes after the last one. Taken at once, before anything that waits.
    Open(Box<MarketSeat>),
}

/// What its sender calls a request, and what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOrigin {
    /// The sender's choice.
    pub request_id: u64,
    /// The template of the message.
    pub template: u16,
}

impl RequestOrigin {
    /// The message that says why it is refused.
    #[must_use]
    pub fn rejected(self, reason: RejectReason) -> RequestRejected {
        RequestRejected {
            request_id: self.request_id,
            ref_template: self.template,
            code: Code::from(reason),
            field_offset: 0,
            reserved: Reserved,
            retry_after_us: 0,
            reserved2: Reserved,
        }
    }
}

/// What the control stream changes of a market that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketChange {
    /// What it accepts.
    State(MarketState),
    /// Its bounds.
    Limits(MarketLimits),
    /// What new orders of a fee group pay.
    Fees {
        /// The group.
        fee_group: FeeGroup,
        /// The rates.
        rates: FeeRates,
    },
}

impl From<&MarketChange> for Command {
    fn from(change: &MarketChange) -> Self {
        match change {
            MarketChange::State(state) => Self::SetState(*state),
            MarketChange::Limits(limits) => Self::SetLimits(*limits),
            MarketChange::Fees { rates, .. } => Self::AddFees(*rates),
        }
    }
}

/// A command to a control stream.
#[derive(Clone, Debug)]
pub struct ControlRequest {
    /// Whose request.
    pub origin: RequestOrigin,
    /// The command.
    pub command: ControlCommand,
    /// Counts it as under way, if it changes a market.
    pub permit: Option<Permit>,
}

/// What a durable control command leaves to do at its market, and the answer to send after that.
#[derive(Debug)]
pub struct Task {
    /// Whose control stream.
    pub tenant: TenantIndex,
    /// What to do.
    pub effect: Effect,
    /// Who asked.
    pub link: Arc<Link>,
    /// The frame that says it is done.
    pub answer: Vec<u8>,
    /// Ends when it is done.
    pub permit: Option<Permit>,
}

/// A command with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// `client_seq` of the frame it came in.
    pub client_seq: u64,
    /// The command.
    pub command: Command,
    /// Its place in a batch frame.
    pub batch: BatchPlace,
}

impl Numbered {
    /// A command that no message brought.
    #[must_use]
    pub const fn unasked(command: Command) -> Self {
        Self {
            client_seq: 0,
            command,
            batch: BatchPlace {
                index: 0,
                last: true,
                stop_at_reject: false,
            },
        }
    }
}

/// The place of a command in a batch frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    /// Entry number, 0 for a command that came alone.
    pub index: u8,
    /// Whether it is the last of its frame. A command that came alone is.
    pub last: bool,
    /// Whether a reject refuses the rest of the frame.
    pub stop_at_reject: bool,
}

/// What a matcher did, in order. It leaves through the journal's door only; in the durability class
/// `memory` that door stands open.
#[derive(Debug, Default)]
pub struct Batch {
    /// What was asked.
    pub submissions: Vec<Submission>,
    /// What came of it, in order.
    pub records: Vec<Record>,
    /// The events of all records, in order.
    pub events: Vec<Event>,
    /// When the batch was applied, nanoseconds since 1970-01-01 UTC.
    pub transact_time: u64,
    /// When all of it was applied, if somebody measures.
    pub applied_at: Stamp,
    /// How many requests it holds.
    pub requests: u64,
}

/// The outcome of one request.
#[derive(Debug)]
pub struct Record {
    /// Which submission of the batch.
    pub submission: u32,
    /// Which item of the submission.
    pub item: u32,
    /// The number of commands the market had applied, this one included.
    pub stream_seq: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    /// A command was applied (or refused by the market's rules): its events are the next
    /// `events` of the batch.
    Applied {
        /// How many events.
        events: u32,
        /// What was decided outside the book.
        admitted: Admitted,
    },
    /// Numbers were not used up.
    NotApplied {
        /// First number.
        from: u64,
        /// How many numbers.
        count: u32,
        /// How many messages that answers.
        messages: u32,
        /// The number the market expects.
        expected: u64,
        /// Gap or duplicate.
        reason: RejectReason,
    },
    /// Where the session stands. The publisher fills in the report number.
    Joined(MarketJoined),
    /// A session came with a new incarnation: before what it asks.
    SessionOpened(SessionTerms),
    /// What an account had open through a session that is gone was canceled, as
    /// [`session_cancel`] says: the events are the next `events` of the batch.
    SessionCanceled {
        /// The account.
        account: AccountId,
        /// How many events.
        events: u32,
    },
    /// A subscription, with the book as it is now if depth was asked for.
    Subscribed {
        /// The protocol's flags.
        flags: u8,
        /// The market's state.
        state: MarketState,
        /// The hash of the book.
        book_hash: u64,
        /// The levels: buys, then sells.
        levels: Vec<LevelEntry>,
    },
    /// The subscription ends.
    Unsubscribed,
    /// The connection is gone.
    Left,
    /// Somebody wants settlements.
    SettlementsWanted,
    /// The control stream changed something: its events are the next `events` of the batch.
    Changed {
        /// How many events.
        events: u32,
    },
    /// A command of the control stream was applied, or refused.
    Controlled(Result<Effect, RejectReason>),
    /// A seat was opened.
    Opened,
}

impl Outcome {
    /// How many of the batch's events belong to it.
    #[must_use]
    pub const fn events(&self) -> usize {
        match self {
            Self::Applied { events, .. }
            | Self::Changed { events }
            | Self::SessionCanceled { events, .. } => *events as usize,
            _ => 0,
        }
    }
}

/// What was decided about a command outside its book, from what other streams may change at any
/// time. A replay takes it from here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Taken off what the account has available.
    pub hold: Amount,
    /// The fee tier a new order got.
    pub fee_tier: FeeTier,
    /// The self-trade prevention group a new order got.
    pub stp_group: StpGroup,
    /// Why the command never came to the book.
    pub refused: Option<RejectReason>,
}

/// The sending end of a matcher's queue.
#[derive(Clone, Debug)]
pub struct MatcherDoor {
    /// Bounded, lock-free.
    pub queue: Sender<Submission>,
    /// What waits in it.
    pub gauge: Arc<QueueGauge>,
    /// Told after a submission when the matcher runs on a gateway's thread.
    pub inline_wake: Option<Arc<Notify>>,
    /// Emptied vectors come back here.
    pub spare: Receiver<Vec<Item>>,
    /// Whether submissions are told when they were put into the queue.
    pub is_metered: bool,
}

impl MatcherDoor {
    /// Hands a submission over. The caller has admitted its items to the gauge.
    ///
    /// # Errors
    /// Gives it back when the queue is full or the matcher has ended.
    pub fn submit(&self, mut submission: Submission) -> Result<(), TrySendError<Submission>> {
        if self.is_metered {
            submission.times.queued_at = clock::stamp();
        }
        self.queue.try_send(submission)?;
        if let Some(wake) = &self.inline_wake {
            wake.notify_one();
        }
        Ok(())
    }

    /// An empty vector of items, used before if there is one.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        self.spare.try_recv().unwrap_or_default()
    }
}

impl Batch {
    /// Who asked for what a record tells of, and the request.
    ///
    /// # Panics
    /// When the record is not of this batch.
    #[must_use]
    pub fn asked(&self, record: &Record) -> (&Arc<Link>, &Item) {
        let submission = &self.submissions[record.submission as usize];
        (&submission.link, &submission.items[record.item as usize])
    }

    /// Empties it, keeping its memory. Gives the submissions, whose vectors are used again.
    pub fn clear(&mut self) -> std::vec::Drain<'_, Submission> {
        self.records.clear();
        self.events.clear();
        self.submissions.drain(..)
    }
}

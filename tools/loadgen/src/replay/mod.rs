//! Replay: sends recorded order flow to a server, in several tenants at once, and compares the
//! executions and books that come back with those a correct engine must produce.
//!
//! The tenants are interleaved in one thread and everything is pipelined: nothing waits for the
//! answer of what was sent before it, except where credits are used up.

mod compare;
mod crc;
mod fifo;
mod lane;
mod money;
mod output;
mod pace;
mod plan;
mod player;
mod recorder;
mod run;
mod set;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use souk_protocol::message::MarketDefinition;
use souk_protocol::{AccountId, Code, KeyId, MarketId, TenantId};

use crate::connection::ConnectionError;
use crate::key::{KeyError, PrivateKey};
use player::Player;

pub use compare::{Verdict, compare};
pub use money::{MoneyOption, MoneySeen};
pub use output::write as write_played;
pub use recorder::Complaints;
pub use run::{Arguments, run};
pub use set::{
    BookRow, GOLDEN_LEVELS, Input, LevelRow, Operation, RestingRow, Set, SideRow, TradeRow,
};

/// A tenant that a set is replayed in.
#[derive(Clone, Copy, Debug)]
pub struct TenantOption<'a> {
    /// A key of the tenant.
    pub key_id: KeyId,
    /// Its private half.
    pub key: &'a PrivateKey,
    /// Which of the key's sessions.
    pub session_number: u16,
    /// The market of the set's symbol 0; symbol `n` goes to the market whose id is higher by `n`.
    pub first_market: MarketId,
    /// The accounts that the orders are dealt out to, by a fixed hash of the order id. None: the
    /// first the key may use enters them all.
    pub accounts: &'a [AccountId],
    /// How money is looked after, if it is.
    pub money: Option<&'a MoneyOption>,
}

/// What one tenant saw.
#[derive(Clone, Debug)]
pub struct Played {
    /// The tenant.
    pub tenant: TenantId,
    /// Inputs sent.
    pub inputs: usize,
    /// From the first input sent to the last answer.
    pub elapsed: Duration,
    /// Messages that were refused for lack of room and sent again.
    pub resent: u64,
    /// The executions, in order.
    pub trades: Vec<TradeRow>,
    /// What maker and taker of each paid, by the server's reports.
    pub fees: Vec<(i64, i64)>,
    /// The books where goldens have them, or after every thousandth input; and at the end.
    pub books: Vec<BookRow>,
    /// Every order that rests at the end.
    pub final_book: Vec<RestingRow>,
    /// What the accounts had, if it was looked at.
    pub money: Option<MoneySeen>,
    /// What did not fit together, whatever the goldens say.
    pub complaints: Complaints,
}

/// Replays a set in all these tenants at once.
///
/// # Errors
/// When it cannot be carried through. What comes out wrong is no error here: see [`compare`].
pub fn replay(
    address: SocketAddr,
    set: &Set,
    tenants: &[TenantOption<'_>],
) -> Result<Vec<Played>, ReplayError> {
    let players = tenants
        .iter()
        .map(|option| Player::open(address, set, option));
    let mut players = players.collect::<Result<Vec<_>, _>>()?;
    while !players.iter().all(Player::is_complete) {
        for player in players.iter_mut().filter(|player| !player.is_complete()) {
            player.turn()?;
        }
    }
    players.into_iter().map(Player::close).collect()
}

/// Why a set could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is nothing to send.
    #[error("{} has no inputs: give a file of inputs, or a folder with input.csv", .0.display())]
    NoInputs(PathBuf),
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file has no such column.
    #[error("{} has no column {name}", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        name: &'static str,
    },
    /// A field makes no sense.
    #[error("{}, line {line}: {name} is {text:?}", path.display())]
    BadField {
        /// The file.
        path: PathBuf,
        /// The line, the header being line 1.
        line: usize,
        /// The column.
        name: &'static str,
        /// What is there.
        text: String,
    },
    /// A reduce of what is not there.
    #[error("input {input_seq} reduces order {order_id} by more than it ever had")]
    BadReduce {
        /// The input.
        input_seq: u64,
        /// The order.
        order_id: u64,
    },
    /// The key has no account.
    #[error("key {0} may use no account: give it one in the server's configuration")]
    NoAccount(KeyId),
    /// The market does not exist.
    #[error("the tenant has no market {market}, which symbol {sym} of the set goes to")]
    NoMarket {
        /// The market.
        market: MarketId,
        /// The symbol.
        sym: u32,
    },
    /// The market has orders already.
    #[error("market {market} has orders on {levels} levels, a replay begins with an empty book")]
    MarketNotEmpty {
        /// The market.
        market: MarketId,
        /// Levels of its book.
        levels: usize,
    },
    /// The market's limits are too narrow.
    #[error(
        "input {} has price {} and quantity {}, market {} takes prices {} to {} and quantities {} to {} (ticks and lots): widen its bounds",
        input.seq, input.price, input.qty, market.market, market.price_min, market.price_max,
        market.qty_min, market.qty_max
    )]
    OutOfBounds {
        /// The input.
        input: Input,
        /// The market.
        market: Box<MarketDefinition>,
    },
    /// The server refused a message for good.
    #[error("input {input_seq} (template {template}) was refused by the server: {code}")]
    Refused {
        /// The input, or 0 if it was none.
        input_seq: u64,
        /// The template.
        template: u16,
        /// Why.
        code: Code,
    },
    /// The server refused a message again and again.
    #[error("input {input_seq} was refused again and again: {code}")]
    NotApplied {
        /// The input.
        input_seq: u64,
        /// Why.
        code: Code,
    },
    /// The server speaks of messages that are not on their way.
    #[error(
        "the server refused {count} messages from number {from} on, which are not on their way"
    )]
    NotInFlight {
        /// The first number.
        from: u64,
        /// How many.
        count: u64,
    },
    /// Nothing came.
    #[error("tenant {tenant}: no answer for {limit:?}")]
    Silence {
        /// The tenant.
        tenant: TenantId,
        /// How long.
        limit: Duration,
    },
    /// A balance could not be seen, or an account not be credited.
    #[error("money of account {account}: {error}; the key needs the permission `funding`")]
    Money {
        /// The account.
        account: AccountId,
        /// Why.
        error: ConnectionError,
    },
    /// No balance can have so much.
    #[error(
        "account {account} would need {needed} units of a currency, no balance can have so much: lower the currency's scale"
    )]
    TooMuchMoney {
        /// The account.
        account: AccountId,
        /// How much.
        needed: i128,
    },
    /// The connection failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The address names nothing.
    #[error("{0} is no address: give host:port")]
    Address(String),
}

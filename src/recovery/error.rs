//! Why a node does not start from its journal.

use std::path::PathBuf;

use souk_engine::SpecError;
use souk_protocol::{Amount, MarketId, TenantId};

use super::snapshot_file::HeadError;
use crate::control::{CurrencyCode, Custody};
use crate::history::HistoryError;
use crate::journal::{BalanceLine, ReadError};
use crate::ledger::Unsound;
use crate::storage::StateFileError;

/// Why a node does not start from its journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The journal cannot be read, or is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The history's tables cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The system refuses.
    #[error("{0}\nremedy: mend the disk, or name another data directory")]
    Disk(std::io::Error),
    /// It was asked to stop.
    #[error("it was stopped")]
    Stopped,
    /// The journal ends before the segment that it should reach.
    #[error(
        "the journal reaches group {reached}, the next segment begins with group {group}\nremedy: keep the data directory and report it"
    )]
    NotReached {
        /// Where the segment begins.
        group: u64,
        /// Where the journal ends.
        reached: u64,
    },
    /// A snapshot that was read back is not what was written.
    #[error("{}: it was written with state {written:#018x}, and read with {read:#018x}\nremedy: mend the disk; keep the data directory and report it", file.display())]
    SnapshotDiffers {
        /// The file.
        file: PathBuf,
        /// The hash of what was read.
        read: u64,
        /// The hash of what was written.
        written: u64,
    },
    /// Another process takes a snapshot.
    #[error("{}: a snapshot is being taken by {holder}\nremedy: wait until it is taken; `souk snapshot list` shows it", folder.display())]
    SnapshotUnderWay {
        /// The folder of the snapshots.
        folder: PathBuf,
        /// What that process wrote of itself.
        holder: String,
    },
    /// A snapshot cannot be read, or is damaged.
    #[error(
        "{0}\nremedy: keep the file; without it the node starts from an earlier snapshot, or from its whole journal"
    )]
    State(#[from] StateFileError),
    /// A snapshot's header cannot be read, or is damaged.
    #[error(
        "{0}\nremedy: keep the file; without it the node starts from an earlier snapshot, or from its whole journal"
    )]
    Head(#[from] HeadError),
    /// A market's bounds are refused.
    #[error("market: {0}")]
    Market(#[from] SpecError),
    /// A tenant has a past, but no configuration.
    #[error(
        "the journal has tenant {id} ({name}), the configuration has not\nremedy: put its [[tenant]] back, or use another data directory"
    )]
    TenantNotConfigured {
        /// Its id.
        id: TenantId,
        /// Its name.
        name: String,
    },
    /// A tenant is configured otherwise than it began.
    #[error(
        "tenant {id} began as {name} with {custody:?} custody, which never change\nremedy: configure it so, or give the other tenant another id"
    )]
    TenantChanged {
        /// Its id.
        id: TenantId,
        /// The name it began with.
        name: String,
        /// The custody it began with.
        custody: Custody,
    },
    /// What a tenant begins with is more than becomes durable at one time.
    #[error(
        "tenant {id} ({name}) begins with {commands} commands, {bytes} bytes; at most {max} bytes become durable at one time\nremedy: configure fewer accounts and credits of it, and create the others over the wire or in the office when it runs"
    )]
    FoundingTooLong {
        /// Its id.
        id: TenantId,
        /// Its name.
        name: String,
        /// Currencies, markets, fees, accounts and credits of its configuration.
        commands: usize,
        /// Their bytes in the journal.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A record is of a stream that was never opened.
    #[error(
        "tenant {tenant}, market {market}, stream_seq {stream_seq}: the journal never opened this stream\nremedy: keep the data directory and report it"
    )]
    UnknownStream {
        /// Whose.
        tenant: TenantId,
        /// Which; 0 is the control stream.
        market: MarketId,
        /// The record's number.
        stream_seq: u64,
    },
    /// A command does not come out as it was recorded.
    #[error(
        "tenant {tenant}, market {market}, stream_seq {stream_seq}: {what}\nremedy: start the version that wrote the journal; keep the data directory and report it"
    )]
    Difference {
        /// Whose.
        tenant: TenantId,
        /// Which; 0 is the control stream.
        market: MarketId,
        /// The record's number.
        stream_seq: u64,
        /// What differs.
        what: String,
    },
    /// A batch does not have the events it had.
    #[error(
        "batch {batch}: the replay gives {replayed} events, the journal says {recorded}\nremedy: start the version that wrote the journal; keep the data directory and report it"
    )]
    Events {
        /// The batch.
        batch: u64,
        /// Events of the replay.
        replayed: u64,
        /// Events that were recorded.
        recorded: u64,
    },
    /// A stream does not come to the state it had.
    #[error(
        "tenant {tenant}, market {market}, stream_seq {stream_seq}: the replay comes to state {replayed:#018x}, the journal says {recorded:#018x}\nremedy: start the version that wrote the journal; keep the data directory and report it"
    )]
    StateHash {
        /// Whose.
        tenant: TenantId,
        /// Which.
        market: MarketId,
        /// Where.
        stream_seq: u64,
        /// The hash of the replay.
        replayed: u64,
        /// The hash that was recorded.
        recorded: u64,
    },
    /// A balance is not what it was when a node stopped in order.
    #[error(
        "tenant {tenant}, account {}, currency {}: the replay comes to {total} with {held} on hold, the journal says {} with {} on hold\nremedy: start the version that wrote the journal; keep the data directory and report it",
        recorded.account, recorded.currency.as_str(), recorded.total, recorded.held
    )]
    Balance {
        /// Whose.
        tenant: TenantId,
        /// What was recorded.
        recorded: BalanceLine,
        /// All of it in the replay.
        total: Amount,
        /// What open orders hold in the replay.
        held: Amount,
    },
    /// There is more or less of a currency than was credited.
    #[error(
        "tenant {tenant}, currency {}: its control stream has credits less debits of {control}, the ledger has {ledger}\nremedy: keep the data directory and report it",
        currency.as_str()
    )]
    Supply {
        /// Whose.
        tenant: TenantId,
        /// The currency.
        currency: CurrencyCode,
        /// Credits less debits of the control stream.
        control: Amount,
        /// What is in the ledger.
        ledger: i128,
    },
    /// The ledger does not add up.
    #[error("the recovered ledger is wrong: {0}\nremedy: keep the data directory and report it")]
    Ledger(#[from] Unsound),
}

//! The publisher's part in money: its own files, and the loop around them.

#[path = "../../src/publisher/links.rs"]
#[allow(dead_code, reason = "the publisher uses all of it")]
mod links;
#[path = "../../src/publisher/money.rs"]
#[allow(dead_code, reason = "the publisher uses all of it")]
mod money;
#[path = "../../src/publisher/settlements.rs"]
#[allow(dead_code, reason = "the publisher uses all of it")]
mod settlements;

use souk::handoff::{Admitted, MarketSeat};
use souk::treasury::Treasury;
use souk_engine::{Command, Event};

/// Any moment.
const TRANSACT_TIME: u64 = 1_700_000_000_000_000_000;

/// Settles the records of one market.
pub struct Settling {
    money: money::MarketMoney,
    gathered: money::Gathered,
    links: links::Links,
}

impl Settling {
    /// For a market without commands.
    pub fn new(seat: &MarketSeat, treasury: &Treasury) -> Self {
        Self {
            money: money::MarketMoney::new(seat, treasury),
            gathered: money::Gathered::default(),
            links: links::Links::default(),
        }
    }

    /// Settles a record.
    #[inline]
    pub fn settle(
        &mut self,
        stream_seq: u64,
        command: &Command,
        admitted: &Admitted,
        events: &[Event],
        treasury: &Treasury,
    ) {
        let record = money::Committed {
            stream_seq,
            transact_time: TRANSACT_TIME,
            command,
            admitted,
            events,
        };
        let (gathered, links) = (&mut self.gathered, &mut self.links);
        self.money.settle(&record, treasury, gathered, links);
    }

    /// After the last record of a batch.
    #[inline]
    pub fn finish(&mut self, treasury: &Treasury) {
        self.gathered.finish(treasury, TRANSACT_TIME);
    }
}

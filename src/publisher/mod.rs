//! The publisher: turns committed batches into execution reports and market data, and settles them.
//!
//! It numbers reports per (session, market) and market data per subscription, and appends whole
//! frames to the outbox of each connection, once per batch.
//!
//! Must never: see a batch that is not committed, or wait for a connection.

mod control;
mod counts;
mod kept;
mod links;
mod market;
mod market_data;
mod money;
#[cfg(test)]
mod money_tests;
mod reports;
mod settlements;
mod state;

use std::sync::Arc;

use crossbeam_channel::Sender;
use souk_engine::Event;

use crate::clock::{self, Stamp};
use crate::directory::Directory;
use crate::handoff::{
    Batch, MarketSeat, Outcome, Record, Request, Seat, SeatConfig, TakesBatches, Task, TenantIndex,
};
use crate::history::{MarketRecord, Recorder};
use crate::metrics::{MatcherMeter, Stage};
use crate::treasury::{Posting, Treasury};
use links::Links;
pub use market::SessionReports;
use market::{At, MarketReports};
use money::Gathered;

/// Turns batches into frames.
#[derive(Debug)]
pub struct Publisher {
    seats: Vec<SeatReports>,
    links: Links,
    desk: Desk,
    gathered: Gathered,
    meter: Option<MatcherMeter>,
}

/// What publishers share.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Whose balances settle.
    pub treasury: Arc<Treasury>,
    /// Where new currencies and accounts are made known.
    pub directory: Arc<Directory>,
    /// Takes to markets what their control stream decided. Gateways see to it that few wait.
    pub tasks: Sender<Task>,
    /// Takes down what people may ask for later: a follower's.
    pub recorder: Option<Arc<Recorder>>,
}

/// What the publisher keeps for a seat.
#[derive(Debug)]
enum SeatReports {
    Market(Box<MarketReports>),
    Control(TenantIndex),
}

impl Publisher {
    /// A publisher for these seats.
    #[must_use]
    pub fn new(seats: &[SeatConfig], desk: Desk) -> Self {
        let mut publisher = Self {
            seats: Vec::new(),
            links: Links::default(),
            desk,
            gathered: Gathered::default(),
            meter: None,
        };
        for seat in seats {
            publisher.open(seat);
        }
        publisher
    }

    /// In a replay: leaves the money of markets to whoever calls [`Self::swap_postings`], who makes the changes of all
    /// markets in the journal's order. Or makes them from now on.
    ///
    /// # Panics
    /// When changes that were left are not made yet.
    #[must_use]
    pub fn leaving_changes(mut self, leaves: bool) -> Self {
        self.gathered.leave_changes(leaves);
        self
    }

    /// Gives the changes of balances that were left, for an empty vector.
    pub const fn swap_postings(&mut self, postings: &mut Vec<Posting>) {
        self.gathered.swap_postings(postings);
    }

    fn open(&mut self, seat: &SeatConfig) {
        match seat {
            SeatConfig::Market(seat) => self.open_market(seat),
            SeatConfig::Control(seat) => self.seats.push(SeatReports::Control(seat.tenant)),
        }
    }

    /// Opens another market, after the last seat.
    pub fn open_market(&mut self, seat: &MarketSeat) {
        let market = MarketReports::new(seat, &self.desk.treasury);
        self.seats.push(SeatReports::Market(Box::new(market)));
    }

    /// What the market of a seat has told each session.
    pub fn sessions(&self, seat: Seat) -> impl Iterator<Item = SessionReports<'_>> {
        let market = match self.seats.get(seat.0 as usize) {
            Some(SeatReports::Market(market)) => Some(market.told()),
            _ => None,
        };
        market.into_iter().flatten()
    }

    fn record(&mut self, batch: &Batch, record: &Record, events: &[Event]) {
        let (link, item) = batch.asked(record);
        if let Request::Open(seat) = &item.request {
            return self.open_market(seat);
        }
        let place = self.links.attach(link);
        match &mut self.seats[item.seat.0 as usize] {
            SeatReports::Market(market) => {
                let mut at = At {
                    link,
                    place,
                    record,
                    events,
                    transact_time: batch.transact_time,
                    links: &mut self.links,
                    treasury: &self.desk.treasury,
                    gathered: &mut self.gathered,
                };
                market.record(&item.request, &mut at);
                if let Some(recorder) = &self.desk.recorder {
                    let record = MarketRecord {
                        tenant: market.money.tenant(),
                        market: market.market,
                        stream_seq: record.stream_seq,
                        at: batch.transact_time,
                        request: &item.request,
                        events,
                    };
                    recorder.market(&record, |trade| market.money.trade(trade));
                }
            }
            SeatReports::Control(tenant) => match (&record.outcome, &item.request) {
                (Outcome::Controlled(result), Request::Control(request)) => {
                    let decided = control::Decided {
                        tenant: *tenant,
                        request,
                        control_seq: record.stream_seq,
                        result,
                        transact_time: batch.transact_time,
                    };
                    let (desk, gathered) = (&self.desk, &mut self.gathered);
                    decided.publish(link, place, &mut self.links, desk, gathered);
                    if let (Some(recorder), Ok(effect)) = (&self.desk.recorder, result) {
                        let (seq, at) = (record.stream_seq, batch.transact_time);
                        recorder.control(*tenant, seq, at, effect);
                    }
                }
                (Outcome::Left, _) => self.links.detach(link),
                _ => unreachable!("a control stream takes control commands and leaves"),
            },
        }
    }
}

impl TakesBatches for Publisher {
    fn meter(&mut self, meter: &MatcherMeter) {
        self.meter = Some(meter.clone());
    }

    fn take(&mut self, batch: &mut Batch) {
        let begun = self.note_begin(batch);
        self.publish(batch);
        self.note_end(batch, begun);
    }
}

impl Publisher {
    /// Says that money moves from now on, and writes down how long the batch has waited.
    fn note_begin(&self, batch: &Batch) -> Stamp {
        let Some(meter) = &self.meter else {
            return Stamp::NONE;
        };
        let (begun, stages) = (clock::stamp(), &meter.stages);
        stages.settling.begin();
        stages.record(Stage::Journal, batch.applied_at, begun, batch.requests);
        begun
    }

    /// Writes down what was published, and how long it took.
    fn note_end(&self, batch: &Batch, begun: Stamp) {
        let Some(meter) = &self.meter else {
            return;
        };
        let stages = &meter.stages;
        stages.settling.end();
        stages.record(Stage::Publish, begun, clock::stamp(), batch.requests);
    }

    fn publish(&mut self, batch: &Batch) {
        let mut rest = &batch.events[..];
        for record in &batch.records {
            let (events, later) = rest.split_at(record.outcome.events());
            rest = later;
            self.record(batch, record, events);
            if let Some(meter) = &self.meter {
                counts::count(meter, batch, record, events);
            }
        }
        assert!(rest.is_empty(), "each event belongs to a record");
        for record in &batch.records {
            let (_, item) = batch.asked(record);
            if let SeatReports::Market(market) = &mut self.seats[item.seat.0 as usize] {
                market
                    .feed
                    .flush(market.market, batch.transact_time, &mut self.links);
            }
        }
        // Before anybody is told: whoever asks after a report finds the money where the report says it is.
        self.gathered
            .finish(&self.desk.treasury, batch.transact_time);
        self.links.flush();
    }
}

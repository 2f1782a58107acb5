//! What one market's reports say happened: executions in order, and every order in its place.

use std::collections::VecDeque;

use souk_protocol::message::{Canceled, Rejected, Replaced, Trade};
use souk_protocol::{Liquidity, OrderId, Price, ServerMessage};

use super::fifo::FifoBook;
use super::plan::{Check, Plan};
use super::set::TradeRow;

/// Most complaints that are kept in words.
const COMPLAINTS_MAX: usize = 20;

/// Things that are not as they must be: the first ones in words, all of them counted.
#[derive(Clone, Debug, Default)]
pub struct Complaints {
    /// The first ones.
    pub first: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Complaints {
    pub(crate) fn add(&mut self, complaint: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < COMPLAINTS_MAX {
            self.first.push(complaint());
        }
    }
}

/// The rebuilt book at a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) crc32: u32,
    pub(crate) hash: u64,
}

/// Reads the reports of one market.
#[derive(Debug)]
pub(crate) struct Recorder {
    book: FifoBook,
    pub(crate) trades: Vec<TradeRow>,
    /// What maker and taker of each paid.
    pub(crate) fees: Vec<(i64, i64)>,
    /// One side's report of an execution whose other side's is still to come.
    half: Option<Trade>,
    /// Checks whose time is still to come.
    due: VecDeque<(usize, Check)>,
    /// What the book was at each check.
    pub(crate) looks: Vec<Option<Look>>,
    /// The `book_hash` of the snapshot that came for a check.
    pub(crate) snapshot_hashes: Vec<(usize, u64)>,
    report_seq: u64,
    match_id: Option<u64>,
    /// Whether the answer to the last message came.
    pub(crate) complete: bool,
    pub(crate) complaints: Complaints,
}

impl Recorder {
    /// A recorder that has seen `report_seq` reports before.
    pub(crate) fn new(plan: &Plan, report_seq: u64) -> Self {
        Self {
            book: FifoBook::default(),
            trades: Vec::new(),
            fees: Vec::new(),
            half: None,
            due: plan.checks.iter().copied().enumerate().collect(),
            looks: vec![None; plan.checks.len()],
            snapshot_hashes: Vec::new(),
            report_seq,
            match_id: None,
            complete: false,
            complaints: Complaints::default(),
        }
    }

    pub(crate) const fn book(&self) -> &FifoBook {
        &self.book
    }

    /// Takes one report. Gives its `client_seq`, or `None` when the message is no report.
    pub(crate) fn on_report(
        &mut self,
        report_seq: u64,
        message: &ServerMessage<'_>,
        plan: &Plan,
    ) -> Option<u64> {
        let client_seq = match message {
            ServerMessage::Accepted(report) => report.client_seq,
            ServerMessage::Rejected(report) => report.client_seq,
            ServerMessage::Canceled(report) => report.client_seq,
            ServerMessage::Replaced(report) => report.client_seq,
            ServerMessage::Trade(report) => report.client_seq,
            _ => return None,
        };
        self.report_seq = self.report_seq.wrapping_add(1);
        if report_seq != self.report_seq {
            let expected = self.report_seq;
            self.complaints
                .add(|| format!("report {report_seq} came where {expected} was due"));
            self.report_seq = report_seq;
        }
        if client_seq != 0 {
            self.look_at_book(client_seq);
        }
        match message {
            ServerMessage::Accepted(new) => self.book.enter(
                new.order_id,
                new.cl_ord_id.0,
                new.side,
                new.price.0,
                new.qty.0,
            ),
            ServerMessage::Rejected(rejected) => self.on_rejected(rejected, plan),
            ServerMessage::Canceled(canceled) => self.on_canceled(canceled),
            ServerMessage::Replaced(replaced) => self.on_replaced(replaced),
            ServerMessage::Trade(trade) => self.on_trade(trade, plan),
            _ => {}
        }
        Some(client_seq)
    }

    /// The first report of a message comes: checks before it see the book as it is now.
    fn look_at_book(&mut self, client_seq: u64) {
        while let Some((index, _)) = self
            .due
            .pop_front_if(|(_, check)| check.client_seq < client_seq)
        {
            self.looks[index] = Some(Look {
                crc32: self.book.crc32(),
                hash: self.book.hash(),
            });
        }
    }

    fn on_rejected(&mut self, rejected: &Rejected, plan: &Plan) {
        if rejected.client_seq == plan.fence_seq() {
            self.complete = true;
            return;
        }
        let input = plan.input_of(rejected.client_seq);
        self.complaints.add(|| {
            let input = input.unwrap_or_default();
            format!("input {input} was refused: {}", rejected.code)
        });
    }

    fn on_canceled(&mut self, canceled: &Canceled) {
        let leaves = self.book.leaves(canceled.order_id);
        if leaves != Some(canceled.qty.0) {
            self.complaints.add(|| {
                let (name, qty) = (canceled.cl_ord_id, canceled.qty);
                format!("{qty} of order {name} were canceled, its reports before leave {leaves:?}")
            });
        }
        self.book.remove(canceled.order_id);
    }

    fn on_replaced(&mut self, replaced: &Replaced) {
        if replaced.kept_priority {
            self.book.set_leaves(replaced.order_id, replaced.leaves.0);
            return;
        }
        let Price(price) = replaced.price;
        let name = replaced.cl_ord_id.0;
        self.book.enter(
            replaced.order_id,
            name,
            replaced.side,
            price,
            replaced.leaves.0,
        );
    }

    /// Each execution is told twice, to the maker and to the taker, here to the same session.
    fn on_trade(&mut self, trade: &Trade, plan: &Plan) {
        self.fill(trade.order_id, trade);
        let account = plan.dealing.account_of(trade.cl_ord_id.0);
        if trade.account != account {
            self.complaints
                .add(|| format!("an execution of account {account}'s order is told as {trade:?}"));
        }
        let Some(half) = self.half.take() else {
            self.half = Some(*trade);
            return;
        };
        let (maker, taker) = match trade.liquidity {
            Liquidity::Maker => (trade, &half),
            Liquidity::Taker => (&half, trade),
        };
        let same = maker.match_id == taker.match_id
            && maker.liquidity != taker.liquidity
            && (maker.price, maker.qty, maker.side.opposite())
                == (taker.price, taker.qty, taker.side);
        let expected = self
            .match_id
            .map_or(maker.match_id.0, |last| last.wrapping_add(1));
        if !same || maker.match_id.0 != expected {
            self.complaints
                .add(|| format!("two reports are not one execution: {maker:?} and {taker:?}"));
        }
        self.match_id = Some(maker.match_id.0);
        self.fees.push((maker.fee, taker.fee));
        self.trades.push(TradeRow {
            input_seq: plan.input_of(taker.client_seq).unwrap_or_default(),
            sym: plan.sym,
            maker_id: maker.cl_ord_id.0,
            taker_id: taker.cl_ord_id.0,
            taker_side: taker.side,
            price: taker.price.0,
            qty: taker.qty.0,
            maker_left: maker.leaves.0,
        });
    }

    fn fill(&mut self, order: OrderId, trade: &Trade) {
        let leaves = self.book.leaves(order);
        if leaves.and_then(|leaves| leaves.checked_sub(trade.qty.0)) != Some(trade.leaves.0) {
            self.complaints
                .add(|| format!("an execution does not fit what is left, {leaves:?}: {trade:?}"));
        }
        self.book.set_leaves(order, trade.leaves.0);
    }
}

//! Start, load, kill, compare, again.

use std::fmt;
use std::time::Duration;

use souk_protocol::RejectReason;

use crate::office::Office;
use crate::oracle::Oracle;
use crate::process::{ACME, GLOBEX, How, Listening, Log, OFFICES, Place};
use crate::trader::{Random, Trader};

/// After so many kills the journal is compared with what clients know.
const COMPARED_EVERY: u64 = 5;
/// Of so many kills one comes when a snapshot has just got its name, where snapshots are taken.
const SNAPSHOT_EVERY: u64 = 4;

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub cycles: u64,
    pub kills: u64,
    pub in_recovery: u64,
    pub orderly: u64,
    pub sent: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub unanswered: u64,
    pub resent: u64,
    pub fundings: u64,
    pub trades: u64,
    pub records: u64,
    pub hashes: u64,
    pub torn: u64,
    pub comparisons: u64,
    pub snapshots: u64,
    /// Starts from one.
    pub from_snapshots: u64,
    /// Kills while one was being written.
    pub unfinished: u64,
    /// What such a kill left behind last.
    left: Option<u64>,
    pub segments_removed: u64,
}

impl Counts {
    /// What a process says of its snapshots, and what it has left behind.
    fn end(&mut self, log: &Log, place: &Place) {
        self.snapshots += log.text.matches("taken=SnapshotTaken").count() as u64;
        self.from_snapshots += u64::from(log.text.contains(" snapshot="));
        let left = place.unfinished();
        self.unfinished += u64::from(left.is_some() && left != self.left);
        self.left = left;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cycles: {} kills under load, {} within start and recovery, {} orderly ends; {} messages sent, \
             {} acknowledged ({} refusals), {} unanswered at an end, {} resent; {} fundings answered; journal: \
             {} records, {} trades, {} torn tails; {} comparisons, {} state hashes equal; {} snapshots taken, {} killed \
             while written, {} starts from one, {} segments removed",
            self.cycles,
            self.kills,
            self.in_recovery,
            self.orderly,
            self.sent,
            self.acknowledged,
            self.refused,
            self.unanswered,
            self.resent,
            self.fundings,
            self.records,
            self.trades,
            self.torn,
            self.comparisons,
            self.hashes,
            self.snapshots,
            self.unfinished,
            self.from_snapshots,
            self.segments_removed,
        )
    }
}

/// All who send.
pub struct Clients {
    pub traders: Vec<Trader>,
    pub offices: Vec<Office>,
}

impl Clients {
    pub fn new(seed: u64) -> Self {
        let seed = |key: u32| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(key);
        let acme = ACME.map(|key| Trader::new(1, key, 4, &[1, 2, 3], seed(key)));
        let globex = GLOBEX.map(|key| Trader::new(2, key, 2, &[1], seed(key)));
        let [acmes, globexs] = OFFICES;
        Self {
            traders: acme.into_iter().chain(globex).collect(),
            offices: vec![
                Office::new(1, acmes, 4, seed(acmes)),
                Office::new(2, globexs, 2, seed(globexs)),
            ],
        }
    }

    pub fn connect(&mut self, souk: &Listening) {
        for trader in &mut self.traders {
            trader.reconnect(souk.address);
        }
        for office in &mut self.offices {
            office.reconnect(souk.address);
        }
    }

    /// All send, until `end` has ended the process.
    pub fn run(&mut self, souk: Listening, end: impl FnOnce(Listening) -> Log) -> Log {
        std::thread::scope(|scope| {
            for trader in &mut self.traders {
                scope.spawn(|| trader.run());
            }
            for office in &mut self.offices {
                scope.spawn(|| office.run());
            }
            end(souk)
        })
    }

    /// All connect and send, until `end` has ended the process.
    pub fn load(&mut self, souk: Listening, end: impl FnOnce(Listening) -> Log) -> Log {
        self.connect(&souk);
        self.run(souk, end)
    }

    /// Compares what all know with what the journal says.
    pub fn compare(&self, place: &Place) -> Oracle {
        let oracle = Oracle::read(&place.whole_journal());
        for trader in &self.traders {
            trader.compare(&oracle);
        }
        for office in &self.offices {
            office.compare(&oracle);
        }
        oracle
    }

    /// Starts it once more: it says of everybody what the journal says, and has what the journal gives.
    pub fn compare_with_a_node(&mut self, souk: &Listening, oracle: &Oracle) {
        self.connect(souk);
        for trader in &self.traders {
            trader.compare_joined(oracle);
        }
        for office in &mut self.offices {
            office.compare_balances(oracle);
        }
    }

    pub fn ends(&self) -> Vec<Option<RejectReason>> {
        let traders = self.traders.iter().map(|trader| trader.ended);
        let offices = self.offices.iter().map(|office| office.ended);
        traders.chain(offices).collect()
    }

    fn unanswered(&self) -> u64 {
        let traders = self.traders.iter().map(Trader::unanswered).sum::<u64>();
        traders + self.offices.iter().map(Office::unanswered).sum::<u64>()
    }

    fn count(&self, counts: &mut Counts) {
        for trader in &self.traders {
            let markets = trader.markets.values();
            counts.sent += markets
                .clone()
                .map(|kept| kept.sent.len() as u64)
                .sum::<u64>();
            counts.acknowledged += markets.map(|kept| kept.acknowledged).sum::<u64>();
            counts.refused += trader.refused;
            counts.resent += trader.resent;
        }
        for office in &self.offices {
            counts.sent += office.sent();
            counts.resent += office.resent;
            counts.fundings += office.done;
        }
    }
}

/// A layout, another one each time.
fn any_layout(random: &mut Random) -> How {
    let layouts = [("inline", 1), ("threads", 1), ("threads", 3)];
    let (layout, matchers) = layouts[random.below(3) as usize];
    How { layout, matchers }
}

/// Kills one data directory's processes `cycles` times.
pub fn run_life(place: &Place, seed: u64, cycles: u64, counts: &mut Counts) {
    let mut random = Random(seed);
    let mut clients = Clients::new(seed);
    let snapshots = place.whole().is_some();
    let mut compared: Option<Oracle> = None;
    let mut hashes = 0;
    for cycle in 1..=cycles {
        for _ in 0..random.below(3) {
            let souk = place.spawn(&any_layout(&mut random));
            place.keep_for(Duration::from_micros(1_000 + random.below(29_000)));
            counts.end(&souk.kill(), place);
            counts.in_recovery += 1;
        }
        let souk = place.start(&any_layout(&mut random));
        match compared.take() {
            Some(oracle) => clients.compare_with_a_node(&souk, &oracle),
            None => clients.connect(&souk),
        }
        let until = Duration::from_micros(20_000 + random.below(380_000));
        let orderly = random.below(4) == 0;
        let log = clients.run(souk, |souk| {
            place.keep_for(until);
            if snapshots && cycle % SNAPSHOT_EVERY == 0 {
                place.keep_until_a_snapshot();
            }
            if orderly {
                souk.terminate()
            } else {
                souk.kill()
            }
        });
        counts.end(&log, place);
        let compared_less = log.number("hashes_compared") < hashes;
        assert!(snapshots || !compared_less, "{}", log.text);
        if orderly {
            counts.orderly += 1;
            hashes = log.number("hashes_compared") + 4;
        } else {
            counts.kills += 1;
        }
        counts.cycles += 1;
        counts.unanswered += clients.unanswered();
        if cycle % COMPARED_EVERY == 0 || cycle == cycles {
            let oracle = clients.compare(place);
            counts.comparisons += 1;
            counts.torn += u64::from(oracle.torn);
            compared = Some(oracle);
        }
    }
    finish(place, &mut clients, counts);
}

/// An orderly end, and everything compared once more.
fn finish(place: &Place, clients: &mut Clients, counts: &mut Counts) {
    let log = clients.load(place.start(&How::default()), |souk| {
        place.keep_for(Duration::from_millis(20));
        if place.whole().is_some() {
            place.keep_until_a_snapshot();
        }
        souk.terminate()
    });
    counts.end(&log, place);
    let oracle = clients.compare(place);
    counts.segments_removed += place.segments_removed() as u64;
    let whole = place.whole();
    let whole = whole.map(|whole| whole.start(&How::default()).terminate());
    let souk = place.start(&How::default());
    clients.compare_with_a_node(&souk, &oracle);
    let log = souk.terminate();
    counts.end(&log, place);
    // From a snapshot and the rest it came to what it comes to from all of its journal.
    let whole = whole.as_ref().unwrap_or(&log);
    assert_eq!(
        whole.number("hashes_compared"),
        oracle.hashes,
        "{}",
        whole.text
    );
    assert_eq!(
        whole.word("state_hash"),
        log.word("state_hash"),
        "{}",
        log.text
    );
    place.assert_sound();
    clients.count(counts);
    counts.records += oracle.records;
    counts.hashes += oracle.hashes;
    let books = oracle
        .tenants
        .values()
        .flat_map(|tenant| tenant.books.values());
    counts.trades += books.map(|book| book.trades).sum::<u64>();
}

//! Streams that ran against each other are replayed in other orders and must end with the same
//! balances: each keeps its own order, but any number of records of one may come between two of
//! another.

use std::collections::VecDeque;

use souk::ledger::{BalanceSlot, BalanceView, CurrencyIndex, Ledger, SUPPLY_MAX};
use souk_protocol::Amount;

use super::{Random, change, ledger, seeds};

const ACCOUNTS: u64 = 4;
const CURRENCIES: u64 = 3;
const MARKETS: usize = 4;
const COMMANDS: usize = 3000;
const ORDERS_MAX: usize = 40;
const REPLAYS: u64 = 40;

/// (account, currency)
type Place = (usize, usize);

/// What a stream says of one command. A replay has nothing else.
#[derive(Clone, Copy, Debug)]
enum Record {
    /// An order that was granted its hold: what it paid to whom, what rests of it.
    Order {
        payer: Place,
        hold: i64,
        paid: i64,
        rests: i64,
        payee: Place,
    },
    /// An order that was refused, or a debit.
    Refused,
    /// What an order held comes back.
    Released { owner: Place, amount: i64 },
    /// Funding.
    Credited { owner: Place, amount: i64 },
    /// Funding.
    Debited { owner: Place, amount: i64 },
}

/// A node that runs: commands are numbered, and committed some time later.
struct Node {
    ledger: Ledger,
    slots: Vec<Vec<BalanceSlot>>,
    random: Random,
    unit: u64,
    streams: Vec<Stream>,
}

#[derive(Default)]
struct Stream {
    records: Vec<Record>,
    /// Numbered, not committed: the last so many of `records`.
    waiting: VecDeque<Record>,
    /// What rests, committed or not.
    orders: Vec<(Place, i64)>,
}

impl Node {
    /// Amounts are multiples of `unit`, so that a run can be at the limits of the numbers.
    fn new(seed: u64, unit: u64) -> Self {
        let (ledger, slots) = ledger(ACCOUNTS as usize, CURRENCIES as usize);
        Self {
            ledger,
            slots,
            random: Random(seed),
            unit,
            streams: (0..=MARKETS).map(|_| Stream::default()).collect(),
        }
    }

    fn run(&mut self) {
        for _ in 0..COMMANDS {
            let stream = self.random.below(MARKETS as u64 + 1) as usize;
            let record = match stream {
                MARKETS => self.fund(),
                market => self.trade(market),
            };
            self.streams[stream].records.push(record);
            self.streams[stream].waiting.push_back(record);
            let other = self.random.below(MARKETS as u64 + 1) as usize;
            for _ in 0..self.random.below(3) {
                self.commit(other);
            }
        }
        for stream in 0..=MARKETS {
            while self.commit(stream) {}
        }
    }

    fn place(&mut self) -> Place {
        let account = self.random.below(ACCOUNTS) as usize;
        (account, self.random.below(CURRENCIES) as usize)
    }

    fn amount(&mut self, bound: u64) -> Amount {
        Amount(self.random.below(bound + 1) * self.unit)
    }

    fn fund(&mut self) -> Record {
        let owner = self.place();
        let amount = self.amount(3);
        if self.random.below(5) < 3 {
            let currency = CurrencyIndex(owner.1 as u32);
            match self.ledger.admit_credit(currency, amount) {
                Ok(()) => Record::Credited {
                    owner,
                    amount: amount.0 as i64,
                },
                Err(_) => Record::Refused,
            }
        } else {
            match self.ledger.hold(self.slot(owner), amount) {
                Ok(()) => Record::Debited {
                    owner,
                    amount: amount.0 as i64,
                },
                Err(_) => Record::Refused,
            }
        }
    }

    /// A new order, or the end of one.
    fn trade(&mut self, market: usize) -> Record {
        let orders = &mut self.streams[market].orders;
        if orders.len() > ORDERS_MAX || (!orders.is_empty() && self.random.below(2) == 0) {
            let place = self.random.below(orders.len() as u64) as usize;
            let (owner, amount) = orders.swap_remove(place);
            return Record::Released { owner, amount };
        }
        let (payer, payee) = (self.place(), self.place());
        let payee = (payee.0, payer.1);
        let hold = self.amount(4);
        if self.ledger.hold(self.slot(payer), hold).is_err() {
            return Record::Refused;
        }
        let units = hold.0 / self.unit;
        let paid = self.amount(units);
        let rests = self.amount(units - paid.0 / self.unit);
        if rests.0 > 0 {
            self.streams[market].orders.push((payer, rests.0 as i64));
        }
        Record::Order {
            payer,
            hold: hold.0 as i64,
            paid: paid.0 as i64,
            rests: rests.0 as i64,
            payee,
        }
    }

    fn slot(&self, (account, currency): Place) -> BalanceSlot {
        self.slots[account][currency]
    }

    /// Commits the next record of a stream, as a publisher does.
    fn commit(&mut self, stream: usize) -> bool {
        let Some(record) = self.streams[stream].waiting.pop_front() else {
            return false;
        };
        let ledger = &self.ledger;
        match record {
            Record::Order {
                payer,
                hold,
                paid,
                rests,
                payee,
            } => {
                ledger.commit(self.slot(payer), change(-paid, rests, hold - paid - rests));
                ledger.commit(self.slot(payee), change(paid, 0, paid));
            }
            Record::Refused => {}
            Record::Released { owner, amount } => {
                ledger.commit(self.slot(owner), change(0, -amount, amount));
            }
            Record::Credited { owner, amount } => {
                ledger.commit_credit(self.slot(owner), Amount(amount as u64));
            }
            Record::Debited { owner, amount } => {
                ledger.commit_debit(self.slot(owner), Amount(amount as u64));
            }
        }
        true
    }

    fn balances(&self) -> Vec<BalanceView> {
        let slots = self.slots.iter().flatten();
        slots.map(|slot| self.ledger.view(*slot)).collect()
    }
}

/// Applies recorded streams to an empty ledger, in an order of its own.
fn replay(streams: &[Stream], mut random: Random) -> Vec<BalanceView> {
    let (ledger, slots) = ledger(ACCOUNTS as usize, CURRENCIES as usize);
    let slot = |(account, currency): Place| slots[account][currency];
    let mut next: Vec<std::slice::Iter<'_, Record>> =
        streams.iter().map(|stream| stream.records.iter()).collect();
    while !next.is_empty() {
        let stream = random.below(next.len() as u64) as usize;
        // Short and long runs of one stream, up to all of it.
        let run_max = 1 << random.below(13);
        let run = random.below(run_max) + 1;
        for _ in 0..run {
            match next[stream].next() {
                Some(Record::Order {
                    payer,
                    hold,
                    paid,
                    rests,
                    payee,
                }) => {
                    // The hold was granted then: nobody is asked now.
                    let back = hold - paid - rests;
                    ledger.replay(slot(*payer), change(-paid, *rests, back - hold));
                    ledger.replay(slot(*payee), change(*paid, 0, *paid));
                }
                Some(Record::Refused) => {}
                Some(Record::Released { owner, amount }) => {
                    ledger.replay(slot(*owner), change(0, -amount, *amount));
                }
                Some(Record::Credited { owner, amount }) => {
                    ledger.replay_credit(slot(*owner), Amount(*amount as u64));
                }
                Some(Record::Debited { owner, amount }) => {
                    ledger.replay_debit(slot(*owner), Amount(*amount as u64));
                }
                None => {
                    drop(next.swap_remove(stream));
                    break;
                }
            }
        }
    }
    ledger.check_at_rest().unwrap();
    let slots = slots.iter().flatten();
    slots.map(|slot| ledger.view(*slot)).collect()
}

fn one_run(seed: u64, unit: u64) {
    let mut node = Node::new(seed, unit);
    node.run();
    node.ledger.check_at_rest().unwrap();
    let count = |kind: fn(&&Record) -> bool| {
        let records = node.streams.iter().flat_map(|stream| &stream.records);
        records.filter(kind).count()
    };
    let refused = count(|record| matches!(record, Record::Refused));
    assert!(refused > COMMANDS / 20, "funds are tight: {refused}");
    let rested = count(|record| {
        matches!(
            record,
            Record::Order {
                paid: 1..,
                rests: 1..,
                ..
            }
        )
    });
    assert!(rested > COMMANDS / 50, "orders trade and rest: {rested}");
    let expected = node.balances();
    for order in 0..REPLAYS {
        let found = replay(&node.streams, Random(seed * REPLAYS + order));
        assert_eq!(found, expected, "SEED={seed}, unit {unit}, order {order}");
    }
}

#[test]
fn streams_replayed_in_any_order_give_the_same_balances() {
    for seed in seeds(4) {
        one_run(seed, 1);
    }
}

#[test]
fn so_they_do_at_the_limits_of_the_numbers() {
    // A replay passes through sums of many times what fits.
    for seed in seeds(4) {
        one_run(seed, SUPPLY_MAX.0 / 60);
    }
}

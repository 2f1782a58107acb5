//! Several markets and a funding stream on the same few accounts, with real books and the real
//! settlement: commands are numbered and hold at once, and are settled some time later, each stream in
//! its own order. Then the streams are replayed in other relative orders, and must end with the same
//! balances: a record says what was granted, and a balance is a sum.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use oracle::ledger::{Balance, Funding};
use souk_engine::{
    BalanceChange, BalanceSink, CancelOrder, Command, Event, EventSink, FeeRates, FeeTier, Hold,
    Market, MarketSpec, MassCancel, NewOrder, OrderRef, PairCurrency, ReplaceOrder, Settlement,
};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderId, OrderType, PostOnly, Price, Qty, RejectReason, SessionId,
    Side, StpGroup, StpMode, StpScope, TimeInForce,
};
use std::collections::{BTreeMap, VecDeque};
use swarm::funds::Funds;
use swarm::rng::Rng;

const ACCOUNTS: u32 = 4;
const MARKETS: usize = 3;
const COMMANDS: usize = 4_000;
const SEEDS: u64 = 8;
const REPLAYS: u64 = 25;

/// What a stream says of one command. A replay has nothing else.
#[derive(Clone, Debug)]
enum Record {
    Applied {
        command: Command,
        hold: Amount,
        events: Vec<Event>,
    },
    Funded(Funding),
}

/// A market that runs.
struct Running {
    spec: MarketSpec,
    market: Market,
    settlement: Settlement,
    /// Order ids that were given, with their accounts: most are gone.
    given: Vec<(AccountId, OrderId)>,
    records: Vec<Record>,
    /// Of these so many are settled.
    settled: usize,
}

#[derive(Default)]
struct Counts {
    trades: u64,
    refused: u64,
    /// Commands that held while another stream had some that were not settled.
    crossed: u64,
}

/// Takes holds from what is there, before anything of the command is settled.
struct Sink<'a> {
    funds: &'a mut Funds,
    events: Vec<Event>,
    hold: Amount,
}

impl EventSink for Sink<'_> {
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    fn takes_holds(&self) -> bool {
        true
    }

    fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        self.funds.hold(hold)?;
        self.hold = hold.amount;
        Ok(())
    }
}

/// Sums of all changes, whatever their order, and nobody is asked.
#[derive(Default, Debug, PartialEq, Eq)]
struct Sums {
    balances: BTreeMap<(AccountId, PairCurrency), [i128; 3]>,
    earned: i128,
}

impl Sums {
    fn add(&mut self, account: AccountId, currency: PairCurrency, by: [i64; 3]) {
        let balance = self.balances.entry((account, currency)).or_default();
        for (sum, by) in balance.iter_mut().zip(by) {
            *sum += i128::from(by);
        }
    }

    fn replay(&mut self, settlement: &mut Settlement, record: &Record) {
        match record {
            Record::Funded(f) => self.add(f.account, f.currency, [f.amount, 0, f.amount]),
            Record::Applied {
                command,
                hold,
                events,
            } => {
                let holder = match command {
                    Command::New(new) => Some((new.account, new.side)),
                    Command::Replace(replace) => match events[0] {
                        Event::Replaced(replaced) => Some((replace.account, replaced.order.side)),
                        _ => None,
                    },
                    _ => None,
                };
                if let Some((account, side)) = holder {
                    let amount = i64::try_from(hold.0).unwrap();
                    self.add(account, PairCurrency::paid_by(side), [0, 0, -amount]);
                }
                settlement.settle(command, *hold, events, self);
            }
        }
    }
}

impl BalanceSink for Sums {
    fn change(&mut self, change: BalanceChange) {
        let by = [change.total, change.held, change.available];
        self.add(change.account, change.currency, by);
    }

    fn earn(&mut self, fees: Amount) {
        self.earned += i128::from(fees.0);
    }
}

fn spec(number: usize) -> MarketSpec {
    let rates = [(-300, 900), (0, 0), (100, 250_000)];
    let (maker_ppm, taker_ppm) = rates[number % rates.len()];
    MarketSpec {
        price_max: Price(1 << 20),
        qty_max: Qty(1 << 20),
        notional_unit: [1, 7, 1_000][number % 3],
        lot_units: [1, 10, 3][number % 3],
        fees: FeeRates {
            maker_ppm,
            taker_ppm,
        },
        ..MarketSpec::WIDE
    }
}

fn account(rng: &mut Rng) -> AccountId {
    AccountId(1 + rng.below(ACCOUNTS.into()) as u32)
}

impl Running {
    fn new(number: usize) -> Self {
        let spec = spec(number);
        Self {
            spec,
            market: Market::new(spec, 1).unwrap(),
            settlement: Settlement::new(&spec),
            given: Vec::new(),
            records: Vec::new(),
            settled: 0,
        }
    }

    fn command(&self, rng: &mut Rng) -> Command {
        let known = |rng: &mut Rng| {
            let recent = self.given.len().saturating_sub(30);
            let (account, order_id) = rng.pick(&self.given[recent..]);
            let cl_ord_id = ClOrdId(0);
            let order = OrderRef {
                order_id,
                cl_ord_id,
            };
            (account, order)
        };
        let price = Price(rng.within(95, 105));
        match rng.below(100) {
            0..12 if !self.given.is_empty() => {
                let (account, order) = known(rng);
                Command::Cancel(CancelOrder { account, order })
            }
            12..32 if !self.given.is_empty() => {
                let (account, order) = known(rng);
                Command::Replace(ReplaceOrder {
                    account,
                    session: SessionId(1),
                    order,
                    cl_ord_id: ClOrdId(0),
                    price,
                    total_qty: Qty(1 + rng.below(40)),
                })
            }
            32..34 => Command::MassCancel(MassCancel::asked(account(rng), None)),
            34 => {
                let taker_ppm = 1_000 + rng.below(2_000) as i32;
                Command::AddFees(FeeRates {
                    maker_ppm: taker_ppm / 2,
                    taker_ppm,
                })
            }
            _ => Command::New(self.new_order(rng, price)),
        }
    }

    fn new_order(&self, rng: &mut Rng, price: Price) -> NewOrder {
        let side = rng.pick(&[Side::Buy, Side::Sell]);
        let tiers = self.market.fees().tiers().len() as u64;
        let mut new = NewOrder {
            cl_ord_id: ClOrdId(0),
            account: account(rng),
            session: SessionId(1),
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::No,
            price,
            qty: Qty(1 + rng.below(30)),
            budget: Amount(0),
            stp_mode: rng.pick(StpMode::ALL),
            stp_scope: StpScope::Account,
            stp_group: StpGroup(0),
            fee_tier: FeeTier(rng.below(tiers.min(256)) as u8),
        };
        match rng.below(10) {
            0 => new.time_in_force = TimeInForce::Ioc,
            1 => new.time_in_force = TimeInForce::Fok,
            2 => new.post_only = PostOnly::Slide,
            3 => {
                new.order_type = OrderType::Market;
                new.time_in_force = TimeInForce::Ioc;
                if side == Side::Buy {
                    new.budget = Amount(1 + rng.below(3_000) * self.spec.notional_unit);
                }
            }
            _ => {}
        }
        new
    }

    fn apply(&mut self, command: Command, funds: &mut Funds) -> &Record {
        let mut sink = Sink {
            funds,
            events: Vec::new(),
            hold: Amount(0),
        };
        self.market.apply(&command, &mut sink);
        let Sink { events, hold, .. } = sink;
        if let (Command::New(new), Event::Accepted(accepted)) = (&command, events[0]) {
            self.given.push((new.account, accepted.order_id));
        }
        self.records.push(Record::Applied {
            command,
            hold,
            events,
        });
        self.records.last().unwrap()
    }

    /// Settles the oldest record that is not settled; whether there was one.
    fn settle(&mut self, funds: &mut Funds) -> bool {
        let Some(Record::Applied {
            command,
            hold,
            events,
        }) = self.records.get(self.settled)
        else {
            return false;
        };
        funds.begin();
        self.settlement.settle(command, *hold, events, funds);
        funds.end();
        self.settled += 1;
        true
    }
}

/// A node that runs: its streams, and what everybody has at the end.
fn run(seed: u64) -> (Vec<Running>, Vec<Record>, Funds, Counts) {
    let mut rng = Rng::new(seed, 0);
    let mut funds = Funds::default();
    let mut markets: Vec<Running> = (0..MARKETS).map(Running::new).collect();
    let (mut fundings, mut counts) = (Vec::new(), Counts::default());
    for step in 0..COMMANDS {
        if step < 8 || rng.below(20) == 0 {
            let currency = rng.pick(&[PairCurrency::Base, PairCurrency::Quote]);
            let account = account(&mut rng);
            let most = if currency == PairCurrency::Base {
                60
            } else {
                150_000
            };
            let amount = rng.within(-most, most);
            let funding = Funding {
                account,
                currency,
                amount,
            };
            if funds.fund(&funding) {
                fundings.push(Record::Funded(funding));
            }
        }
        let number = rng.index(MARKETS);
        let waits = |other: &Running| other.settled < other.records.len();
        let others_wait = (0..MARKETS).any(|other| other != number && waits(&markets[other]));
        let command = markets[number].command(&mut rng);
        let Record::Applied { hold, events, .. } = markets[number].apply(command, &mut funds)
        else {
            unreachable!("a command is applied")
        };
        counts.crossed += u64::from(hold.0 > 0 && others_wait);
        for event in events {
            counts.trades += u64::from(matches!(event, Event::Trade(_)));
            counts.refused += u64::from(matches!(
                event,
                Event::Rejected(RejectReason::InsufficientFunds)
            ));
        }
        for _ in 0..rng.below(4) {
            let other = rng.index(MARKETS);
            markets[other].settle(&mut funds);
        }
    }
    for market in &mut markets {
        while market.settle(&mut funds) {}
    }
    funds.check_conservation();
    (markets, fundings, funds, counts)
}

/// Replays the streams in a relative order of its own: short and long runs of one, up to all of it.
fn replayed(markets: &[Running], fundings: &[Record], mut rng: Rng) -> Sums {
    let mut sums = Sums::default();
    let streams = markets
        .iter()
        .map(|market| (Settlement::new(&market.spec), &market.records[..]));
    let mut rest: Vec<(Settlement, VecDeque<&Record>)> = streams
        .chain([(Settlement::new(&spec(0)), fundings)])
        .map(|(settlement, records)| (settlement, records.iter().collect()))
        .collect();
    while !rest.is_empty() {
        let at = rng.index(rest.len());
        for _ in 0..rng.magnitude(1 << 13) {
            let (settlement, records) = &mut rest[at];
            let Some(record) = records.pop_front() else {
                rest.swap_remove(at);
                break;
            };
            sums.replay(settlement, record);
        }
    }
    sums
}

#[test]
fn streams_of_real_markets_replayed_in_any_order_give_the_same_balances() {
    for seed in 0..SEEDS {
        let (markets, fundings, funds, counts) = run(seed);
        let Counts {
            trades,
            refused,
            crossed,
        } = counts;
        let enough = trades > 200 && refused > 200 && crossed > 500;
        assert!(enough, "SEED={seed}: {trades} {refused} {crossed}");
        let mut resting = 0;
        for order in 0..REPLAYS {
            let sums = replayed(&markets, &fundings, Rng::new(seed, order));
            assert_eq!(
                sums.earned,
                funds.earned.into(),
                "SEED={seed} order {order}"
            );
            for (&(account, currency), &[total, held, available]) in &sums.balances {
                let found = Balance {
                    total,
                    held,
                    available,
                };
                let expected = funds.balance(account, currency);
                assert_eq!(found, expected, "SEED={seed} order {order}: {account:?}");
                resting += held;
            }
        }
        assert!(resting > 0, "orders rest at the end");
    }
}

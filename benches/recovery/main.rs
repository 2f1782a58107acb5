//! How fast a node is made from its journal, and from a snapshot: printed against the engine alone doing the same commands.
//!
//! ```text
//! cargo bench -p souk --bench recovery                  # 3 M commands; a snapshot of 10 M resting orders: 3 GiB of memory
//! cargo bench -p souk --bench recovery -- --orders 1000000
//! cargo test  -p souk --bench recovery                  # small, nothing is timed
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use souk::config::{Config, Overrides};
use souk::handoff::{
    BatchPlace, Item, Lane, Link, Numbered, Request, Seat, SessionTerms, Submission,
    SubmissionTimes, TenantIndex,
};
use souk::node::Node;
use souk::recovery::{DataDirectory, Recovered, take_snapshot};
use souk_engine::{
    CancelOrder, Command, Event, EventSink, FeeTier, Hold, Market, NewOrder, OrderRef,
};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderId, OrderType, PostOnly, Price, Qty, RejectReason, SessionId,
    Side, StpGroup, StpMode, StpScope, TimeInForce,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u32 = 1_000;
/// Commands of one submission.
const READ: u64 = 64;
const ROUNDS: usize = 5;
/// What recovery has to reach, in commands a second on one core.
const COMMANDS_GOAL: f64 = 3e6;
/// What loading ten million orders may take, in seconds on one core.
const LOAD_GOAL: f64 = 3.0;

struct Size {
    commands: u64,
    orders: u64,
    rounds: usize,
    is_timed: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse().ok()
    };
    let is_timed = arguments.iter().any(|argument| argument == "--bench");
    let size = Size {
        commands: value("--commands").unwrap_or(if is_timed { 3_000_000 } else { 20_000 }),
        orders: value("--orders").unwrap_or(if is_timed { 10_000_000 } else { 10_000 }),
        rounds: value("--rounds").map_or(ROUNDS, |rounds| rounds as usize),
        is_timed,
    };
    journal(&size);
    snapshot(&size);
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recovery-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn config(data: &Path) -> Config {
    let mut text = String::from(
        "[[tenant]]\nid = 1\nname = \"acme\"\n[[tenant.currency]]\ncode = \"BTC\"\nscale = 4\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n[[tenant.market]]\nid = 1\nsymbol = \"BTC-USDT\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"0.0001\"\norders_max = 20000000\naccount_orders_max = 20000000\ntaker_ppm = 100\n",
    );
    for account in 1..=ACCOUNTS {
        let _ = writeln!(
            text,
            "[[tenant.account]]\nid = {account}\ncredit = {{ BTC = \"100000000\", USDT = \"1000000000\" }}"
        );
    }
    let mut config = Config::from_toml(&text, &Overrides::default()).expect("a good config");
    config.journal.directory = data.to_owned();
    config
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What the n-th command is.
type Make<'a> = &'a dyn Fn(u64, &mut Random) -> Command;

fn order(number: u64, side: Side, price: i64, random: &mut Random) -> Command {
    Command::New(NewOrder {
        cl_ord_id: ClOrdId(number),
        account: account(number),
        session: SessionId(4_096),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        price: Price(price),
        qty: Qty(1 + random.below(20)),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    })
}

const fn account(number: u64) -> AccountId {
    AccountId(1 + (number % ACCOUNTS as u64) as u32)
}

/// Half orders, some of which trade, and half cancels of orders of a while ago.
fn mixed(number: u64, random: &mut Random) -> Command {
    if number.is_multiple_of(2) {
        let before = number.saturating_sub(1 + 2 * random.below(1_000)) | 1;
        return Command::Cancel(CancelOrder {
            account: account(before),
            order: OrderRef {
                order_id: OrderId(0),
                cl_ord_id: ClOrdId(before),
            },
        });
    }
    let side = if random.below(2) == 0 {
        Side::Buy
    } else {
        Side::Sell
    };
    let away = random.below(60) as i64 - 3;
    let price = match side {
        Side::Buy => 100_000 - away,
        Side::Sell => 100_001 + away,
    };
    order(number, side, price, random)
}

/// An order that rests.
fn resting(number: u64, random: &mut Random) -> Command {
    let away = random.below(20_000) as i64;
    if number.is_multiple_of(2) {
        order(number, Side::Buy, 100_000 - away, random)
    } else {
        order(number, Side::Sell, 100_001 + away, random)
    }
}

/// Writes a journal of so many commands, as a node does.
fn write(data: &Path, commands: u64, make: Make<'_>) {
    let config = config(data);
    let mut node = Node::new(&config, 1, None).expect("a new data directory");
    let open = node.journal.take().expect("it is durable");
    let thread = std::thread::spawn(move || open.writer.run());
    let matcher = &mut node.partition.matchers[0];
    let link = Arc::new(Link::away(SessionId(4_096), SessionTerms::plain(1)));
    let mut random = Random(7);
    let mut number = 1;
    while number <= commands {
        let items: Vec<Item> = (number..(number + READ).min(commands + 1))
            .map(|number| Item {
                seat: Seat(1),
                request: Request::Command(Numbered {
                    client_seq: number,
                    command: make(number, &mut random),
                    batch: BatchPlace {
                        index: 0,
                        last: true,
                        stop_at_reject: false,
                    },
                }),
            })
            .collect();
        number += items.len() as u64;
        for _ in &items {
            matcher.gauge().admit_always(TenantIndex(0));
        }
        matcher.accept(Submission {
            tenant: TenantIndex(0),
            link: Arc::clone(&link),
            lane: Lane::Orders,
            items,
            times: SubmissionTimes::default(),
        });
        matcher.poll(number);
        while !matcher.is_idle() && !matcher.has_room() {
            std::thread::yield_now();
            matcher.poll(number);
        }
    }
    while !matcher.is_idle() {
        std::thread::yield_now();
        matcher.poll(number);
    }
    open.journal.close();
    thread.join().expect("the journal's thread ends");
    open.journal.failure().expect("the disk is good");
}

fn recover(data: &Path) -> (Duration, Recovered) {
    let config = config(data);
    let begun = Instant::now();
    let node = Node::new(&config, 1, None).expect("it recovers");
    let time = begun.elapsed();
    (time, node.partition.recovered)
}

/// The engine alone, on the same commands.
struct Alone(u64);

impl EventSink for Alone {
    fn on(&mut self, _: Event) {
        self.0 += 1;
    }

    fn takes_holds(&self) -> bool {
        true
    }

    fn hold(&mut self, _: Hold) -> Result<(), RejectReason> {
        Ok(())
    }
}

fn alone(data: &Path, commands: u64, make: Make<'_>) -> Duration {
    let config = config(data);
    let terms = config.tenants[0]
        .control
        .market_terms()
        .next()
        .expect("one market");
    let mut market = Market::new(terms.spec, 1).expect("a good market");
    let mut random = Random(7);
    let all: Vec<Command> = (1..=commands)
        .map(|number| make(number, &mut random))
        .collect();
    let mut events = Alone(0);
    let begun = Instant::now();
    for command in &all {
        market.apply(command, &mut events);
    }
    let time = begun.elapsed();
    assert!(events.0 >= commands, "every command has an event");
    time
}

fn median(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0], times[times.len() - 1])
}

fn verdict(is_hit: bool) -> &'static str {
    if is_hit { "hit" } else { "missed" }
}

fn journal(size: &Size) {
    let data = folder("journal");
    write(&data, size.commands, &mixed);
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    let rounds = if size.is_timed { size.rounds } else { 1 };
    for _ in 0..rounds {
        let engine = alone(&data, size.commands, &mixed);
        let (time, recovered) = recover(&data);
        // The founding records, and the session's.
        let founding = 2 * u64::from(ACCOUNTS);
        assert!(
            recovered.records > size.commands + founding,
            "{recovered:?}"
        );
        rates.push(size.commands as f64 / time.as_secs_f64());
        ratios.push(time.as_secs_f64() / engine.as_secs_f64());
    }
    if size.is_timed {
        let (rate, least, most) = median(rates);
        let (ratio, lowest, highest) = median(ratios);
        println!(
            "replay: {:.2} M commands/s ({:.2}..{:.2}), {ratio:.1} times the engine alone ({lowest:.1}..{highest:.1}); goal 3 M/s a core: {}",
            rate / 1e6,
            least / 1e6,
            most / 1e6,
            verdict(rate >= COMMANDS_GOAL)
        );
    } else {
        println!("replay: {} commands", size.commands);
    }
}

fn snapshot(size: &Size) {
    let data = folder("snapshot");
    write(&data, size.orders, &resting);
    // Another start begins another segment; with a first group in it the one before is no longer in use.
    let node = Node::new(&config(&data), 1, None).expect("it recovers");
    let whole = node.partition.recovered;
    let open = node.journal.expect("it is durable");
    let thread = std::thread::spawn(move || open.writer.run());
    let mut batch = souk::journal::BatchWriter::new(souk::ids::Epoch::ALONE);
    batch.add(&souk::journal::StreamRecord {
        tenant: souk_protocol::TenantId(0),
        market: souk_protocol::MarketId(0),
        stream_seq: 0,
        transact_time: 0,
        session: SessionId(0),
        body: souk::journal::Body::End { balances: 0 },
    });
    open.journal
        .append(batch.finish(0, 0))
        .expect("the disk is good");
    open.journal.close();
    thread.join().expect("the journal's thread ends");
    drop((node.partition.matchers, node.partition.shared, open.lock));
    let files = DataDirectory::new(&data);
    let begun = Instant::now();
    let taken = take_snapshot(
        &Arc::new(config(&data)),
        &files,
        &Arc::default(),
        &mut |_| {},
    );
    let taken = taken
        .expect("it can be taken")
        .expect("there is something to take");
    let taking = begun.elapsed();
    assert_eq!(taken.state_hash, whole.state_hash);
    let mut times = Vec::new();
    let rounds = if size.is_timed { size.rounds.min(3) } else { 1 };
    for _ in 0..rounds {
        let (time, recovered) = recover(&data);
        assert_eq!(recovered.snapshot, Some(taken.head.segment));
        assert_eq!(recovered.state_hash, whole.state_hash);
        times.push(time.as_secs_f64());
    }
    if size.is_timed {
        let (time, least, most) = median(times);
        let goal = LOAD_GOAL * size.orders as f64 / 1e7;
        println!(
            "snapshot of {} orders: {} bytes, {:.0} an order; taken (replay, write, verify) in {:.1} s; started from in {time:.2} s ({least:.2}..{most:.2}); goal {goal:.1} s: {}",
            size.orders,
            taken.bytes,
            taken.bytes as f64 / size.orders as f64,
            taking.as_secs_f64(),
            verdict(time <= goal)
        );
    } else {
        println!("snapshot: {} orders, {} bytes", size.orders, taken.bytes);
    }
}

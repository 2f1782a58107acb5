//! How fast a node is made from its journal, and from a snapshot: printed against the engine alone doing the same commands.
//!
//! ```text
//! cargo bench -p souk --bench recovery                  # 3 M commands; a snapshot of 10 M resting orders: 3 GiB of memory
//! cargo bench -p souk --bench recovery -- --orders 1000000
//! cargo bench -p souk --bench recovery -- --markets 8 --matchers 2 --orders 0    # 0: not that part
//! cargo test  -p souk --bench recovery                  # small, nothing is timed
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
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
    AccountId, Amount, ClOrdId, MarketId, OrderId, OrderType, PostOnly, Price, Qty, RejectReason,
    SessionId, Side, StpGroup, StpMode, StpScope, TenantId, TimeInForce,
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
    /// In all markets together.
    commands: u64,
    orders: u64,
    markets: u32,
    matchers: usize,
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
        markets: value("--markets").map_or(1, |markets| markets as u32),
        matchers: value("--matchers").map_or(1, |matchers| matchers as usize),
        rounds: value("--rounds").map_or(ROUNDS, |rounds| rounds as usize),
        is_timed,
    };
    if size.commands > 0 {
        journal(&size);
    }
    if size.orders > 0 {
        snapshot(&size);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recovery-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn config(data: &Path, markets: u32) -> Config {
    let mut text = String::from(
        "[[tenant]]\nid = 1\nname = \"acme\"\n[[tenant.currency]]\ncode = \"BTC\"\nscale = 4\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n",
    );
    for market in 1..=markets {
        let _ = writeln!(
            text,
            "[[tenant.market]]\nid = {market}\nsymbol = \"BTC-USDT{market}\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"0.0001\"\norders_max = 20000000\naccount_orders_max = 20000000\ntaker_ppm = 100"
        );
    }
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

/// What is asked of a market.
struct Asked {
    random: Random,
    /// Of the next command.
    number: u64,
}

impl Asked {
    const fn new() -> Self {
        Self {
            random: Random(7),
            number: 1,
        }
    }

    /// The requests of the next submission.
    fn next(&mut self, seat: Seat, count: u64, make: Make<'_>) -> Vec<Item> {
        let from = self.number;
        self.number += count;
        let request = |number| Item {
            seat,
            request: Request::Command(Numbered {
                client_seq: number,
                command: make(number, &mut self.random),
                batch: BatchPlace {
                    index: 0,
                    last: true,
                    stop_at_reject: false,
                },
            }),
        };
        (from..from + count).map(request).collect()
    }
}

/// Writes a journal of so many commands, as a node does.
fn write(data: &Path, size: &Size, commands: u64, make: Make<'_>) {
    let config = config(data, size.markets);
    let mut node = Node::new(&config, size.matchers, None).expect("a new data directory");
    let open = node.journal.take().expect("it is durable");
    let thread = std::thread::spawn(move || open.writer.run());
    let link = Arc::new(Link::away(SessionId(4_096), SessionTerms::plain(1)));
    let tenant = &node.partition.shared.directory.tenants[0];
    let mut markets: Vec<_> = (1..=size.markets)
        .map(|market| (tenant.route(MarketId(market)), Asked::new()))
        .collect();
    let (mut left, mut turn, mut time) = (commands, 0, 1);
    while left > 0 {
        let (route, asked) = &mut markets[turn % size.markets as usize];
        let route = route.expect("its market is open");
        let count = READ.min(left);
        (left, turn, time) = (left - count, turn + 1, time + count);
        let matcher = &mut node.partition.matchers[route.matcher];
        let items = asked.next(route.seat, count, make);
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
        matcher.poll(time);
        while !matcher.is_idle() && !matcher.has_room() {
            std::thread::yield_now();
            matcher.poll(time);
        }
    }
    for matcher in &mut node.partition.matchers {
        while !matcher.is_idle() {
            std::thread::yield_now();
            matcher.poll(time);
        }
    }
    open.journal.close();
    thread.join().expect("the journal's thread ends");
    open.journal.failure().expect("the disk is good");
}

/// How long a start takes, and how long all its threads work.
fn recover(data: &Path, size: &Size) -> (Duration, Duration, Recovered) {
    let config = config(data, size.markets);
    let worked = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let (begun, before) = (Instant::now(), worked());
    let node = Node::new(&config, size.matchers, None).expect("it recovers");
    let (time, work) = (begun.elapsed(), worked() - before);
    (time, work, node.partition.recovered)
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

fn alone(data: &Path, size: &Size, make: Make<'_>) -> Duration {
    let config = config(data, size.markets);
    let terms = config.tenants[0]
        .control
        .market_terms()
        .next()
        .expect("one market");
    let commands = size.commands / u64::from(size.markets);
    let mut random = Random(7);
    let all: Vec<Command> = (1..=commands)
        .map(|number| make(number, &mut random))
        .collect();
    let mut events = Alone(0);
    let mut time = Duration::ZERO;
    for _ in 0..size.markets {
        let mut market = Market::new(terms.spec, 1).expect("a good market");
        let begun = Instant::now();
        for command in &all {
            market.apply(command, &mut events);
        }
        time += begun.elapsed();
    }
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
    write(&data, size, size.commands, &mixed);
    let (mut rates, mut ratios, mut works) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = if size.is_timed { size.rounds } else { 1 };
    for _ in 0..rounds {
        let engine = alone(&data, size, &mixed);
        let (time, work, recovered) = recover(&data, size);
        // The founding records, and the session's.
        let founding = 2 * u64::from(ACCOUNTS);
        assert!(
            recovered.records > size.commands + founding,
            "{recovered:?}"
        );
        rates.push(size.commands as f64 / time.as_secs_f64());
        ratios.push(time.as_secs_f64() / engine.as_secs_f64());
        works.push(work.as_secs_f64() * 1e9 / size.commands as f64);
    }
    if size.is_timed {
        let (rate, least, most) = median(rates);
        let (ratio, lowest, highest) = median(ratios);
        let (work, lightest, heaviest) = median(works);
        println!(
            "replay: {:.2} M commands/s ({:.2}..{:.2}), {ratio:.1} times the engine alone ({lowest:.1}..{highest:.1}); all threads {work:.0} ns a command ({lightest:.0}..{heaviest:.0}); goal 3 M/s a core: {}",
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
    let config = || config(&data, size.markets);
    write(&data, size, size.orders, &resting);
    // Another start begins another segment; with a first group in it the one before is no longer in use.
    let node = Node::new(&config(), size.matchers, None).expect("it recovers");
    let whole = node.partition.recovered;
    let open = node.journal.expect("it is durable");
    let thread = std::thread::spawn(move || open.writer.run());
    let mut batch = souk::journal::BatchWriter::new(souk::ids::Epoch::ALONE);
    batch.add(&souk::journal::StreamRecord {
        tenant: TenantId(0),
        market: MarketId(0),
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
    let taken = take_snapshot(&Arc::new(config()), &files, &Arc::default(), &mut |_| {});
    let taken = taken
        .expect("it can be taken")
        .expect("there is something to take");
    let taking = begun.elapsed();
    assert_eq!(taken.state_hash, whole.state_hash);
    let mut times = Vec::new();
    let rounds = if size.is_timed { size.rounds.min(3) } else { 1 };
    for _ in 0..rounds {
        let (time, _, recovered) = recover(&data, size);
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

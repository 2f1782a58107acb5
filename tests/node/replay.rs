//! Recorded order flow through a live node, over TCP, in two tenants at once: the executions and
//! books that come back are those a correct price-time engine must produce, and the balances at the
//! end those that follow from the executions: several accounts, funded over the wire, and fees.
//!
//! Real exchange data are not part of the project. They are looked for in the folder that
//! `SOUK_REAL_DATA` names, or else in `../shared/data`; where there are none the test says so. The
//! project's own recorded stream in `tests/data/recorded` is always replayed. It is made by
//! `SOUK_RECORD=1 cargo test --test node the_recorded_stream`.

mod node;
mod record;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use node::Node;
use souk_loadgen::money::FEE_ACCOUNT;
use souk_loadgen::replay::{MoneySeen, Played, Set, compare, replay};
use souk_protocol::Amount;

fn recorded_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recorded")
}

/// Replays a set in both tenants, from their market `first_market` on.
fn play(node: &Node, set: &Set, first_market: u32) -> Vec<Played> {
    let played = replay(node.address(), set, &node.tenants(first_market));
    played.unwrap_or_else(|error| panic!("{}: {error}", set.name))
}

/// Replays a set and compares what both tenants saw with its goldens, all of which must be there.
fn check(node: &Node, set: &Set, first_market: u32) -> Vec<Played> {
    assert!(set.trades.is_some(), "{}: golden executions", set.name);
    assert!(set.books.is_some(), "{}: golden books", set.name);
    assert!(set.final_book.is_some(), "{}: golden final book", set.name);
    let played = play(node, set, first_market);
    assert_eq!(played.len(), 2, "two tenants");
    for tenant in &played {
        let verdict = compare(set, tenant);
        let (differences, count) = (&verdict.differences.first, verdict.differences.count);
        assert!(
            verdict.is_equal(),
            "{}, tenant {}: {count} differences\n{}",
            set.name,
            tenant.tenant,
            differences.join("\n")
        );
        check_money(set, tenant, verdict.balances);
        println!(
            "{} tenant {}: {} inputs, {} executions, {} books, {} orders at the end, in {:?}",
            set.name,
            tenant.tenant,
            tenant.inputs,
            tenant.trades.len(),
            tenant.books.len(),
            tenant.final_book.len(),
            tenant.elapsed
        );
    }
    played
}

/// The comparison saw money: all balances, in executions of all kinds, with fees.
fn check_money(set: &Set, played: &Played, balances: Option<usize>) {
    let name = &set.name;
    let money = played.money.as_ref().unwrap();
    let balances = balances.unwrap();
    // Base and quote of four accounts, and the fees.
    let gained = earned(money);
    let (between, alone) = money.parties(&played.trades);
    let held = money.after.values().filter(|entry| entry.held.0 > 0);
    println!(
        "{name} tenant {}: {balances} balances, {} of them held from; {between} executions \
         between accounts, {alone} of an account with itself; fees {gained}",
        played.tenant,
        held.count(),
    );
    assert!(money.credits.values().all(|amount| *amount > Amount(0)));
    if between > 100 {
        assert_eq!(balances, 9, "{name}: balances");
        assert!(alone > 0 && gained > 0, "{name}: all kinds of executions");
    }
}

/// What the fee account gained.
fn earned(money: &MoneySeen) -> u64 {
    let of_fees = |balances: &std::collections::BTreeMap<_, _>| {
        let quotes = money.terms.values().map(|terms| terms.quote);
        let entry = |quote| balances.get(&(FEE_ACCOUNT, quote)).copied();
        let mut totals = quotes.filter_map(entry);
        totals
            .next()
            .map_or(0, |entry: souk_protocol::message::BalanceEntry| {
                entry.total.0
            })
    };
    of_fees(&money.after) - of_fees(&money.before)
}

/// The folders of real data, if there are some.
fn real_sets() -> Vec<PathBuf> {
    let folder = std::env::var_os("SOUK_REAL_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let has_inputs = |path: &PathBuf| {
        ["input.csv", "input.csv.zst"]
            .iter()
            .any(|file| path.join(file).exists())
    };
    let sets: BTreeSet<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(has_inputs)
        .collect();
    if sets.is_empty() {
        println!(
            "LEFT OUT: the replay of real order flow, because there is none in {}. Exchange data \
             are not part of the project; set SOUK_REAL_DATA to a folder of sets. The project's \
             own recorded stream takes their place.",
            folder.display()
        );
    }
    sets.into_iter().collect()
}

#[test]
fn real_order_flow_comes_out_as_expected_in_two_tenants_at_once() {
    let sets: Vec<Set> = real_sets()
        .iter()
        .map(|path| Set::read(path).unwrap())
        .collect();
    let symbols = |set: &Set| set.inputs.iter().map(|input| input.sym).max().unwrap_or(0) + 1;
    let markets: u32 = sets.iter().map(symbols).sum();
    if markets == 0 {
        return;
    }
    let limits = "[limits]\nmax_inflight = 4096\norder_rate = 10000000\norder_burst = 1000000\n\
                  cancel_rate = 10000000\ncancel_burst = 1000000";
    // The largest of these sets has prices and quantities that leave no room for smaller units.
    let node = Node::start_with_scale(markets, limits, 0);
    let mut first_market = 1;
    for set in &sets {
        check(&node, set, first_market);
        first_market += symbols(set);
    }
}

#[test]
fn the_recorded_stream_comes_out_as_expected_in_every_layout() {
    let set = Set::read(&recorded_folder()).unwrap();
    for layout in ["inline", "threads"] {
        let node = Node::start(2, &format!("[threads]\nlayout = \"{layout}\""));
        let played = check(&node, &set, 1);
        assert!(played[0].trades.len() > 1_000, "the stream trades");
        for tenant in &played {
            let money = tenant.money.as_ref().unwrap();
            assert!(money.before.is_empty(), "all money came over the wire");
        }
    }
}

#[test]
fn the_recorded_stream_is_what_its_generator_makes() {
    for (name, content) in record::files() {
        let path = recorded_folder().join(name);
        if std::env::var_os("SOUK_RECORD").is_some() {
            std::fs::write(&path, &content).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap();
        assert!(
            there == content,
            "{name} differs: SOUK_RECORD=1 writes it anew"
        );
    }
}

#[test]
fn a_session_with_few_credits_and_a_low_rate_gets_the_same_executions() {
    let mut set = Set::read(&recorded_folder()).unwrap();
    let limits = "[limits]\nmax_inflight = 3\norder_rate = 20000\norder_burst = 50\n\
                  cancel_rate = 5000\ncancel_burst = 32";
    let node = Node::start(2, limits);
    check(&node, &set, 1);
    // The book is not empty any more, so it cannot be done twice.
    set.name = "again".to_owned();
    let error = replay(node.address(), &set, &node.tenants(1)).unwrap_err();
    assert!(
        error.to_string().contains("begins with an empty book"),
        "{error}"
    );
}

/// Whatever the gateway refuses for lack of room is sent again from there on, in order.
#[test]
fn a_node_with_little_room_gets_every_input_all_the_same() {
    let set = Set::read(&recorded_folder()).unwrap();
    let threads = "[threads]\nlayout = \"threads\"\nqueue_commands_max = 64\n\
                   tenant_share_percent = 10";
    let played = check(&Node::start(2, threads), &set, 1);
    let resent: u64 = played.iter().map(|tenant| tenant.resent).sum();
    assert!(resent > 0, "the queue was never full");
}

/// The recorded stream as both tenants saw it, replayed once for all tests that make it wrong.
fn recorded_played(set: &Set) -> &'static [Played] {
    static PLAYED: std::sync::OnceLock<Vec<Played>> = std::sync::OnceLock::new();
    PLAYED.get_or_init(|| play(&Node::start(2, ""), set, 1))
}

/// A replay and a set with one thing made wrong; the comparison must say what.
fn check_corrupted(said: &str, corrupt: impl Fn(&mut Set)) {
    let mut set = Set::read(&recorded_folder()).unwrap();
    let played = recorded_played(&set);
    assert!(compare(&set, &played[0]).is_equal());
    corrupt(&mut set);
    for tenant in played {
        let verdict = compare(&set, tenant);
        let differences = verdict.differences.first.join("\n");
        assert!(!verdict.is_equal(), "not noticed: {said}");
        assert!(
            differences.contains(said),
            "{said:?} is not in: {differences}"
        );
    }
}

#[test]
fn a_corrupted_execution_is_noticed() {
    check_corrupted("execution 8 must be", |set| {
        set.trades.as_mut().unwrap()[7].maker_id += 1;
    });
    check_corrupted("execution 9 must be", |set| {
        set.trades.as_mut().unwrap()[8].maker_left += 1;
    });
    check_corrupted("execution 100 must be", |set| {
        set.trades.as_mut().unwrap().swap(99, 101);
    });
    check_corrupted("times execution expected", |set| {
        set.trades.as_mut().unwrap().pop();
    });
}

#[test]
fn a_corrupted_book_is_noticed() {
    check_corrupted("the book after input 2000", |set| {
        set.books.as_mut().unwrap()[2].l3_crc32 ^= 1;
    });
    check_corrupted("the book after input 3000", |set| {
        set.books.as_mut().unwrap()[4].sells.best[9].orders += 1;
    });
    check_corrupted("the book after input 5000", |set| {
        set.books.as_mut().unwrap()[9].buys.levels += 1;
    });
    check_corrupted("no book after input 4001", |set| {
        set.books.as_mut().unwrap()[6].input_seq = 4_001;
    });
    check_corrupted("order of the final book 1 must be", |set| {
        set.final_book.as_mut().unwrap()[0].qty += 1;
    });
}

/// A replay with one balance told wrong; the comparison must say whose.
fn check_wrong_money(said: &str, corrupt: impl Fn(&mut Played)) {
    let set = Set::read(&recorded_folder()).unwrap();
    for mut tenant in recorded_played(&set).iter().cloned() {
        corrupt(&mut tenant);
        let verdict = compare(&set, &tenant);
        let differences = verdict.differences.first.join("\n");
        assert!(
            differences.contains(said),
            "{said:?} is not in: {differences}"
        );
    }
}

#[test]
fn a_wrong_balance_is_noticed() {
    fn balance(played: &mut Played, of: usize) -> &mut souk_protocol::message::BalanceEntry {
        let money = played.money.as_mut().unwrap();
        money.after.values_mut().nth(of).unwrap()
    }
    check_wrong_money("balance of account 1 in BASE must be", |played| {
        balance(played, 0).total.0 += 1;
    });
    check_wrong_money("balance of account 2 in QUOTE must be", |played| {
        balance(played, 3).held.0 += 1;
    });
    check_wrong_money("balance of account 4 in QUOTE must be", |played| {
        balance(played, 7).available.0 -= 1;
    });
    check_wrong_money("balance of account 4294967295 in QUOTE must be", |played| {
        balance(played, 8).total.0 -= 1;
    });
    check_wrong_money("QUOTE must be there in all", |played| {
        balance(played, 8).total.0 -= 1;
    });
    check_wrong_money("fees of execution 3 must be", |played| {
        played.fees[2].0 += 1
    });
    check_wrong_money("fees of execution 4 must be", |played| {
        played.fees[3].1 -= 1
    });
}

#[test]
fn rates_that_are_not_the_accounts_make_a_difference() {
    let set = Set::read(&recorded_folder()).unwrap();
    let node = Node::start(2, "");
    let mut money = node.money.clone();
    money.rates.taker_ppm += 1;
    let mut tenants = node.tenants(1);
    tenants
        .iter_mut()
        .for_each(|tenant| tenant.money = Some(&money));
    for played in replay(node.address(), &set, &tenants).unwrap() {
        let differences = compare(&set, &played).differences.first.join("\n");
        assert!(differences.contains("fees of execution"), "{differences}");
    }
}

#[test]
fn without_money_no_order_is_taken_and_the_comparison_says_so() {
    let set = Set::read(&recorded_folder()).unwrap();
    let node = Node::start(2, "");
    let mut tenants = node.tenants(1);
    tenants.iter_mut().for_each(|tenant| tenant.money = None);
    for played in replay(node.address(), &set, &tenants).unwrap() {
        assert!(played.trades.is_empty());
        let differences = compare(&set, &played).differences.first.join("\n");
        assert!(differences.contains("InsufficientFunds"), "{differences}");
    }
}

#[test]
fn a_different_stream_does_not_give_the_expected_executions() {
    let mut set = Set::read(&recorded_folder()).unwrap();
    // An order that trades, and that no other input touches, is larger by one: now the engine is
    // right and the goldens are of another stream.
    let touched = |id| {
        set.inputs
            .iter()
            .filter(|i| i.order_id == id || i.new_id == id)
            .count()
    };
    let trades = set.trades.as_ref().unwrap();
    let maker = trades
        .iter()
        .map(|trade| trade.maker_id)
        .find(|id| touched(*id) == 1)
        .unwrap();
    let input = set
        .inputs
        .iter_mut()
        .find(|input| input.order_id == maker)
        .unwrap();
    input.qty += 1;
    let played = play(&Node::start(2, ""), &set, 1);
    assert!(
        played
            .iter()
            .all(|tenant| !compare(&set, tenant).is_equal())
    );
}

#[test]
fn what_is_written_reads_back_as_what_was_seen() {
    let set = Set::read(&recorded_folder()).unwrap();
    let node = Node::start(2, "");
    let played = play(&node, &set, 1);
    let folder = std::env::temp_dir().join(format!("souk-replay-{}", std::process::id()));
    souk_loadgen::replay::write_played(&played[0], &folder).unwrap();
    let input = recorded_folder().join("input.csv");
    std::fs::copy(input, folder.join("input.csv")).unwrap();
    for (written, golden) in [
        ("trades.csv", "expected_trades.csv"),
        ("book.csv", "expected_book.csv"),
        ("final.csv", "final_book.csv"),
    ] {
        std::fs::rename(folder.join(written), folder.join(golden)).unwrap();
    }
    let read = Set::read(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(read.trades, set.trades);
    assert_eq!(read.books, set.books);
    assert_eq!(read.final_book, set.final_book);
}

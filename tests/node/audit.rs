//! A node that keeps a journal, and `souk audit` on it: sound when it is, and naming what was changed when it
//! is not.
mod pruned;
pub mod traffic;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use souk::audit::{Difference, Quantity, Report, audit};
use souk::config::{Config, Overrides};
use souk::control::ControlCommand;
use souk::handoff::Verdict;
use souk::journal::{
    BatchHead, BatchWriter, Body, ChainEnd, Journal, JournalOptions, Reader, Segments, StreamRecord,
};
use souk::recovery::DataDirectory;
use souk::server::{Server, ServerError};
use souk::storage::{CommitStrategy, SystemDisk};
use souk_protocol::*;
use traffic::{config, run_sessions, session};

/// A folder of one test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("audit-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn start(data: &Path) -> Result<Server, ServerError> {
    let text = config(data);
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    Server::start(&config)
}

type Batches = Vec<(BatchHead, Vec<StreamRecord>)>;

/// The journal of a few thousand commands of four sessions on two matchers, and its batches.
fn recorded(name: &str) -> (PathBuf, Batches) {
    let data = folder(name).join("data");
    let server = start(&data).unwrap();
    run_sessions(server.address(), 1_500);
    server
        .drain()
        .expect("the ledger is sound and everything is in the journal");
    let batches = read(&data);
    (data, batches)
}

fn read(data: &Path) -> Batches {
    let disk = Arc::new(SystemDisk);
    let mut reader = Reader::open(disk, &data.join("journal"), None).unwrap();
    let mut batches = Vec::new();
    let mut records = Vec::new();
    while let Some(head) = reader.next_batch(&mut records).unwrap() {
        batches.push((head, std::mem::take(&mut records)));
    }
    batches
}

/// A journal of other records, under good checksums, in place of the one there.
fn write(data: &Path, batches: &Batches) {
    let folder = data.join("journal");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir_all(&folder).unwrap();
    let options = JournalOptions {
        folder,
        cluster_id: 1,
        segment_bytes: 1 << 20,
        strategy: CommitStrategy::Fdatasync,
    };
    let disk = Arc::new(SystemDisk);
    let (journal, writer) = Journal::new(
        Segments::begin(disk, options, 1, ChainEnd::START).unwrap(),
        1,
    );
    let thread = std::thread::spawn(move || writer.run());
    let mut writer = BatchWriter::new(souk::ids::Epoch::ALONE);
    for (head, records) in batches {
        records.iter().for_each(|record| writer.add(record));
        if !writer.is_empty() {
            let bytes = writer.finish(head.transact_time, head.events);
            journal.append(bytes).unwrap();
        }
    }
    journal.close();
    thread.join().unwrap();
    journal.failure().unwrap();
}

fn records(batches: &Batches) -> impl Iterator<Item = &StreamRecord> {
    batches.iter().flat_map(|(_, records)| records)
}

fn records_mut(batches: &mut Batches) -> impl Iterator<Item = &mut StreamRecord> {
    batches.iter_mut().flat_map(|(_, records)| records)
}

fn is_refused(record: &&StreamRecord, with: RejectReason) -> bool {
    match &record.body {
        Body::Command { refused, .. } => *refused == Some(with),
        Body::Control { verdict, .. } => *verdict == Verdict::Refused(with),
        _ => false,
    }
}

/// Runs `souk audit`. Gives its exit code and all it printed.
fn souk_audit(data: &Path) -> (i32, String) {
    let souk = env!("CARGO_BIN_EXE_souk");
    let output = Command::new(souk).arg("audit").arg(data).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

fn audited(data: &Path) -> Report {
    audit(&DataDirectory::new(data)).unwrap()
}

fn trades(report: &Report) -> u64 {
    report.streams.iter().map(|stream| stream.trades).sum()
}

#[test]
fn a_journal_of_several_sessions_on_two_matchers_is_sound() {
    let (data, batches) = recorded("sound");
    let report = audited(&data);
    assert!(report.is_sound(), "{report}");
    assert!(report.ended_in_order);
    // Four accounts and the fees, in two currencies.
    assert_eq!(report.balances_compared, 9);
    // The traffic did what an audit is for.
    assert!(trades(&report) > 500, "{report}");
    for reason in [
        RejectReason::InsufficientFunds,
        RejectReason::BatchStopped,
        RejectReason::MarketHalted,
        RejectReason::AccountFrozen,
        RejectReason::BusinessIdReused,
    ] {
        let refused = records(&batches).filter(|record| is_refused(record, reason));
        assert!(refused.count() > 0, "nothing was refused with {reason}");
    }
    let repeated = |record: &StreamRecord| {
        matches!(
            &record.body,
            Body::Control {
                verdict: Verdict::Repeated,
                ..
            }
        )
    };
    assert!(records(&batches).any(repeated));
    assert!(report.sums.iter().any(|sum| sum.fees.units > 0), "{report}");
    assert!(report.sums.iter().any(|sum| sum.held.units > 0), "{report}");
    assert!(
        report
            .streams
            .iter()
            .any(|stream| stream.stream == "LATE-USDT" && stream.trades > 0)
    );

    let (code, text) = souk_audit(&data);
    assert_eq!((code, text.lines().last()), (0, Some("sound")), "{text}");
    assert_eq!(text, report.to_string());
}

#[test]
fn a_verdict_that_was_changed_is_named() {
    let (data, mut batches) = recorded("verdict");
    let mut changed = None;
    for record in records_mut(&mut batches) {
        if let Body::Command { refused, .. } = &mut record.body
            && *refused == Some(RejectReason::InsufficientFunds)
            && record.tenant == TenantId(1)
        {
            *refused = None;
            changed = Some((record.market, record.stream_seq));
            break;
        }
    }
    let (market, stream_seq) = changed.unwrap();
    write(&data, &batches);
    let report = audited(&data);
    let is_named = |difference: &Difference| match difference {
        Difference::Record {
            market: of,
            stream_seq: seq,
            what: "hold",
            ..
        } => (*of, *seq) == (market, stream_seq),
        _ => false,
    };
    assert!(report.differences.iter().any(is_named), "{report}");
    let (code, text) = souk_audit(&data);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(&format!("market {market}, stream_seq {stream_seq}: hold")),
        "{text}"
    );
    // Nor does a node start from it.
    let error = start(&data).expect_err("no money was there").to_string();
    let place = format!("market {market}, stream_seq {stream_seq}: ");
    assert!(error.contains(&place), "{error}");
    assert!(
        error.contains("InsufficientFunds") || error.contains("available"),
        "{error}"
    );
}

#[test]
fn an_amount_that_was_changed_is_named_by_account_and_currency() {
    let (data, mut batches) = recorded("amount");
    let mut changed = None;
    for record in records_mut(&mut batches) {
        if let Body::Control {
            command: ControlCommand::Credit(credit),
            verdict: Verdict::Applied,
        } = &mut record.body
        {
            credit.amount.0 += 5;
            changed = Some((credit.account, credit.currency));
            break;
        }
    }
    let (account, currency) = changed.unwrap();
    write(&data, &batches);
    let report = audited(&data);
    let is_named = |difference: &Difference| match difference {
        Difference::Balance {
            account: of,
            currency: code,
            quantity: Quantity::FinalTotal,
            expected,
            found,
            ..
        } => (*of, *code) == (account, currency) && expected.units == found.units + 5,
        _ => false,
    };
    assert!(report.differences.iter().any(is_named), "{report}");
    assert_eq!(souk_audit(&data).0, 1);
}

#[test]
fn a_balance_that_was_changed_is_named() {
    let (data, mut batches) = recorded("balance");
    let mut changed = None;
    for record in records_mut(&mut batches) {
        if let Body::Balances(lines) = &mut record.body
            && let Some(line) = lines.first_mut()
        {
            line.held.0 += 1;
            changed = Some((record.tenant, line.account, line.currency));
            break;
        }
    }
    let (tenant, account, currency) = changed.unwrap();
    write(&data, &batches);
    let report = audited(&data);
    let [difference] = report.differences.as_slice() else {
        panic!("{report}")
    };
    let Difference::Balance { quantity, .. } = difference else {
        panic!("{report}")
    };
    assert_eq!(*quantity, Quantity::FinalHeld);
    let (code, text) = souk_audit(&data);
    let place = format!(
        "tenant {tenant}, account {account}, {}: final held",
        currency.as_str()
    );
    assert!(code == 1 && text.contains(&place), "{text}");
}

#[test]
fn a_record_that_was_left_out_is_missed() {
    let (data, mut batches) = recorded("missing");
    let of_market = |record: &StreamRecord| {
        matches!(record.body, Body::Command { .. }) && record.stream_seq == 50
    };
    let found = batches.iter_mut().find_map(|(_, records)| {
        let at = records.iter().position(of_market)?;
        Some(records.remove(at))
    });
    let removed = found.unwrap();
    write(&data, &batches);
    let report = audited(&data);
    let is_named = |difference: &Difference| match difference {
        Difference::Record {
            market,
            stream_seq,
            what: "stream_seq",
            expected,
            ..
        } => *market == removed.market && *stream_seq == 51 && expected == "50",
        _ => false,
    };
    assert!(report.differences.iter().any(is_named), "{report}");
    let error = start(&data).expect_err("a command is missing").to_string();
    assert!(error.contains("stream_seq 51"), "{error}");
}

/// The file of a journal's first segment.
fn segment(data: &Path) -> PathBuf {
    data.join("journal/0000000001.journal")
}

#[test]
fn a_damaged_journal_is_unreadable_and_the_place_is_named() {
    let (data, _) = recorded("damage");
    let file = segment(&data);
    let mut bytes = fs::read(&file).unwrap();
    // In the first groups: later ones are whole.
    bytes[4_096 * 3 + 100] ^= 4;
    fs::write(&file, &bytes).unwrap();
    let (code, text) = souk_audit(&data);
    assert_eq!(code, 2, "{text}");
    for part in [
        "0000000001.journal: byte ",
        ", group ",
        "stream_seq ",
        "remedy",
    ] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    let error = start(&data).expect_err("it is damaged").to_string();
    assert!(error.contains("is damaged or missing"), "{error}");
    let (code, text) = souk_audit(&data.with_file_name("nothing"));
    assert!(code == 2 && text.contains("nothing"), "{text}");
}

/// A `souk serve` of its own, begun by `shell` so that it can set limits before.
fn serve(folder: &Path, limits: &str) -> (Child, SocketAddr, PathBuf) {
    let data = folder.join("data");
    let configuration = folder.join("souk.toml");
    fs::write(&configuration, config(&data)).unwrap();
    let command = format!("{limits} exec \"$0\" serve --config \"$1\" 2>\"$2\"");
    let mut child = Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_souk")])
        .args([&configuration, &folder.join("log")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening ").unwrap();
    (child, address.parse().unwrap(), data)
}

#[test]
fn a_node_that_was_killed_leaves_a_journal_that_is_sound_wherever_it_is_cut() {
    let folder = folder("killed");
    let (mut child, address, data) = serve(&folder, "");
    run_sessions(address, 700);
    let mut last = session(address, 2, 9);
    last.send(400);
    child.kill().unwrap();
    child.wait().unwrap();

    let report = audited(&data);
    assert!(report.is_sound(), "{report}");
    assert!(!report.ended_in_order);
    assert_eq!(report.balances_compared, 0);
    assert!(trades(&report) > 200, "{report}");

    let whole = fs::read(segment(&data)).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let cut = folder.join("cut");
    fs::create_dir_all(cut.join("journal")).unwrap();
    for part in 1..=40 {
        let len = used * part / 41 + part % 8;
        fs::write(segment(&cut), &whole[..len]).unwrap();
        let report = audited(&cut);
        assert!(report.is_sound(), "cut at {len}: {report}");
    }
    fs::write(segment(&cut), &whole[..used - 10]).unwrap();
    let (code, text) = souk_audit(&cut);
    assert!(code == 0 && text.contains("the tail is cut"), "{text}");
    start(&cut)
        .expect("what was whole is there")
        .drain()
        .unwrap();
}

#[test]
fn a_node_that_cannot_make_its_journal_does_not_start_and_says_why() {
    let folder = folder("full");
    let (data, configuration) = (folder.join("data"), folder.join("souk.toml"));
    fs::write(&configuration, config(&data)).unwrap();
    // Files of at most half a megabyte, and no signal for who wants more: a segment has one.
    let command = "ulimit -f 1000; trap '' 25; exec \"$0\" serve --config \"$1\"";
    let output = Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_souk")])
        .arg(&configuration)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("cannot make the journal's next segment"),
        "{text}"
    );
    assert!(text.contains("remedy: make room"), "{text}");
    // What is left behind is no obstacle.
    start(&data).unwrap().drain().unwrap();
}

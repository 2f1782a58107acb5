//! A node that records its streams, and `souk audit` on what it recorded: sound when it is, and
//! naming what was changed when it is not.
#![allow(clippy::unwrap_used)]

mod support;
#[path = "audit/traffic.rs"]
mod traffic;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use souk::audit::{Difference, Quantity, Report, audit};
use souk::config::{Config, Overrides};
use souk::control::ControlCommand;
use souk::journal::{
    Body, Ending, FileHeader, Reader, RecordingError, StreamRecord, Verdict, seal,
};
use souk::server::{Server, ServerError};
use souk_protocol::*;
use traffic::{config, run_sessions, session};

/// A folder of one test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("audit-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn start(file: &Path) -> Result<Server, ServerError> {
    let text = config(file);
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    Server::start(&config)
}

/// A recording of a few thousand commands of four sessions on two matchers, and its records.
fn recorded(name: &str) -> (PathBuf, FileHeader, Vec<StreamRecord>) {
    let file = folder(name).join("streams.rec");
    let server = start(&file).unwrap();
    run_sessions(server.address(), 1_500);
    server
        .drain()
        .expect("the ledger is sound and everything is recorded");
    let (header, records) = read(&file);
    (file, header, records)
}

fn read(file: &Path) -> (FileHeader, Vec<StreamRecord>) {
    let mut reader = Reader::open(file).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push(record);
    }
    (reader.header(), records)
}

/// The same file with other records, under good checksums.
fn write(file: &Path, header: &FileHeader, records: &[StreamRecord]) {
    let (head, checksum) = header.write();
    let mut bytes = Vec::new();
    for record in records {
        record.write(&mut bytes);
    }
    seal(&mut bytes, checksum);
    fs::write(file, [head.as_slice(), &bytes].concat()).unwrap();
}

fn is_refused(record: &&StreamRecord, with: RejectReason) -> bool {
    match &record.body {
        Body::Command { refused, .. } => *refused == Some(with),
        Body::Control { verdict, .. } => *verdict == Verdict::Refused(with),
        _ => false,
    }
}

/// Runs `souk audit`. Gives its exit code and all it printed.
fn souk_audit(file: &Path) -> (i32, String) {
    let souk = env!("CARGO_BIN_EXE_souk");
    let output = Command::new(souk).arg("audit").arg(file).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

fn trades(report: &Report) -> u64 {
    report.streams.iter().map(|stream| stream.trades).sum()
}

#[test]
fn a_recording_of_several_sessions_on_two_matchers_is_sound() {
    let (file, _, records) = recorded("sound");
    let report = audit(&file).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.ending, Ending::Complete);
    // Four accounts and the fees, in two currencies.
    assert_eq!(report.balances_compared, Some(9));
    // The traffic did what an audit is for.
    assert!(trades(&report) > 500, "{report}");
    for reason in [
        RejectReason::InsufficientFunds,
        RejectReason::BatchStopped,
        RejectReason::MarketHalted,
        RejectReason::AccountFrozen,
        RejectReason::BusinessIdReused,
    ] {
        let refused = records.iter().filter(|record| is_refused(record, reason));
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
    assert!(records.iter().any(repeated));
    assert!(report.sums.iter().any(|sum| sum.fees.units > 0), "{report}");
    assert!(report.sums.iter().any(|sum| sum.held.units > 0), "{report}");
    assert!(
        report
            .streams
            .iter()
            .any(|stream| stream.stream == "LATE-USDT" && stream.trades > 0)
    );

    let (code, text) = souk_audit(&file);
    assert_eq!((code, text.lines().last()), (0, Some("sound")), "{text}");
    assert_eq!(text, report.to_string());
}

#[test]
fn a_hold_that_was_changed_is_named() {
    let (file, header, mut records) = recorded("hold");
    let mut changed = None;
    for record in &mut records {
        if let Body::Command { admitted, .. } = &mut record.body
            && admitted.hold.0 > 0
            && record.stream_seq > 100
            && record.tenant == TenantId(1)
        {
            admitted.hold.0 += 1;
            changed = Some((record.market, record.stream_seq, admitted.hold.0));
            break;
        }
    }
    let (market, stream_seq, hold) = changed.unwrap();
    write(&file, &header, &records);
    let report = audit(&file).unwrap();
    let expected = Difference::Record {
        tenant: TenantId(1),
        market,
        stream_seq,
        what: "hold",
        expected: (hold - 1).to_string(),
        found: hold.to_string(),
    };
    assert_eq!(report.differences, [expected], "{report}");
    let (code, text) = souk_audit(&file);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains(&format!("market {market}, stream_seq {stream_seq}: hold")),
        "{text}"
    );
}

#[test]
fn an_amount_that_was_changed_is_named_by_account_and_currency() {
    let (file, header, mut records) = recorded("amount");
    let mut changed = None;
    for record in &mut records {
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
    write(&file, &header, &records);
    let report = audit(&file).unwrap();
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
    assert_eq!(souk_audit(&file).0, 1);
}

#[test]
fn a_balance_that_was_changed_is_named() {
    let (file, header, mut records) = recorded("balance");
    let mut changed = None;
    for record in &mut records {
        if let Body::Balances(lines) = &mut record.body
            && let Some(line) = lines.first_mut()
        {
            line.held.0 += 1;
            changed = Some((record.tenant, line.account, line.currency));
            break;
        }
    }
    let (tenant, account, currency) = changed.unwrap();
    write(&file, &header, &records);
    let report = audit(&file).unwrap();
    let [difference] = report.differences.as_slice() else {
        panic!("{report}")
    };
    let Difference::Balance { quantity, .. } = difference else {
        panic!("{report}")
    };
    assert_eq!(*quantity, Quantity::FinalHeld);
    let (code, text) = souk_audit(&file);
    let place = format!(
        "tenant {tenant}, account {account}, {}: final held",
        currency.as_str()
    );
    assert!(code == 1 && text.contains(&place), "{text}");
}

#[test]
fn a_record_that_was_left_out_is_missed() {
    let (file, header, mut records) = recorded("missing");
    let of_market = |record: &StreamRecord| {
        matches!(record.body, Body::Command { .. }) && record.stream_seq == 50
    };
    let at = records.iter().position(of_market).unwrap();
    let removed = records.remove(at);
    write(&file, &header, &records);
    let report = audit(&file).unwrap();
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
}

#[test]
fn a_damaged_file_is_unreadable_and_the_place_is_named() {
    let (file, _, _) = recorded("damage");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    fs::write(&file, &bytes).unwrap();
    let (code, text) = souk_audit(&file);
    assert_eq!(code, 2, "{text}");
    for part in ["streams.rec: byte ", ", record ", "stream_seq "] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    let (code, text) = souk_audit(&file.with_file_name("nothing.rec"));
    assert!(code == 2 && text.contains("nothing.rec"), "{text}");
}

#[test]
fn a_recording_is_never_overwritten() {
    let (file, _, _) = recorded("again");
    let before = fs::read(&file).unwrap();
    let error = start(&file).expect_err("the file exists");
    let ServerError::Node(souk::node::NodeError::Recording(error)) = &error else {
        panic!("{error}")
    };
    assert!(matches!(error, RecordingError::Create { .. }), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

/// A `souk serve` of its own, begun by `shell` so that it can set limits before.
fn serve(folder: &Path, limits: &str) -> (Child, SocketAddr, PathBuf) {
    let file = folder.join("streams.rec");
    let configuration = folder.join("souk.toml");
    fs::write(&configuration, config(&file)).unwrap();
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
    (child, address.parse().unwrap(), file)
}

#[test]
fn a_node_that_was_killed_leaves_a_recording_that_is_sound_wherever_it_is_cut() {
    let folder = folder("killed");
    let (mut child, address, file) = serve(&folder, "");
    run_sessions(address, 700);
    let mut last = session(address, 2, 9);
    last.send(400);
    child.kill().unwrap();
    child.wait().unwrap();

    let report = audit(&file).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_ne!(report.ending, Ending::Complete);
    assert_eq!(report.balances_compared, None);
    assert!(trades(&report) > 200, "{report}");

    let whole = fs::read(&file).unwrap();
    let cut = folder.join("cut.rec");
    for part in 1..=40 {
        let len = whole.len() * part / 41 + part % 8;
        fs::write(&cut, &whole[..len]).unwrap();
        let report = audit(&cut).unwrap();
        assert!(report.is_sound(), "cut at {len}: {report}");
    }
    fs::write(&cut, &whole[..whole.len() / 2 / 8 * 8 + 1]).unwrap();
    let (code, text) = souk_audit(&cut);
    assert!(code == 0 && text.contains("the tail is cut"), "{text}");
}

#[test]
fn a_node_whose_recording_fails_answers_nothing_more_and_says_why() {
    let folder = folder("full");
    // Files of at most 100 kB, and no signal for who wants more.
    let (mut child, address, file) = serve(&folder, "ulimit -f 200; trap '' 25;");
    let mut trader = session(address, 1, 5);
    trader.send(3_000);
    let answers = trader.wire.until_closed();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let log = fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.contains("cannot write to the recording"), "{log}");
    assert!(log.contains("remedy"), "{log}");

    let report = audit(&file).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_ne!(report.ending, Ending::Complete);
    assert!(!answers.is_empty());
}

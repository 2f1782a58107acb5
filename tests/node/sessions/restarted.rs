//! Sessions over restarts of the node: numbers go on, what was missed comes again, and the node's end is a disconnect.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use souk::config::{Config, Overrides};
use souk::journal::Body;
use souk::recovery::DataDirectory;

use super::vanished::{log_out, open, set_state, wait_until_none_is_open, with_two_orders};
use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("restarted-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// A node on this data directory.
fn start(data: &std::path::Path) -> Server {
    let head = format!(
        "[journal]\ndirectory = \"{}\"\nsegment_bytes = 1048576\n[server]\nlisten = \"127.0.0.1:0\"",
        data.display()
    );
    let text = support::two_tenants(&head);
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    Server::start(&config).unwrap()
}

#[test]
fn after_a_restart_numbers_go_on_and_what_was_missed_comes_again() {
    let data = folder("numbers");
    let server = start(&data);
    let mut wire = log_on(&server);
    wire.join(MARKET.0);
    let mut seen = Vec::new();
    for seq in 1..=5 {
        wire.send(&order(seq, 0));
        seen.push(wire.next());
    }
    drop(wire);
    server.drain().unwrap();
    let server = start(&data);
    let mut wire = log_on(&server);
    let (joined, resent, again) = resume(&mut wire, 2);
    assert_eq!((joined.last_client_seq, joined.last_report_seq), (5, 5));
    assert_eq!((resent.from_report_seq, resent.to_report_seq), (3, 5));
    for (got, before) in again.iter().zip(&seen[2..]) {
        // The same bytes, but for the flag that says so.
        let mut bytes = got.bytes.clone();
        assert_eq!(bytes[10], FLAG_POSS_RESEND);
        bytes[10] = 0;
        assert_eq!(bytes, before.bytes);
    }
    // A resend is known for what it is; the next number is applied.
    wire.send(&order(5, 0));
    let ServerMessage::NotApplied(refused) = wire.next().message() else {
        panic!("5 was applied before the restart");
    };
    assert_eq!(refused.code, Code::from(RejectReason::AlreadyApplied));
    wire.send(&order(6, 0));
    assert_eq!(accepted(&wire.next()), 6);
    server.drain().unwrap();
}

#[test]
fn an_incarnation_from_before_a_restart_is_not_newer() {
    let data = folder("incarnation");
    let server = start(&data);
    let mut wire = Wire::connect(server.address());
    let now = support::now_ns();
    wire.log_on(1, 0, now);
    wire.join(MARKET.0);
    drop(wire);
    server.drain().unwrap();
    let server = start(&data);
    let mut wire = Wire::connect(server.address());
    let got = wire.log_on(1, 0, now);
    let ServerMessage::LogonReject(rejected) = got.message() else {
        panic!("expected a refusal, got {got:?}");
    };
    assert_eq!(rejected.code, Code::from(RejectReason::IncarnationNotNewer));
}

#[test]
fn the_end_of_the_node_is_a_disconnect() {
    let data = folder("disconnect");
    let server = start(&data);
    let wire = with_two_orders(&server, CancelOnDisconnect::OnDisconnect, 100);
    server.drain().unwrap();
    drop(wire);
    let server = start(&data);
    let mut watcher = Wire::logged_on(server.address(), 2);
    wait_until_none_is_open(&mut watcher);
    let mut wire = log_on(&server);
    let (joined, _, again) = resume(&mut wire, 2);
    assert_eq!((joined.last_report_seq, again.len()), (5, 3));
    server.drain().unwrap();
    // Nor does another restart bring them back.
    let server = start(&data);
    assert_eq!(open(&mut Wire::logged_on(server.address(), 2)), 0);
}

#[test]
fn who_logged_out_in_time_keeps_its_orders_over_a_restart() {
    let data = folder("logout");
    let server = start(&data);
    let mut watcher = Wire::logged_on(server.address(), 2);
    log_out(with_two_orders(
        &server,
        CancelOnDisconnect::OnDisconnect,
        0,
    ));
    assert_eq!(open(&mut watcher), 2);
    server.drain().unwrap();
    let server = start(&data);
    let mut watcher = Wire::logged_on(server.address(), 2);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        assert_eq!(open(&mut watcher), 2);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_journal_of_before_in_which_a_halted_market_refused_to_cancel_is_what_was() {
    let data = folder("halted");
    let server = start(&data);
    let mut watcher = Wire::logged_on(server.address(), 2);
    let wire = with_two_orders(&server, CancelOnDisconnect::OnDisconnect, 0);
    set_state(&server, MarketState::Halted);
    drop(wire);
    wait_until_none_is_open(&mut watcher);
    server.drain().unwrap();
    // As it was written before: one event that says no, and nothing after it.
    let mut batches = crate::snapshots::read(&data);
    let canceled = |body: &Body| matches!(body, Body::SessionCanceled { .. });
    let last = batches
        .iter()
        .position(|(_, records)| records.iter().any(|record| canceled(&record.body)));
    batches.truncate(last.unwrap() + 1);
    let (head, records) = batches.last_mut().unwrap();
    for record in records.iter_mut() {
        if let Body::SessionCanceled { refused, .. } = &mut record.body {
            assert_eq!(*refused, None);
            *refused = Some(RejectReason::MarketHalted);
            head.events = head.events + 1 - 3;
        }
    }
    let before = folder("halted-before");
    crate::snapshots::write_cut(&before, &batches, batches.len() - 1);
    let report = souk::audit::audit(&DataDirectory::new(&before)).unwrap();
    assert_eq!(report.differences_found, 0, "{:?}", report.differences);
    let server = start(&before);
    let mut watcher = Wire::logged_on(server.address(), 2);
    assert_eq!(open(&mut watcher), 2);
    set_state(&server, MarketState::Continuous);
    assert_eq!(open(&mut watcher), 2);
    server.drain().unwrap();
    // A record that says so of a market that is not halted is not believed.
    for (_, records) in &mut batches {
        for record in records {
            if let Body::Change { change, .. } = &mut record.body {
                *change = souk::handoff::MarketChange::State(MarketState::CancelOnly);
            }
            if let Body::Control {
                command: souk::control::ControlCommand::SetMarketState(set),
                ..
            } = &mut record.body
            {
                set.state = MarketState::CancelOnly;
            }
        }
    }
    crate::snapshots::write_cut(&before, &batches, batches.len() - 1);
    let report = souk::audit::audit(&DataDirectory::new(&before)).unwrap();
    assert_eq!(report.differences_found, 1, "{:?}", report.differences);
    let text = support::two_tenants(&format!("[journal]\ndirectory = \"{}\"", before.display()));
    let config = Config::from_toml(&text, &Overrides::default()).unwrap();
    let error = Server::start(&config).unwrap_err().to_string();
    assert!(error.contains("MarketHalted"), "{error}");
}

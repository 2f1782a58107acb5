//! Connections that are cut, taken over, or ended by the server.

use std::time::Duration;

use super::cable::Cable;
use super::*;
use souk_client::{Code, Doubt, ReconnectPolicy};

#[tokio::test]
async fn after_a_cut_connection_each_message_was_applied_once() {
    let server = support::start("");
    for cut_after in [0, 1, 40, 300] {
        let cable = Cable::to(server.address());
        let mut options = ClientOptions::new(KeyId(1));
        options.reconnect = Some(ReconnectPolicy::default());
        let client = Client::connect(cable.address(), key(1), options)
            .await
            .unwrap();
        client.join(MARKET).await.unwrap();
        let mut events = client.events().await.unwrap();
        let mut pending = Vec::new();
        for n in 0..400 {
            if n == cut_after {
                cable.cut();
            }
            let new = order(1, Side::Buy, 100, 1);
            pending.push(client.new_order(MARKET, &new).await.unwrap());
        }
        for pending in pending {
            let outcome = tokio::time::timeout(PATIENCE, pending).await;
            let outcome = outcome.expect("an outcome comes");
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
        let resumed = event(&mut events, |event| match event {
            Event::Resumed(resumed) => Some(resumed),
            _ => None,
        });
        let resumed = resumed.await;
        assert_eq!((resumed.applied_unanswered, resumed.state_lost), (0, false));
        let all = client
            .mass_cancel(MARKET, AccountId(1), None)
            .await
            .unwrap()
            .await;
        assert_eq!(
            all.accepted().map(|done| done.count),
            Some(400),
            "cut after {cut_after}"
        );
        client.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn without_reconnect_a_cut_connection_leaves_outcomes_unknown_and_never_rejected() {
    let server = support::start("");
    let cable = Cable::to(server.address());
    let options = ClientOptions::new(KeyId(1));
    let client = Client::connect(cable.address(), key(1), options)
        .await
        .unwrap();
    client.join(MARKET).await.unwrap();
    cable.hold();
    let mut pending = client
        .new_order(MARKET, &order(1, Side::Buy, 100, 1))
        .await
        .unwrap();
    let early = pending.within(Duration::from_millis(20)).await;
    assert_eq!(early, Outcome::Unknown(Doubt::TimedOut));
    cable.cut();
    assert_eq!(pending.await, Outcome::Unknown(Doubt::ConnectionLost));
    client.closed().await;
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
}

#[tokio::test]
async fn a_session_taken_over_says_so_and_stays_away() {
    let server = support::start("");
    let mut options = ClientOptions::new(KeyId(1));
    options.reconnect = Some(ReconnectPolicy::default());
    let first = Client::connect(server.address(), key(1), options)
        .await
        .unwrap();
    let mut events = first.events().await.unwrap();
    first.ping().await.unwrap();
    let second = connect(&server, 1).await;
    let end = event(&mut events, |event| match event {
        Event::Terminated(end) => Some(end),
        _ => None,
    });
    assert_eq!(end.await.code, Code::from(RejectReason::SessionTakenOver));
    assert!(first.closed().await.contains("SessionTakenOver"));
    second.ping().await.unwrap();
}

#[tokio::test]
async fn a_draining_server_answers_and_says_good_bye() {
    let server = support::start("");
    let client = connect(&server, 1).await;
    let mut events = client.events().await.unwrap();
    let placed = client
        .new_order(MARKET, &order(1, Side::Buy, 100, 1))
        .await
        .unwrap();
    assert!(placed.await.accepted().is_some());
    let draining = std::thread::spawn(move || server.drain());
    let end = event(&mut events, |event| match event {
        Event::Terminated(end) => Some(end),
        _ => None,
    });
    assert_eq!(end.await.code, Code::from(RejectReason::ServerDraining));
    client.closed().await;
    draining.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_program_that_starts_again_goes_on_after_the_last_report_it_had() {
    let server = support::start("");
    let first = connect(&server, 1).await;
    for _ in 0..3 {
        let new = first.new_order(MARKET, &order(1, Side::Buy, 100, 1)).await;
        assert!(new.unwrap().await.accepted().is_some());
    }
    first.terminate().await.unwrap();
    let again = connect(&server, 1).await;
    let mut events = again.events().await.unwrap();
    let joined = again.resume(MARKET, 1).await.unwrap();
    assert_eq!((joined.last_client_seq, joined.last_report_seq), (3, 3));
    let new = again.new_order(MARKET, &order(1, Side::Buy, 100, 1)).await;
    assert!(new.unwrap().await.accepted().is_some());
    for expected in 2..=4 {
        let report_seq = event(&mut events, |event| match event {
            Event::Report { report_seq, .. } => Some(report_seq),
            other => panic_if_lost(other),
        });
        assert_eq!(report_seq.await, expected);
    }
}

fn panic_if_lost(event: Event) -> Option<u64> {
    let lost = matches!(event, Event::ReportsLost { .. } | Event::ReportGap { .. });
    assert!(!lost, "{event:?}");
    None
}

#[tokio::test]
async fn reports_that_are_not_kept_any_more_are_told_as_lost() {
    let server = support::start("[history]\nreports_bytes_max = 0");
    let cable = Cable::to(server.address());
    let mut options = ClientOptions::new(KeyId(1));
    options.reconnect = Some(ReconnectPolicy::default());
    let client = Client::connect(cable.address(), key(1), options).await;
    let client = client.unwrap();
    client.join(MARKET).await.unwrap();
    let mut events = client.events().await.unwrap();
    let resting = order(1, Side::Buy, 100, 1);
    let resting = client.new_order(MARKET, &resting).await.unwrap().await;
    assert!(resting.accepted().is_some());
    // Filled while nobody listens.
    cable.hold();
    let taker = connect(&server, 2).await;
    let fill = taker.new_order(MARKET, &order(2, Side::Sell, 100, 1)).await;
    assert!(fill.unwrap().await.accepted().is_some());
    cable.cut();
    let lost = event(&mut events, |event| match event {
        Event::ReportsLost { market, from, to } => Some((market, from, to)),
        _ => None,
    });
    assert_eq!(lost.await, (MARKET, 2, 2));
}

#[tokio::test]
async fn a_server_that_has_lost_its_state_is_told_apart_and_asked_for_nothing_again() {
    let server = support::start("");
    let address = server.address();
    let mut options = ClientOptions::new(KeyId(1));
    options.reconnect = Some(ReconnectPolicy::default());
    let client = Client::connect(address, key(1), options).await.unwrap();
    let mut events = client.events().await.unwrap();
    let new = client.new_order(MARKET, &order(1, Side::Buy, 100, 1)).await;
    assert!(new.unwrap().await.accepted().is_some());
    drop(server);
    let server = support::start(&format!("[server]\nlisten = \"{address}\""));
    let resumed = event(&mut events, |event| match event {
        Event::Resumed(resumed) => Some(resumed),
        _ => None,
    });
    let resumed = resumed.await;
    assert_eq!((resumed.state_lost, resumed.last_client_seq), (true, 0));
    let new = client.new_order(MARKET, &order(1, Side::Buy, 100, 1)).await;
    assert!(new.unwrap().await.accepted().is_some());
    drop(server);
}

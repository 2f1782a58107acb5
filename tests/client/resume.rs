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
        let (mut accepted, mut unknown) = (0, 0);
        for pending in pending {
            match tokio::time::timeout(PATIENCE, pending)
                .await
                .expect("an outcome comes")
            {
                Outcome::Accepted(_) => accepted += 1,
                Outcome::Unknown(Doubt::AppliedUnanswered) => unknown += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(accepted + unknown, 400);
        let resumed = event(&mut events, |event| match event {
            Event::Resumed(resumed) => Some(resumed),
            _ => None,
        });
        let resumed = resumed.await;
        assert_eq!(
            (resumed.applied_unanswered, resumed.state_lost),
            (unknown, false)
        );
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

//! Questions over a lost connection: they are asked again, and answered once.

use super::*;

#[test]
fn a_question_is_asked_again_and_half_an_answer_is_forgotten() {
    let mut bench = Bench::new();
    let mut answer = bench.subscribe_account();
    bench.hear_balances(1, &["BTC", "ETH"], FLAG_MORE_FOLLOWS);
    bench.sent();
    bench.reconnect();
    assert!(answer.try_recv().is_err(), "nothing is said meanwhile");
    assert_eq!(bench.sent(), [("SubscribeAccount", 2)]);
    bench.hear_balances(2, &["BTC", "ETH"], FLAG_MORE_FOLLOWS);
    bench.hear_balances(2, &["USDT"], 0);
    assert_eq!(answer.try_recv().unwrap().unwrap().len(), 3);
    // From now on it is a subscription, which is made again once.
    bench.reconnect();
    assert_eq!(bench.sent(), [("SubscribeAccount", 3)]);
}

#[test]
fn what_belongs_to_no_request_is_asked_again_too() {
    let mut bench = Bench::new();
    let mut markets = bench.command(Command::Markets);
    let mut snapshot = bench.command(|waiter| Command::Snapshot(MARKET, waiter));
    let mut ping = bench.command(Command::Ping);
    let mut joined = bench.command(|waiter| Command::Join(MARKET, waiter));
    let mut before = bench.sent();
    bench.reconnect();
    let mut again = bench.sent();
    before.sort_unstable();
    again.sort_unstable();
    assert_eq!(again, before);
    assert!(markets.try_recv().is_err());
    assert!(snapshot.try_recv().is_err());
    assert!(ping.try_recv().is_err());
    assert!(joined.try_recv().is_err());
}

#[test]
fn when_the_session_is_over_questions_are_too() {
    let mut bench = Bench::new();
    let mut ping = bench.command(Command::Ping);
    let mut balances = bench.subscribe_account();
    bench.session.on_disconnect("the cable is out");
    bench.session.close("nobody answers");
    let error = ping.try_recv().unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    let error = balances.try_recv().unwrap().unwrap_err();
    assert!(matches!(error, ClientError::InDoubt { .. }), "{error}");
}

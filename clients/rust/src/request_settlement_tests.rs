//! Settlements: each once, in order, also over reconnects.

use super::*;

#[test]
fn settlements_come_once_and_go_on_behind_the_last_after_a_reconnect() {
    let mut bench = Bench::new();
    let mut answer = bench.subscribe_settlements(88);
    bench.settlements_begin(1);
    assert_eq!(answer.try_recv().unwrap().unwrap().next, 100);
    bench.hear_settlements(&[88, 89, 89, 90]);
    assert_eq!(bench.settled(), [88, 89, 90]);
    bench.sent();
    bench.reconnect();
    let resumed = bench.session.out.clone();
    assert_eq!(bench.sent(), [("SubscribeSettlements", 2)]);
    let (frame, _) = split_frame(&resumed, FRAME_FROM_CLIENT_MAX)
        .unwrap()
        .unwrap();
    let ClientMessage::SubscribeSettlements(request) = ClientMessage::decode(&frame).unwrap()
    else {
        panic!("a subscription");
    };
    assert_eq!(request.from_number, 91);
    bench.settlements_begin(2);
    bench.hear_settlements(&[91, 92]);
    assert_eq!(bench.settled(), [91, 92]);
}

#[test]
fn a_gap_in_the_settlements_is_told() {
    let mut bench = Bench::new();
    let _answer = bench.subscribe_settlements(1);
    bench.settlements_begin(1);
    bench.hear_settlements(&[1, 4]);
    let gap = Event::SettlementGap {
        market: MARKET,
        expected: 2,
        found: 4,
    };
    let first = Event::Settlement(settlement(1));
    assert_eq!(bench.told(), [first, gap, Event::Settlement(settlement(4))]);
}

#[test]
fn a_second_subscription_counts_from_its_answer_on() {
    let mut bench = Bench::new();
    let _first = bench.subscribe_settlements(50);
    bench.settlements_begin(1);
    let _second = bench.subscribe_settlements(10);
    bench.hear_settlements(&[50, 51]);
    bench.settlements_begin(2);
    bench.hear_settlements(&[10, 11]);
    assert_eq!(bench.settled(), [50, 51, 10, 11]);
}

#[test]
fn a_subscription_that_cannot_be_had_again_is_told_and_given_up() {
    let mut bench = Bench::new();
    let _answer = bench.subscribe_settlements(1);
    bench.settlements_begin(1);
    bench.reconnect();
    bench.told();
    bench.hear_rejected(2, 61, RejectReason::SettlementsTooOld);
    let told = bench.told();
    let [Event::RequestRejected(news)] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(news.code, Code::from(RejectReason::SettlementsTooOld));
    bench.session.out.clear();
    bench.reconnect();
    assert_eq!(bench.sent(), []);
}

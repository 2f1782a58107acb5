//! A platform that holds its money itself: Souk matches without funds, and says what is to be booked.

use std::path::Path;

use souk_protocol::message::*;
use souk_protocol::*;

use crate::bank::*;

#[test]
fn orders_of_a_platform_need_no_funds_and_settlements_say_what_is_to_be_booked() {
    let server = platform("");
    let mut office = Desk::of(&server, OFFICE);
    let got = office.ask(|id| subscribe_settlements(id, 1, 1).frame(0));
    assert!(
        matches!(got.message(), ServerMessage::SettlementsFrom(_)),
        "{got:?}"
    );
    office.place(buy(1, 6_512_345, 2_500));
    let answers = office.order(sell(2, 6_512_345, 2_500));
    let ServerMessage::Trade(trade) = answers[1].message() else {
        panic!("{answers:?}")
    };
    assert_eq!(trade.fee, 8_140_431);
    let got = loop {
        let told = office.told(|message| match message {
            ServerMessage::Settlement(settlement) => Some(settlement),
            _ => None,
        });
        if let Some(settlement) = told.first() {
            break *settlement;
        }
        let got = office.wire.next();
        office.told.push(got);
    };
    // The worked example of PROTOCOL.md.
    assert_eq!(
        (got.number, got.buyer, got.seller, got.taker_side),
        (1, AccountId(1), AccountId(2), Side::Sell)
    );
    assert_eq!(
        (got.base_amount, got.quote_amount),
        (Amount(25_000_000), Amount(16_280_862_500))
    );
    assert_eq!((got.buyer_fee, got.seller_fee), (-1_628_086, 8_140_431));
}

/// The next settlements that an office is told of, as they came.
fn settlements(office: &mut Desk, count: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        for got in std::mem::take(&mut office.told) {
            if matches!(got.message(), ServerMessage::Settlement(_)) {
                all.push(got.bytes);
            }
        }
        if all.len() >= count {
            return all;
        }
        let got = office.wire.next();
        office.told.push(got);
    }
}

#[test]
fn settlements_are_resumed_from_any_number_after_a_restart() {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("custody-restarted");
    let _ = std::fs::remove_dir_all(&data);
    let server = platform_at(&data);
    let mut office = Desk::of(&server, OFFICE);
    office.ask(|id| subscribe_settlements(id, 1, 1).frame(0));
    for price in [10_000, 10_001, 10_002] {
        office.place(buy(1, price, 100));
        office.order(sell(2, price, 100));
    }
    let before = settlements(&mut office, 3);
    drop(office);
    server.drain().unwrap();
    let server = platform_at(&data);
    for from in 1..=3 {
        let mut office = Desk::of(&server, OFFICE);
        office.ask(|id| subscribe_settlements(id, 1, from).frame(0));
        let again = settlements(&mut office, 4 - from as usize);
        assert_eq!(again, before[from as usize - 1..], "from {from}");
    }
    server.drain().unwrap();
}

#[test]
fn a_platform_has_no_balances_here_and_may_change_all_else() {
    let server = platform("");
    let mut office = Desk::of(&server, OFFICE);
    let subscribe = |request_id| SubscribeAccount {
        request_id,
        account: AccountId(1),
        reserved: Reserved,
    };
    let refused = [
        office.ask(|id| credit(id, 1, 1, "USDT", 1).frame(0)),
        office.ask(|id| debit(id, 2, 1, "USDT", 1).frame(0)),
        office.ask(|id| transfer(id, 3, 1, 2, "USDT", 1).frame(0)),
        office.ask(|id| balance_query(id, 1).frame(0)),
        office.ask(|id| statement_query(id, 1, "USDT", 0, 1).frame(0)),
        office.ask(|id| subscribe(id).frame(0)),
    ];
    for got in refused {
        assert_eq!(refusal(&got), RejectReason::ExternalCustody);
    }
    // What it does on the control stream, and what does not fit 64 bits, is as for all.
    let fees = |request_id| SetFees {
        request_id,
        market: MarketId(1),
        fee_group: FeeGroup(0),
        reserved: Reserved,
        maker_ppm: Ppm(0),
        taker_ppm: Ppm(1_000),
    };
    carried_out(&office.ask(|id| fees(id).frame(0)));
    carried_out(&office.ask(|id| new_market(id, 5, "HUGE").frame(0)));
    office.place(buy(1, 10_000, 100));
    let answers = office.order(sell(2, 10_000, 100));
    let ServerMessage::Trade(trade) = answers[1].message() else {
        panic!("{answers:?}")
    };
    assert_eq!(trade.fee, 1_000);
    let order = NewOrder {
        market: MarketId(5),
        ..buy(1, 1 << 62, 1 << 62)
    };
    assert_eq!(office.refused(order), RejectReason::AmountTooLarge);
    // Its neighbour's orders need their money.
    let mut other = Desk::of(&server, OTHER_OFFICE);
    assert_eq!(
        other.refused(buy(1, 10_000, 1)),
        RejectReason::InsufficientFunds
    );
    other.credit(1, "USDT", 10_005);
    other.place(buy(1, 10_000, 1));
    assert_eq!(other.balance(1, "USDT"), (10_005, 10_005));
}

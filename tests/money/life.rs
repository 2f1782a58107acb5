//! The life of an order's money: held, spent, given back. Prices are in ticks, quantities in lots; a
//! tick times a lot is one unit of USDT, a lot is 10,000 units of BTC; makers get 100 parts per
//! million, takers pay 500.

use souk_protocol::message::*;
use souk_protocol::*;

use crate::bank::*;
use crate::support::limit;

fn fees_of(answers: &[crate::support::Got]) -> Vec<i64> {
    let fee = |got: &crate::support::Got| match got.message() {
        ServerMessage::Trade(trade) => Some(trade.fee),
        _ => None,
    };
    answers.iter().filter_map(fee).collect()
}

#[test]
fn a_limit_order_holds_its_worst_case_and_gets_back_what_its_trades_do_not_take() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let (mut buyer, mut seller) = (Desk::of(&server, 1), Desk::of(&server, 2));
    office.assert_books([("BTC", 0), ("USDT", 0)], &[]);
    office.credit(1, "USDT", 10_000_000);
    office.credit(2, "BTC", 5_000_000);
    let supply = [("BTC", 5_000_000), ("USDT", 10_000_000)];
    let start = [(1, "USDT", 10_000_000, 0), (2, "BTC", 5_000_000, 0)];
    office.assert_books(supply, &start);

    // A sell holds its lots: 100 x 10,000.
    seller.place(sell(2, 9_000, 100));
    let resting = [(1, "USDT", 10_000_000, 0), (2, "BTC", 5_000_000, 1_000_000)];
    office.assert_books(supply, &resting);

    // 100 of the 250 trade at 9,000: 900,000 and a fee of 450 for the taker, -90 for the maker. The
    // rest waits at 10,000: 150 x 10,000 = 1,500,000, and 750 for the worst fee.
    let answers = buyer.order(buy(1, 10_000, 250));
    assert_eq!(fees_of(&answers), [450]);
    let ServerMessage::Accepted(bid) = answers[0].message() else {
        panic!("{answers:?}")
    };
    office.assert_books(
        supply,
        &[
            (1, "BTC", 1_000_000, 0),
            (1, "USDT", 10_000_000 - 900_450, 1_500_750),
            (2, "BTC", 4_000_000, 0),
            (2, "USDT", 900_090, 0),
            (FEES, "USDT", 360, 0),
        ],
    );

    // 60 more at 10,000: the seller is the taker now and pays 300, the buyer gets 60 back. What is
    // left, 90 x 10,000, needs 900,000 + 450.
    let answers = seller.order(NewOrder {
        time_in_force: TimeInForce::Ioc,
        ..sell(2, 9_999, 60)
    });
    assert_eq!(fees_of(&answers), [300]);
    let after = |held| {
        [
            (1, "BTC", 1_600_000, 0),
            (1, "USDT", 10_000_000 - 900_450 - 599_940, held),
            (2, "BTC", 3_400_000, 0),
            (2, "USDT", 900_090 + 599_700, 0),
            (FEES, "USDT", 360 + 240, 0),
        ]
    };
    office.assert_books(supply, &after(900_450));

    // A cancel gives back exactly what is still held.
    buyer.cancel(bid.order_id, 1);
    office.assert_books(supply, &after(0));
}

#[test]
fn the_fee_account_has_its_fees_when_the_trade_is_told() {
    let server = bank("[threads]\nlayout = \"threads\"");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 10 * USDT);
    office.credit(2, "BTC", BTC);
    // 2,000 is the lowest notional with a fee: 1 unit. The maker's 0.2 units are none.
    for round in 1..=1_000 {
        office.place(sell(2, 2_000, 1));
        office.place(buy(1, 2_000, 1));
        assert_eq!(office.balance(FEES, "USDT"), (round, 0), "round {round}");
    }
}

#[test]
fn fees_lose_their_fraction_in_each_fill_and_the_hold_covers_them_all() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    // 3 x 1,999 = 5,997, and 2.9985 for fees: 2. A unit less is not enough.
    office.credit(1, "USDT", 5_998);
    office.credit(2, "BTC", 3 * LOT);
    let supply = [("BTC", 3 * LOT), ("USDT", 5_999)];
    let mut buyer = Desk::of(&server, 1);
    assert_eq!(
        buyer.refused(buy(1, 1_999, 3)),
        RejectReason::InsufficientFunds
    );
    office.credit(1, "USDT", 1);
    buyer.place(buy(1, 1_999, 3));
    office.assert_books(supply, &[(1, "USDT", 5_999, 5_999), (2, "BTC", 3 * LOT, 0)]);
    // Each fill's fee is 0.9995: nothing. 2 x 1,999 = 3,998 holds 1 for fees, 1,999 none.
    let mut seller = Desk::of(&server, 2);
    for (left, held) in [(2, 3_999), (1, 1_999), (0, 0)] {
        seller.place(sell(2, 1_999, 1));
        let sold = 3 - left;
        let mut books = vec![
            (1, "BTC", sold * LOT, 0),
            (1, "USDT", 5_999 - sold * 1_999, held),
            (2, "BTC", left * LOT, 0),
            (2, "USDT", sold * 1_999, 0),
        ];
        books.retain(|(_, _, total, _)| *total > 0);
        office.assert_books(supply, &books);
    }
}

#[test]
fn a_sell_holds_its_lots_to_the_last_one() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let mut seller = Desk::of(&server, 2);
    assert_eq!(
        seller.refused(sell(2, 100, 1)),
        RejectReason::InsufficientFunds,
        "never had any"
    );
    office.credit(2, "BTC", 3 * LOT - 1);
    assert_eq!(
        seller.refused(sell(2, 100, 3)),
        RejectReason::InsufficientFunds
    );
    seller.place(sell(2, 100, 2));
    assert_eq!(
        seller.refused(sell(2, 100, 1)),
        RejectReason::InsufficientFunds
    );
    office.credit(2, "BTC", 1);
    seller.place(sell(2, 100, 1));
    office.assert_books(
        [("BTC", 3 * LOT), ("USDT", 0)],
        &[(2, "BTC", 3 * LOT, 3 * LOT)],
    );
}

#[test]
fn a_market_buy_is_covered_by_its_budget_or_its_protection_price() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let mut buyer = Desk::of(&server, 1);
    office.credit(2, "BTC", 100 * LOT);
    office.place(sell(2, 10_000, 50));
    office.place(sell(2, 10_200, 50));
    // Budget 700,000 and 350 for fees; the protection price alone would need less than the other
    // way round: the lower bound counts.
    for (order, need) in [
        (market_buy(1, 100, 0, 700_000), 700_350),
        (market_buy(1, 100, 20_000, 700_000), 700_350),
        (market_buy(1, 10, 20_000, 700_000), 200_100),
        (market_buy(1, 10, 20_000, 0), 200_100),
    ] {
        let (has, _) = office.balance(1, "USDT");
        if has > 0 {
            office.debit(1, "USDT", has);
        }
        office.credit(1, "USDT", need - 1);
        assert_eq!(
            buyer.refused(order),
            RejectReason::InsufficientFunds,
            "{order:?}"
        );
    }
    office.debit(1, "USDT", 200_099);
    office.credit(1, "USDT", 700_350);
    // 50 x 10,000 = 500,000, fee 250; then 19 x 10,200 = 193,800, fee 96.9; the 6,200 left buy no lot.
    let answers = buyer.order(market_buy(1, 100, 0, 700_000));
    assert_eq!(fees_of(&answers), [250, 96]);
    let ServerMessage::Canceled(rest) = answers.last().unwrap().message() else {
        panic!("{answers:?}")
    };
    assert_eq!(
        (rest.reason, rest.qty),
        (CancelReason::BudgetSpent, Qty(31))
    );
    office.assert_books(
        [("BTC", 100 * LOT), ("USDT", 700_350)],
        &[
            (1, "BTC", 69 * LOT, 0),
            (1, "USDT", 700_350 - 500_250 - 193_896, 0),
            (2, "BTC", 31 * LOT, 31 * LOT),
            // Rebates: 50, and 19.38.
            (2, "USDT", 500_050 + 193_819, 0),
            (FEES, "USDT", 250 + 96 - 50 - 19, 0),
        ],
    );
    // A market sell holds its lots, and meets no bid: all comes back.
    let market_sell = |qty| NewOrder {
        side: Side::Sell,
        ..market_buy(1, qty, 1, 0)
    };
    assert_eq!(
        buyer.refused(market_sell(70)),
        RejectReason::InsufficientFunds
    );
    buyer.place(market_sell(69));
    assert_eq!(office.balance(1, "BTC"), (69 * LOT, 0));
}

#[test]
fn a_replace_moves_the_hold_by_the_difference() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let mut buyer = Desk::of(&server, 1);
    office.credit(1, "USDT", 1_000_500);
    office.credit(2, "BTC", 100 * LOT);
    let held = |office: &mut Desk| office.balance(1, "USDT");
    let bid = buyer.place(buy(1, 10_000, 100));
    assert_eq!(held(&mut office), (1_000_500, 1_000_500), "all it has");
    // Neither a lot nor a tick more; and the order is as it was.
    for (price, qty) in [(10_000, 101), (10_001, 100)] {
        let answers = buyer.replace(bid, 1, price, qty);
        assert_eq!(rejection(&answers), RejectReason::InsufficientFunds);
        assert_eq!(held(&mut office), (1_000_500, 1_000_500));
        let status = OrderStatusRequest {
            orig_cl_ord_id: ClOrdId(0),
            order_id: bid,
            market: MarketId(1),
            account: AccountId(1),
        };
        let answers = buyer.command(1, |seq| status.frame(seq));
        let ServerMessage::OrderStatus(status) = answers[0].message() else {
            panic!("{answers:?}")
        };
        assert_eq!(
            (status.price, status.leaves, status.state),
            (Price(10_000), Qty(100), OrderState::New)
        );
    }
    // Down in price, down in quantity where it stands, and up again.
    for (price, qty, need) in [
        (9_000, 100, 900_450),
        (9_000, 50, 450_225),
        (9_500, 100, 950_475),
        (10_000, 100, 1_000_500),
    ] {
        let answers = buyer.replace(bid, 1, price, qty);
        assert!(
            matches!(answers[0].message(), ServerMessage::Replaced(_)),
            "{answers:?}"
        );
        assert_eq!(held(&mut office), (1_000_500, need), "{price} x {qty}");
    }
    // Into the book: 10 at 9,500 trade against it, 90 x 9,600 rest.
    buyer.replace(bid, 1, 9_000, 100);
    office.place(sell(2, 9_500, 10));
    let answers = buyer.replace(bid, 1, 9_600, 100);
    assert_eq!(fees_of(&answers), [47]);
    let books = |held| {
        [
            (1, "BTC", 10 * LOT, 0),
            (1, "USDT", 1_000_500 - 95_047, held),
            (2, "BTC", 90 * LOT, 0),
            (2, "USDT", 95_009, 0),
            (FEES, "USDT", 47 - 9, 0),
        ]
    };
    let supply = [("BTC", 100 * LOT), ("USDT", 1_000_500)];
    office.assert_books(supply, &books(864_432));
    // A total that is executed already ends the order.
    buyer.replace(bid, 1, 9_600, 10);
    office.assert_books(supply, &books(0));
}

#[test]
fn a_sliding_post_only_order_holds_what_it_needs_where_it_rests() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 1_000_000);
    office.credit(2, "BTC", 10 * LOT);
    office.place(sell(2, 9_001, 10));
    office.place(NewOrder {
        post_only: PostOnly::Slide,
        ..buy(1, 20_000, 100)
    });
    // 9,000 x 100, and 450 for fees.
    assert_eq!(office.balance(1, "USDT"), (1_000_000, 900_450));
    let mut buyer = Desk::of(&server, 1);
    let order = NewOrder {
        post_only: PostOnly::Reject,
        ..buy(1, 9_001, 1)
    };
    assert_eq!(buyer.refused(order), RejectReason::PostOnlyWouldCross);
    assert_eq!(office.balance(1, "USDT"), (1_000_000, 900_450));
}

#[test]
fn what_does_not_trade_at_once_comes_back_at_once() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let mut buyer = Desk::of(&server, 1);
    office.credit(1, "USDT", 2_000_000);
    office.credit(2, "BTC", 10 * LOT);
    office.place(sell(2, 10_000, 10));
    let order = |time_in_force, qty| NewOrder {
        time_in_force,
        ..buy(1, 11_000, qty)
    };
    // A fill-or-kill that cannot be filled takes nothing; one that can pays.
    assert_eq!(
        buyer.refused(order(TimeInForce::Fok, 11)),
        RejectReason::FokUnfillable
    );
    assert_eq!(office.balance(1, "USDT"), (2_000_000, 0));
    buyer.place(order(TimeInForce::Fok, 4));
    assert_eq!(office.balance(1, "USDT"), (2_000_000 - 40_020, 0));
    // 6 of 50 are there; the rest of the 550,275 comes back.
    buyer.place(order(TimeInForce::Ioc, 50));
    office.assert_books(
        [("BTC", 10 * LOT), ("USDT", 2_000_000)],
        &[
            (1, "BTC", 10 * LOT, 0),
            (1, "USDT", 2_000_000 - 40_020 - 60_030, 0),
            (2, "USDT", 40_004 + 60_006, 0),
            (FEES, "USDT", 20 - 4 + 30 - 6, 0),
        ],
    );
}

#[test]
fn a_prevented_self_trade_releases_what_is_gone_and_costs_nothing() {
    // What is left of a sell of 10 and a buy of 4, both at 10,000.
    for (stp_mode, sell_left, buy_left) in [
        (StpMode::CancelNewest, 10, 0),
        (StpMode::CancelOldest, 0, 4),
        (StpMode::CancelBoth, 0, 0),
        (StpMode::DecrementAndCancel, 6, 0),
    ] {
        let server = bank("");
        let mut office = Desk::of(&server, OFFICE);
        office.credit(1, "USDT", 100_000);
        office.credit(1, "BTC", 10 * LOT);
        let mut trader = Desk::of(&server, 1);
        trader.place(sell(1, 10_000, 10));
        trader.place(NewOrder {
            stp_mode,
            ..buy(1, 10_000, 4)
        });
        let held = buy_left * 10_000 + buy_left * 5;
        office.assert_books(
            [("BTC", 10 * LOT), ("USDT", 100_000)],
            &[
                (1, "BTC", 10 * LOT, sell_left * LOT),
                (1, "USDT", 100_000, held),
            ],
        );
        let mass = |side| MassCancel {
            market: MarketId(1),
            account: AccountId(1),
            side,
            reserved: Reserved,
        };
        trader.command(1, |seq| mass(None).frame(seq));
        assert_eq!(office.balance(1, "BTC"), (10 * LOT, 0), "{stp_mode:?}");
        assert_eq!(office.balance(1, "USDT"), (100_000, 0), "{stp_mode:?}");
    }
}

#[test]
fn an_account_may_trade_with_itself_and_pays_both_fees() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 100_050);
    office.credit(1, "BTC", 10 * LOT);
    let mut trader = Desk::of(&server, 1);
    trader.place(sell(1, 10_000, 10));
    trader.place(buy(1, 10_000, 10));
    office.assert_books(
        [("BTC", 10 * LOT), ("USDT", 100_050)],
        &[
            (1, "BTC", 10 * LOT, 0),
            (1, "USDT", 100_050 - 50 + 10, 0),
            (FEES, "USDT", 40, 0),
        ],
    );
}

#[test]
fn each_order_of_a_batch_holds_for_itself() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let mut trader = Desk::of(&server, 1);
    office.credit(1, "USDT", 20_010);
    let entries = [
        BatchEntry::from(buy(1, 10_000, 1)),
        BatchEntry::from(buy(1, 10_001, 1)),
        BatchEntry::from(buy(1, 10_002, 1)),
        BatchEntry::from(buy(1, 1, 1)),
    ];
    let mut send = |mode| {
        let root = Batch {
            market: MarketId(1),
            mode,
            reserved: Reserved,
        };
        const LEN: usize = frame_len_with_group::<Batch, BatchEntry>(4);
        let answers = trader.command(1, |seq| {
            let mut frame = [0; LEN];
            write_frame_with_group(&root, &entries, seq, 0, &mut frame).unwrap();
            frame
        });
        let codes = answers.iter().map(|got| match got.message() {
            ServerMessage::Accepted(_) => None,
            ServerMessage::Rejected(rejected) => rejected.code.reason(),
            other => panic!("{other:?}"),
        });
        codes.collect::<Vec<_>>()
    };
    use RejectReason::{BatchStopped, InsufficientFunds};
    // 10,005 is held, and 10,005 are left: 10,001 and its fee are 10,006.
    assert_eq!(
        send(BatchMode::StopAtFirstReject),
        [
            None,
            Some(InsufficientFunds),
            Some(BatchStopped),
            Some(BatchStopped)
        ]
    );
    assert_eq!(office.balance(1, "USDT"), (20_010, 10_005));
    assert_eq!(
        send(BatchMode::Independent),
        [
            None,
            Some(InsufficientFunds),
            Some(InsufficientFunds),
            Some(InsufficientFunds)
        ]
    );
    assert_eq!(office.balance(1, "USDT"), (20_010, 20_010));
}

#[test]
fn a_mass_cancel_gives_back_the_holds_of_one_side_then_of_both() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let mut trader = Desk::of(&server, 1);
    office.credit(1, "USDT", USDT);
    office.credit(1, "BTC", 100 * LOT);
    for n in 1..=20 {
        trader.place(limit(n, 1, Side::Buy, 1_000 + n as i64, 1));
        trader.place(limit(100 + n, 1, Side::Sell, 2_000, 1));
    }
    // 20 x 1,000 + 210; of the 0.5 for each fee nothing is held where it is below one unit.
    assert_eq!(office.balance(1, "USDT"), (USDT, 20_210));
    assert_eq!(office.balance(1, "BTC"), (100 * LOT, 20 * LOT));
    let mass = |side| MassCancel {
        market: MarketId(1),
        account: AccountId(1),
        side,
        reserved: Reserved,
    };
    trader.command(1, |seq| mass(Some(Side::Buy)).frame(seq));
    assert_eq!(office.balance(1, "USDT"), (USDT, 0));
    assert_eq!(office.balance(1, "BTC"), (100 * LOT, 20 * LOT));
    trader.command(1, |seq| mass(None).frame(seq));
    assert_eq!(office.balance(1, "BTC"), (100 * LOT, 0));
}

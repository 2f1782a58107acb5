//! Report streams with one thing wrong in each: the verifier must find every one of them.

#![allow(clippy::unwrap_used)]

mod bench;

use souk_protocol::message::{Accepted, NotApplied, Rejected, Trade};
use souk_protocol::{AccountId, Block, Liquidity, MatchId, Price, RejectReason, Reserved};

use self::bench::Bench;
use crate::money::Rates;
use crate::stream::Standing;
use crate::testing::market;
use crate::verify::Fault;

const NEW_ONLY: &str = "1000/0/0/0/0";

#[test]
fn an_honest_stream_has_no_fault() {
    let mut bench = Bench::new(NEW_ONLY);
    let (one, two) = (bench.open(), bench.open());
    bench.tell(&bench.trade(&one, 4, Liquidity::Maker));
    let rest = Trade {
        match_id: MatchId(2),
        ..bench.trade(&one, 6, Liquidity::Taker)
    };
    bench.tell(&rest);
    assert_eq!(bench.stream.orders.live().count(), 1, "the first is filled");
    assert_eq!(
        bench.stream.orders.live().next().unwrap().order_id,
        two.order_id
    );
    bench.stream.stand(Standing {
        client_seq: 2,
        report_seq: 4,
    });
    bench
        .stream
        .note_loose_ends(&mut bench.common.faults, false);
    bench.nothing_found();
    assert_eq!(bench.common.tally.answered, 2);
    assert!(
        bench
            .common
            .latency
            .response
            .equivalent(bench.common.latency.response.max(), 40)
    );
    assert!(
        bench
            .common
            .latency
            .service
            .equivalent(bench.common.latency.service.max(), 30)
    );
}

#[test]
fn a_missing_answer_is_found() {
    let mut bench = Bench::new(NEW_ONLY);
    let (_, order) = bench.send_new();
    let (seq, _) = bench.send_new();
    bench.accept(1, &order);
    bench.stream.stand(Standing {
        client_seq: seq,
        report_seq: 1,
    });
    bench
        .stream
        .note_loose_ends(&mut bench.common.faults, false);
    bench.found(Fault::Unanswered);
}

#[test]
fn a_second_answer_is_found() {
    let mut bench = Bench::new(NEW_ONLY);
    let (seq, order) = bench.send_new();
    bench.accept(seq, &order);
    bench.accept(seq, &order);
    bench.found(Fault::AnsweredTwice);
}

#[test]
fn an_answer_to_a_message_that_was_not_sent_is_found() {
    let mut bench = Bench::new(NEW_ONLY);
    let (seq, order) = bench.send_new();
    bench.accept(seq + 1, &order);
    bench.found(Fault::AnswerForNothing);
}

#[test]
fn a_gap_and_a_repetition_of_report_numbers_are_found() {
    let mut bench = Bench::new(NEW_ONLY);
    bench.open();
    bench.report_seq += 1;
    bench.open();
    bench.found(Fault::ReportGap);
    bench.report_seq -= 1;
    bench.open();
    assert_eq!(bench.common.faults.count(Fault::ReportGap), 2);
}

#[test]
fn reports_that_never_came_are_found_by_what_the_market_says_at_the_end() {
    let mut bench = Bench::new(NEW_ONLY);
    bench.open();
    let standing = Standing {
        client_seq: 1,
        report_seq: 2,
    };
    bench.stream.stand(standing);
    assert!(!bench.stream.is_settled(), "one report is missing");
    bench
        .stream
        .note_loose_ends(&mut bench.common.faults, false);
    bench.found(Fault::StandingDiffers);
}

#[test]
fn quantities_that_do_not_add_up_are_found() {
    let changes: [fn(&mut Trade); 4] = [
        |trade| trade.leaves.0 += 1,
        |trade| trade.cum.0 += 1,
        |trade| trade.qty.0 += 1,
        |trade| trade.qty.0 = 0,
    ];
    for change in changes {
        let mut bench = Bench::new(NEW_ONLY);
        let open = bench.open();
        let mut trade = bench.trade(&open, 4, Liquidity::Maker);
        change(&mut trade);
        bench.tell(&trade);
        bench.found(Fault::QtyDoesNotAddUp);
    }
}

#[test]
fn a_fee_that_the_rates_do_not_make_is_found() {
    let with_rates = |fee: i64, liquidity| {
        let mut bench = Bench::new(NEW_ONLY);
        bench.common.rates = Some(Rates {
            maker_ppm: -999_999,
            taker_ppm: 999_999,
        });
        let open = bench.open();
        let trade = bench.trade(&open, 4, liquidity);
        let notional = trade.price.0 * 4;
        bench.tell(&Trade {
            // A rebate and a fee of nearly everything lose their fraction: one unit is missing.
            fee: fee * (notional - 1),
            ..trade
        });
        bench
    };
    with_rates(-1, Liquidity::Maker).nothing_found();
    with_rates(1, Liquidity::Taker).nothing_found();
    with_rates(1, Liquidity::Maker).found(Fault::FeeDiffers);
    with_rates(0, Liquidity::Taker).found(Fault::FeeDiffers);
}

#[test]
fn a_cancel_of_another_quantity_than_is_open_is_found() {
    let mut bench = Bench::new("500/0/500/0/0");
    let (seq, cancel) = bench.send_cancel_of_first();
    let mut canceled = bench.canceled(seq, &cancel);
    canceled.qty.0 -= 1;
    bench.tell(&canceled);
    bench.found(Fault::QtyDoesNotAddUp);
}

#[test]
fn an_open_order_that_is_called_unknown_is_found() {
    let mut bench = Bench::new("500/0/500/0/0");
    let (seq, order) = bench.send_cancel_of_first();
    bench.tell(&Rejected {
        market: order.market,
        account: order.account,
        transact_time: 1,
        client_seq: seq,
        cl_ord_id: order.cl_ord_id,
        order_id: order.order_id,
        code: RejectReason::UnknownOrder.into(),
        ref_template: 33,
        batch_index: 0,
        reserved: Reserved,
    });
    bench.found(Fault::OpenOrderCalledUnknown);
}

#[test]
fn a_cancel_that_comes_too_late_is_no_fault() {
    let mut bench = Bench::new("500/0/500/0/0");
    let (seq, order) = bench.send_cancel_of_first();
    bench.tell(&bench.trade(&order, order.qty.0, Liquidity::Maker));
    bench.tell(&Rejected {
        market: order.market,
        account: order.account,
        transact_time: 1,
        client_seq: seq,
        cl_ord_id: order.cl_ord_id,
        order_id: order.order_id,
        code: RejectReason::UnknownOrder.into(),
        ref_template: 33,
        batch_index: 0,
        reserved: Reserved,
    });
    bench.nothing_found();
    assert_eq!(bench.common.tally.too_late, 1);
}

#[test]
fn a_report_of_an_order_that_is_gone_is_found() {
    let mut bench = Bench::new(NEW_ONLY);
    let open = bench.open();
    let all = bench.trade(&open, open.qty.0, Liquidity::Maker);
    bench.tell(&all);
    bench.tell(&Trade {
        match_id: MatchId(2),
        ..all
    });
    bench.found(Fault::UnknownOrder);
}

#[test]
fn wrong_prices_sides_accounts_and_order_ids_are_found() {
    let changes: [fn(&mut Trade); 4] = [
        |trade| trade.price = Price(trade.price.0 + 1),
        |trade| trade.side = trade.side.opposite(),
        |trade| trade.account = AccountId(9),
        |trade| trade.order_id.0 += 1,
    ];
    for change in changes {
        let mut bench = Bench::new(NEW_ONLY);
        let open = bench.open();
        let mut trade = bench.trade(&open, 4, Liquidity::Maker);
        change(&mut trade);
        bench.tell(&trade);
        bench.found(Fault::WrongTerms);
    }
}

#[test]
fn a_taker_may_trade_at_a_better_price_but_not_at_a_worse_one() {
    for (better, faults) in [(true, 0), (false, 1)] {
        let mut bench = Bench::new(NEW_ONLY);
        let open = bench.open();
        let mut trade = bench.trade(&open, 4, Liquidity::Taker);
        let step = if (open.side == souk_protocol::Side::Buy) == better {
            -1
        } else {
            1
        };
        trade.price.0 += step;
        bench.tell(&trade);
        assert_eq!(bench.common.faults.total(), faults);
    }
}

#[test]
fn an_execution_told_twice_to_one_side_is_found() {
    let mut bench = Bench::new(NEW_ONLY);
    let open = bench.open();
    bench.tell(&bench.trade(&open, 2, Liquidity::Maker));
    bench.tell(&bench.trade(&open, 2, Liquidity::Maker));
    bench.found(Fault::MatchTwice);
}

#[test]
fn an_execution_whose_other_side_is_in_another_tenant_is_found() {
    let mut bench = Bench::new(NEW_ONLY);
    let open = bench.open();
    bench.tell(&bench.trade(&open, 2, Liquidity::Maker));
    bench.nothing_found();
    assert_eq!(bench.view.matches.check().one_sided, (1, 1));
}

#[test]
fn a_refusal_frees_the_numbers_and_the_orders() {
    let mut bench = Bench::new(NEW_ONLY);
    let (one, _) = bench.send_new();
    bench.send_new();
    let refusal = |from, code: RejectReason| NotApplied {
        from_client_seq: from,
        count: 1,
        market: market(1).market,
        expected_client_seq: one,
        code: code.into(),
        reserved: Reserved,
        retry_after_us: 7,
    };
    let first = refusal(one, RejectReason::MarketBusy);
    bench.stream.not_applied(&mut bench.common, &first, 100);
    assert!(
        !bench.stream.ready(200_000),
        "the second is still under way"
    );
    let second = refusal(one + 1, RejectReason::SequenceGap);
    bench.stream.not_applied(&mut bench.common, &second, 100);
    assert!(
        !bench.stream.ready(7_000),
        "not before the time that was told"
    );
    assert!(bench.stream.ready(7_100));
    assert_eq!(bench.send_new().0, one, "the number is used again");
    assert_eq!(bench.common.tally.refused.total(), 2);
    bench.nothing_found();
}

#[test]
fn a_refusal_of_what_was_not_sent_is_found() {
    let mut bench = Bench::new(NEW_ONLY);
    let refusal = NotApplied {
        from_client_seq: 5,
        count: u32::MAX,
        market: market(1).market,
        expected_client_seq: 1,
        code: RejectReason::SequenceGap.into(),
        reserved: Reserved,
        retry_after_us: 0,
    };
    bench.stream.not_applied(&mut bench.common, &refusal, 0);
    bench.found(Fault::AnswerForNothing);
}

#[test]
fn the_block_of_every_report_begins_with_its_market() {
    let reports = [96, 97, 98, 99, 100, 101, 102, 103];
    for info in souk_protocol::message::CATALOGUE {
        if reports.contains(&info.template) {
            assert_eq!((info.fields[0].name, info.fields[0].size), ("market", 4));
        }
    }
    assert_eq!(Accepted::LEN, Accepted::INFO.block_len);
}

//! Currencies, markets, fees and accounts that are created and changed while the engine runs.

use souk_protocol::message::*;
use souk_protocol::*;

use crate::bank::*;
use crate::support::Wire;

fn set_fees(request_id: u64, fee_group: u16, maker: i32, taker: i32) -> SetFees {
    SetFees {
        request_id,
        market: MarketId(1),
        fee_group: FeeGroup(fee_group),
        reserved: Reserved,
        maker_ppm: Ppm(maker),
        taker_ppm: Ppm(taker),
    }
}

fn create_account(request_id: u64, account: u32, external_id: Text<32>) -> CreateAccount {
    CreateAccount {
        request_id,
        account: AccountId(account),
        fee_group: FeeGroup(0),
        stp_group: StpGroup(0),
        status: AccountStatus::Active,
        reserved: Reserved,
        external_id,
    }
}

fn create_currency(request_id: u64, code: &str, scale: u8) -> CreateCurrency {
    CreateCurrency {
        request_id,
        code: text(code),
        amount_min: Amount(0),
        amount_max: Amount(0),
        scale,
        display_scale: 2,
        status: CurrencyStatus::Listed,
        reserved: Reserved,
    }
}

fn update_currency(request_id: u64, status: CurrencyStatus) -> UpdateCurrency {
    UpdateCurrency {
        request_id,
        code: text("USDT"),
        amount_min: Amount(10),
        amount_max: Amount(1_000),
        display_scale: 2,
        status,
        reserved: Reserved,
    }
}

fn set_state(request_id: u64, state: MarketState) -> SetMarketState {
    SetMarketState {
        request_id,
        market: MarketId(1),
        state,
        reserved: Reserved,
    }
}

fn markets(desk: &mut Desk) -> Vec<MarketDefinition> {
    let request = MarketListRequest { reserved: Reserved };
    desk.wire.send(&request.frame(0));
    let mut markets = Vec::new();
    loop {
        match desk.wire.next().message() {
            ServerMessage::MarketDefinition(market) => markets.push(market),
            ServerMessage::MarketListEnd(end) => {
                assert_eq!(end.count as usize, markets.len());
                return markets;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_market_of_new_currencies_and_accounts_trades_at_once() {
    let server = bank("[threads]\nlayout = \"threads\"\nmatchers = 2");
    let mut office = Desk::of(&server, OFFICE);
    let first = carried_out(&office.ask(|id| create_currency(id, "ETH", 18).frame(0)));
    // All in a row, before the first is answered; then an order right behind the last answer.
    let market = |id| CreateMarket {
        base: text("ETH"),
        tick_scale: 2,
        lot_scale: 4,
        lot_mantissa: 5,
        maker_ppm: Ppm(10),
        taker_ppm: Ppm(20),
        ..new_market(id, 5, "ETH-USDT")
    };
    let frames = [
        market(101).frame(0).to_vec(),
        create_account(102, 50, text("user-50")).frame(0).to_vec(),
        create_account(103, 51, Text([0; 32])).frame(0).to_vec(),
        credit(104, 1, 50, "USDT", 10_000).frame(0).to_vec(),
        Credit {
            scale: 18,
            ..credit(105, 2, 51, "ETH", 1_000_000_000_000_000)
        }
        .frame(0)
        .to_vec(),
    ];
    office.wire.send(&frames.concat());
    // Answers may come in another order than the requests.
    let mut seqs = vec![(0, first)];
    while seqs.len() < 6 {
        match office.wire.next().message() {
            ServerMessage::RequestAccepted(m) => seqs.push((m.request_id, m.control_seq)),
            ServerMessage::FundingResult(m) => seqs.push((m.request_id, m.control_seq)),
            other => panic!("{other:?}"),
        }
    }
    seqs.sort_unstable();
    let seqs: Vec<u64> = seqs.iter().map(|(_, seq)| *seq).collect();
    let steps: Vec<u64> = (first..first + 6).collect();
    assert_eq!(seqs, steps, "one stream, no gap");

    let of = |order: NewOrder| NewOrder {
        market: MarketId(5),
        ..order
    };
    // 2 lots of 0.0005 ETH, at 1,000 ticks: 5 units each.
    office.place(of(sell(51, 1_000, 2)));
    office.place(of(buy(50, 1_000, 2)));
    assert_eq!(
        office.balance(50, "ETH"),
        (1_000_000_000_000_000, 0),
        "0.001 ETH"
    );
    assert_eq!(office.balance(50, "USDT"), (0, 0));
    assert_eq!(
        office.balance(51, "USDT"),
        (10_000, 0),
        "the maker's 0.1 is none"
    );
}

#[test]
fn a_new_market_is_in_the_list_with_its_terms_and_then_with_its_new_ones() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let mut trader = Desk::of(&server, 1);
    assert_eq!(markets(&mut trader).len(), 1);
    let terms = |id| CreateMarket {
        notional_min: Amount(7),
        ..new_market(id, 5, "BTC-USDT.2")
    };
    carried_out(&office.ask(|id| terms(id).frame(0)));
    let list = markets(&mut trader);
    let created = list.iter().find(|market| market.market.0 == 5).unwrap();
    assert_eq!(
        (
            created.symbol,
            created.lot_units,
            created.notional_unit,
            created.notional_min
        ),
        (text("BTC-USDT.2"), LOT, 1, Amount(7))
    );
    let limits = |request_id| SetMarketLimits {
        request_id,
        market: MarketId(5),
        reserved: Reserved,
        price_min: Price(100),
        price_max: Price(200),
        qty_min: Qty(2),
        qty_max: Qty(4),
        notional_min: Amount(0),
        notional_max: Amount(600),
        orders_max: 10,
        account_orders_max: 1,
    };
    office.credit(1, "USDT", USDT);
    let of = |price, qty| NewOrder {
        market: MarketId(5),
        ..buy(1, price, qty)
    };
    let old = trader.place(of(50, 1));
    carried_out(&office.ask(|id| limits(id).frame(0)));
    let list = markets(&mut trader);
    let changed = list.iter().find(|market| market.market.0 == 5).unwrap();
    assert_eq!(
        (changed.price_max, changed.qty_max, changed.notional_max),
        (Price(200), Qty(4), Amount(600))
    );
    use RejectReason::*;
    for (order, reason) in [
        (of(99, 2), PriceOutOfRange),
        (of(201, 2), PriceOutOfRange),
        (of(100, 1), QtyOutOfRange),
        (of(100, 5), QtyOutOfRange),
        (of(200, 4), NotionalOutOfRange),
        (of(150, 4), TooManyOpenOrdersOfAccount),
    ] {
        assert_eq!(trader.refused(order), reason, "{order:?}");
    }
    // The order from before rests, holds what it held, and may be taken back.
    assert_eq!(office.balance(1, "USDT"), (USDT, 50));
    let cancel = CancelOrder {
        market: MarketId(5),
        order_id: old,
        ..crate::support::cancel(0, 1)
    };
    trader.command(5, |seq| cancel.frame(seq));
    trader.place(of(150, 4));
    let bad = |id| SetMarketLimits {
        qty_min: Qty(5),
        ..limits(id)
    };
    let got = office.ask(|id| bad(id).frame(0));
    assert_eq!(refusal(&got), LimitsOutOfRange);
    trader.refused(of(150, 5));
}

#[test]
fn a_halt_through_the_control_stream_stops_the_market_and_is_told() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", USDT);
    let mut watcher = Wire::logged_on(server.address(), 2);
    let subscribe = Subscribe {
        market: MarketId(1),
        flags: SUBSCRIBE_TRADES,
        reserved: Reserved,
    };
    watcher.send(&subscribe.frame(0));
    let state = |watcher: &mut Wire| match watcher.next().message() {
        ServerMessage::MarketStatus(status) => status.state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&mut watcher), MarketState::Continuous);
    let bid = office.place(buy(1, 100, 1));
    carried_out(&office.ask(|id| set_state(id, MarketState::Halted).frame(0)));
    assert_eq!(office.refused(buy(1, 100, 1)), RejectReason::MarketHalted);
    assert_eq!(state(&mut watcher), MarketState::Halted);
    assert_eq!(markets(&mut office)[0].state, MarketState::Halted);
    assert_eq!(
        rejection(&office.cancel(bid, 1)),
        RejectReason::MarketHalted
    );
    assert_eq!(office.balance(1, "USDT"), (USDT, 100), "it still holds");
    carried_out(&office.ask(|id| set_state(id, MarketState::CancelOnly).frame(0)));
    assert_eq!(
        office.refused(buy(1, 100, 1)),
        RejectReason::MarketCancelOnly
    );
    office.cancel(bid, 1);
    assert_eq!(office.balance(1, "USDT"), (USDT, 0));
    carried_out(&office.ask(|id| set_state(id, MarketState::Continuous).frame(0)));
    office.place(buy(1, 100, 1));
}

#[test]
fn orders_keep_the_rates_they_were_accepted_with() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 10 * USDT);
    office.credit(2, "BTC", BTC);
    // 1,000,000 and 500 for the worst rate.
    let old = office.place(buy(1, 10_000, 100));
    carried_out(&office.ask(|id| set_fees(id, 0, 1_000, 2_000).frame(0)));
    assert_eq!(office.balance(1, "USDT"), (10 * USDT, 1_000_500));
    // A new one holds for 2,000 parts; a replace of the old one for 500 still.
    let new = office.place(buy(1, 9_000, 100));
    assert_eq!(
        office.balance(1, "USDT"),
        (10 * USDT, 1_000_500 + 900_000 + 1_800)
    );
    office.replace(old, 1, 10_000, 200);
    assert_eq!(office.balance(1, "USDT"), (10 * USDT, 2_001_000 + 901_800));
    office.cancel(new, 1);
    let group = |request_id, account| UpdateAccount {
        request_id,
        account: AccountId(account),
        fee_group: FeeGroup(7),
        stp_group: StpGroup(0),
        status: AccountStatus::Active,
        reserved: Reserved,
    };
    // The maker gets its old rebate of 100, the taker pays the new 2,000: its group has no rates yet.
    carried_out(&office.ask(|id| group(id, 2).frame(0)));
    office.place(sell(2, 10_000, 100));
    assert_eq!(
        office.balance(1, "USDT"),
        (10 * USDT - 1_000_000 + 100, 1_000_500)
    );
    assert_eq!(office.balance(2, "USDT"), (1_000_000 - 2_000, 0));
    assert_eq!(office.balance(FEES, "USDT"), (1_900, 0));
    // A group of its own: only accounts of it pay its rates, from their next order on.
    carried_out(&office.ask(|id| set_fees(id, 7, -100, 300).frame(0)));
    office.place(sell(2, 10_000, 100));
    assert_eq!(office.balance(2, "USDT"), (1_998_000 - 300, 0));
    office.place(buy(1, 5_000, 100));
    assert_eq!(
        office.balance(1, "USDT").1,
        501_000,
        "account 1 pays the default"
    );
    // No rebate may be above what any taker has ever paid here.
    let got = office.ask(|id| set_fees(id, 8, -301, 5_000).frame(0));
    assert_eq!(refusal(&got), RejectReason::FeesOutOfRange);
    let got = office.ask(|id| set_fees(id, 8, 0, 99).frame(0));
    assert_eq!(refusal(&got), RejectReason::FeesOutOfRange);
    // The books still add up.
    let sum: u64 = [1, 2, FEES]
        .iter()
        .map(|account| office.balance(*account, "USDT").0)
        .sum();
    assert_eq!(sum, 10 * USDT);
}

#[test]
fn the_257th_pair_of_rates_of_a_market_is_refused() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    for n in 1..256 {
        carried_out(&office.ask(|id| set_fees(id, n, 0, 500 + i32::from(n)).frame(0)));
    }
    let got = office.ask(|id| set_fees(id, 300, 0, 400).frame(0));
    assert_eq!(refusal(&got), RejectReason::FeeTableFull);
    // One it had is no new one.
    carried_out(&office.ask(|id| set_fees(id, 300, 0, 501).frame(0)));
}

#[test]
fn two_tenants_make_the_same_market_and_never_meet() {
    let server = bank("[threads]\nlayout = \"threads\"\nmatchers = 2");
    let mut ours = Desk::of(&server, OFFICE);
    let mut theirs = Desk::of(&server, OTHER_OFFICE);
    let of = |order: NewOrder| NewOrder {
        market: MarketId(5),
        ..order
    };
    for desk in [&mut ours, &mut theirs] {
        carried_out(&desk.ask(|id| create_account(id, 90, text("user-90")).frame(0)));
        carried_out(&desk.ask(|id| new_market(id, 5, "SAME").frame(0)));
    }
    ours.credit(90, "USDT", 10_000);
    theirs.credit(90, "BTC", LOT);
    // The same key names another movement there.
    let funded_ours = funded(&ours.ask(|id| credit(id, 1, 90, "USDT", 5).frame(0)));
    let funded_theirs = funded(&theirs.ask(|id| credit(id, 1, 90, "USDT", 6).frame(0)));
    assert!(!funded_ours.repeated && !funded_theirs.repeated);
    let bid = ours.place(of(buy(90, 10_000, 1)));
    let ask = theirs.place(of(sell(90, 10_000, 1)));
    assert_eq!(bid, ask, "both are the first of their market");
    assert_eq!(ours.balance(90, "USDT"), (10_005, 10_000));
    assert_eq!(ours.balance(90, "BTC"), (0, 0));
    assert_eq!(theirs.balance(90, "BTC"), (LOT, LOT));
    assert_eq!(theirs.balance(90, "USDT"), (6, 0));
}

#[test]
fn a_currency_changes_its_bounds_and_runs_out() {
    use RejectReason::*;
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 5_000);
    carried_out(&office.ask(|id| update_currency(id, CurrencyStatus::Listed).frame(0)));
    for (amount, reason) in [(9, AmountOutOfRange), (1_001, AmountOutOfRange)] {
        assert_eq!(refusal(&office.debit(1, "USDT", amount)), reason);
        assert_eq!(refusal(&office.transfer(1, 2, "USDT", amount)), reason);
    }
    funded(&office.debit(1, "USDT", 1_000));
    carried_out(&office.ask(|id| update_currency(id, CurrencyStatus::Delisting).frame(0)));
    let got = office.ask(|id| credit(id, 1, 1, "USDT", 10).frame(0));
    assert_eq!(refusal(&got), CurrencyNotListed);
    let got = office.ask(|id| new_market(id, 5, "LATE").frame(0));
    assert_eq!(refusal(&got), CurrencyNotListed);
    funded(&office.transfer(1, 2, "USDT", 10));
    office.place(buy(1, 100, 1));

    office.told.clear();
    let got = office.ask(|request_id| CurrencyListRequest { request_id }.frame(0));
    let ServerMessage::CurrencyListEnd(end) = got.message() else {
        panic!("{got:?}")
    };
    let list = office.told(|message| match message {
        ServerMessage::CurrencyDefinition(currency) => Some(currency),
        _ => None,
    });
    assert_eq!(end.count, 2);
    assert_eq!(
        (list[0].code, list[0].scale, list[1].code, list[1].scale),
        (text("BTC"), 8, text("USDT"), 6)
    );
    assert_eq!(
        (list[1].status, list[1].amount_min, list[1].amount_max),
        (CurrencyStatus::Delisting, Amount(10), Amount(1_000))
    );
}

#[test]
fn an_account_has_one_id_and_one_name() {
    use RejectReason::*;
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    carried_out(&office.ask(|id| create_account(id, 60, text("alice")).frame(0)));
    for (account, name, reason) in [
        (60, text("bob"), AccountExists),
        (61, text("alice"), ExternalIdExists),
        (0, text("bob"), IdMustNotBeZero),
        (FEES, text("bob"), AccountExists),
    ] {
        let got = office.ask(|id| create_account(id, account, name).frame(0));
        assert_eq!(refusal(&got), reason);
    }
    carried_out(&office.ask(|id| create_account(id, 61, text("bob")).frame(0)));
    // Another tenant has its own names.
    let mut other = Desk::of(&server, OTHER_OFFICE);
    carried_out(&other.ask(|id| create_account(id, 60, text("alice")).frame(0)));
}

#[test]
fn what_the_fee_account_earned_can_be_taken_out_and_it_places_no_orders() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 2 * USDT);
    office.credit(2, "BTC", BTC);
    office.place(sell(2, 10_000, 100));
    office.place(buy(1, 10_000, 100));
    assert_eq!(office.balance(FEES, "USDT"), (400, 0));
    assert_eq!(
        office.refused(buy(FEES, 10, 1)),
        RejectReason::AccountCancelOnly
    );
    funded(&office.transfer(FEES, 3, "USDT", 300));
    funded(&office.debit(FEES, "USDT", 100));
    assert_eq!(office.balance(FEES, "USDT"), (0, 0));
    assert_eq!(office.balance(3, "USDT"), (300, 0));
}

//! What is refused, each with its own code, and changes nothing.

use souk_protocol::message::*;
use souk_protocol::*;

use crate::bank::*;

/// A currency without bounds.
pub fn currency(code: &str, scale: u8) -> CreateCurrency {
    CreateCurrency {
        request_id: 1,
        code: text(code),
        amount_min: Amount(0),
        amount_max: Amount(0),
        scale,
        display_scale: 0,
        status: CurrencyStatus::Listed,
        reserved: Reserved,
    }
}

/// An account's new status.
pub fn account(request_id: u64, account: u32, status: AccountStatus) -> UpdateAccount {
    UpdateAccount {
        request_id,
        account: AccountId(account),
        fee_group: FeeGroup(0),
        stp_group: StpGroup(0),
        status,
        reserved: Reserved,
    }
}

#[test]
fn funding_that_breaks_a_rule_is_refused_by_name() {
    use RejectReason::*;
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 1_000);
    let good = credit(0, 500, 1, "USDT", 10);
    let cases = [
        (
            "an unknown currency",
            Credit {
                currency: text("XRP"),
                ..good
            },
            UnknownCurrency,
        ),
        (
            "an unknown account",
            Credit {
                account: AccountId(4),
                ..good
            },
            UnknownAccount,
        ),
        (
            "another tenant's account",
            Credit {
                account: AccountId(77),
                ..good
            },
            UnknownAccount,
        ),
        ("another scale", Credit { scale: 8, ..good }, WrongScale),
        (
            "nothing",
            Credit {
                amount: Amount(0),
                ..good
            },
            AmountMustNotBeZero,
        ),
        (
            "more than a balance can have",
            Credit {
                amount: Amount(1 << 63),
                ..good
            },
            AmountTooLarge,
        ),
        (
            "more than there may be in all",
            Credit {
                amount: AMOUNT_MAX,
                ..good
            },
            SupplyExceeded,
        ),
        (
            "no business",
            Credit {
                business: Text([0; 16]),
                ..good
            },
            NameNotLegal,
        ),
        (
            "no business id",
            Credit {
                business_id: 0,
                ..good
            },
            IdMustNotBeZero,
        ),
    ];
    for (what, message, reason) in cases {
        let got = office.ask(|request_id| {
            Credit {
                request_id,
                ..message
            }
            .frame(0)
        });
        assert_eq!(refusal(&got), reason, "{what}");
    }
    for (got, reason) in [
        (office.debit(1, "USDT", 1_001), InsufficientFunds),
        (office.debit(1, "BTC", 1), InsufficientFunds),
        (office.debit(2, "USDT", 1), InsufficientFunds),
        (office.debit(1, "USDT", 1 << 63), AmountTooLarge),
        (office.transfer(1, 2, "USDT", 1_001), InsufficientFunds),
        (office.transfer(1, 1, "USDT", 1), SameAccount),
        (office.transfer(1, 77, "USDT", 1), UnknownAccount),
        (office.transfer(1, 2, "USDT", u64::MAX), AmountTooLarge),
    ] {
        assert_eq!(refusal(&got), reason);
    }
    office.assert_books([("BTC", 0), ("USDT", 1_000)], &[(1, "USDT", 1_000, 0)]);
}

#[test]
fn what_an_open_order_holds_can_neither_be_debited_nor_transferred() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 20_000);
    let order = office.place(buy(1, 10_000, 1));
    assert_eq!(
        refusal(&office.debit(1, "USDT", 9_996)),
        RejectReason::InsufficientFunds
    );
    assert_eq!(
        refusal(&office.transfer(1, 2, "USDT", 9_996)),
        RejectReason::InsufficientFunds
    );
    funded(&office.debit(1, "USDT", 9_995));
    office.assert_books(
        [("BTC", 0), ("USDT", 10_005)],
        &[(1, "USDT", 10_005, 10_005)],
    );
    office.cancel(order, 1);
    funded(&office.transfer(1, 2, "USDT", 10_005));
    office.assert_books([("BTC", 0), ("USDT", 10_005)], &[(2, "USDT", 10_005, 0)]);
}

#[test]
fn a_key_is_used_once_and_a_refused_one_again() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let first = office.ask(|id| credit(id, 7, 1, "USDT", 100).frame(0));
    assert!(!funded(&first).repeated);
    let mut reused = |message: Credit| {
        let got = office.ask(|request_id| {
            Credit {
                request_id,
                ..message
            }
            .frame(0)
        });
        assert_eq!(refusal(&got), RejectReason::BusinessIdReused, "{message:?}");
    };
    let same = credit(0, 7, 1, "USDT", 100);
    reused(Credit {
        amount: Amount(101),
        ..same
    });
    reused(Credit {
        account: AccountId(2),
        ..same
    });
    reused(Credit {
        currency: text("BTC"),
        ..same
    });
    reused(Credit { scale: 8, ..same });
    // A debit under a credit's key is another thing too.
    let got = office.ask(|id| {
        let debit = Debit {
            business: text("deposit"),
            ..debit(id, 7, 1, "USDT", 100)
        };
        debit.frame(0)
    });
    assert_eq!(refusal(&got), RejectReason::BusinessIdReused);
    office.assert_books([("BTC", 0), ("USDT", 100)], &[(1, "USDT", 100, 0)]);
    // A refused one did not use its key up.
    let got = office.ask(|id| debit(id, 8, 1, "USDT", 150).frame(0));
    assert_eq!(refusal(&got), RejectReason::InsufficientFunds);
    office.credit(1, "USDT", 50);
    let got = office.ask(|id| debit(id, 8, 1, "USDT", 150).frame(0));
    assert!(!funded(&got).repeated);
}

#[test]
fn a_repeat_after_a_reconnect_gets_the_first_answer_and_moves_nothing() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let ask = |office: &mut Desk| {
        [
            office.ask(|id| credit(id, 1, 1, "USDT", 500).frame(0)),
            office.ask(|id| debit(id, 2, 1, "USDT", 200).frame(0)),
            office.ask(|id| transfer(id, 3, 1, 2, "USDT", 300).frame(0)),
        ]
        .map(|got| funded(&got))
    };
    let first = ask(&mut office);
    assert_eq!(first[2].control_seq, first[0].control_seq + 2);
    drop(office);
    // By now 1 has nothing left, and is frozen: a new debit would be refused.
    let mut office = Desk::of(&server, OFFICE);
    carried_out(&office.ask(|id| account(id, 1, AccountStatus::Frozen).frame(0)));
    let again = ask(&mut office);
    for (first, again) in first.iter().zip(&again) {
        assert!(!first.repeated && again.repeated);
        assert_eq!(
            (first.control_seq, first.business_id, first.amount),
            (again.control_seq, again.business_id, again.amount)
        );
    }
    office.assert_books([("BTC", 0), ("USDT", 300)], &[(2, "USDT", 300, 0)]);
}

#[test]
fn a_frozen_account_cancels_and_nothing_else_and_a_cancel_only_one_keeps_its_money_moving() {
    use RejectReason::*;
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 100_000);
    office.credit(2, "USDT", 1_000);
    let first = office.place(buy(1, 1_000, 1));
    let second = office.place(buy(1, 1_001, 1));
    carried_out(&office.ask(|id| account(id, 1, AccountStatus::Frozen).frame(0)));
    assert_eq!(office.refused(buy(1, 1_000, 1)), AccountFrozen);
    assert_eq!(rejection(&office.replace(first, 1, 999, 1)), AccountFrozen);
    let refused = [
        office.ask(|id| credit(id, 900, 1, "USDT", 1).frame(0)),
        office.debit(1, "USDT", 1),
        office.transfer(1, 2, "USDT", 1),
        office.transfer(2, 1, "USDT", 1),
    ];
    for got in refused {
        assert_eq!(refusal(&got), AccountFrozen);
    }
    assert_eq!(office.balance(1, "USDT"), (100_000, 2_001));
    office.cancel(first, 1);
    assert_eq!(office.balance(1, "USDT"), (100_000, 1_001));

    carried_out(&office.ask(|id| account(id, 1, AccountStatus::CancelOnly).frame(0)));
    assert_eq!(office.refused(buy(1, 1_000, 1)), AccountCancelOnly);
    assert_eq!(
        rejection(&office.replace(second, 1, 999, 1)),
        AccountCancelOnly
    );
    office.credit(1, "USDT", 1);
    funded(&office.debit(1, "USDT", 1));
    funded(&office.transfer(1, 2, "USDT", 1));
    // The order that rests may trade.
    office.credit(2, "BTC", LOT);
    office.place(sell(2, 1_001, 1));
    assert_eq!(office.balance(1, "USDT"), (99_999 - 1_001, 0));

    carried_out(&office.ask(|id| account(id, 1, AccountStatus::Active).frame(0)));
    office.place(buy(1, 1_000, 1));
}

#[test]
fn markets_and_currencies_that_do_not_fit_are_refused_by_name() {
    use RejectReason::*;
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    let good = new_market(0, 5, "NEW");
    let cases = [
        (
            "a tick too fine",
            CreateMarket {
                tick_scale: 3,
                ..good
            },
            TickTooFine,
        ),
        (
            "a lot too fine",
            CreateMarket {
                lot_scale: 9,
                ..good
            },
            LotTooFine,
        ),
        (
            "a tick of nothing",
            CreateMarket {
                tick_mantissa: 0,
                ..good
            },
            LimitsOutOfRange,
        ),
        (
            "a scale above 18",
            CreateMarket {
                tick_scale: 19,
                ..good
            },
            ScaleOutOfRange,
        ),
        (
            "an unknown currency",
            CreateMarket {
                quote: text("EUR"),
                ..good
            },
            UnknownCurrency,
        ),
        (
            "one currency twice",
            CreateMarket {
                quote: text("BTC"),
                ..good
            },
            SameCurrency,
        ),
        (
            "an id that is taken",
            CreateMarket {
                market: MarketId(1),
                ..good
            },
            MarketExists,
        ),
        (
            "a symbol that is taken",
            CreateMarket {
                symbol: text("BTC-USDT"),
                ..good
            },
            MarketExists,
        ),
        (
            "no id",
            CreateMarket {
                market: MarketId(0),
                ..good
            },
            IdMustNotBeZero,
        ),
        (
            "no symbol",
            CreateMarket {
                symbol: Text([0; 24]),
                ..good
            },
            NameNotLegal,
        ),
        (
            "bounds the wrong way round",
            CreateMarket {
                price_min: Price(9),
                price_max: Price(8),
                ..good
            },
            LimitsOutOfRange,
        ),
        (
            "a rebate above the fee that pays it",
            CreateMarket {
                maker_ppm: Ppm(-1),
                ..good
            },
            FeesOutOfRange,
        ),
    ];
    for (what, message, reason) in cases {
        let got = office.ask(|request_id| {
            CreateMarket {
                request_id,
                ..message
            }
            .frame(0)
        });
        assert_eq!(refusal(&got), reason, "{what}");
    }
    for (what, message, reason) in [
        ("a code that is taken", currency("BTC", 8), CurrencyExists),
        ("a small letter", currency("eth", 8), NameNotLegal),
        ("a scale above 18", currency("ETH", 19), ScaleOutOfRange),
    ] {
        let got = office.ask(|request_id| {
            CreateCurrency {
                request_id,
                ..message
            }
            .frame(0)
        });
        assert_eq!(refusal(&got), reason, "{what}");
    }
}

#[test]
fn amounts_that_do_not_fit_are_refused_and_hold_nothing() {
    use RejectReason::*;
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    carried_out(&office.ask(|id| new_market(id, 5, "HUGE").frame(0)));
    // A third market whose orders are worth 1,000 to 2,000 units.
    let bounded = |id| CreateMarket {
        notional_min: Amount(1_000),
        notional_max: Amount(2_000),
        ..new_market(id, 6, "SMALL")
    };
    carried_out(&office.ask(|id| bounded(id).frame(0)));
    office.credit(1, "USDT", AMOUNT_MAX.0);
    office.credit(1, "BTC", AMOUNT_MAX.0);
    let of = |market, order: NewOrder| NewOrder {
        market: MarketId(market),
        ..order
    };
    // 2^63 - 1 units are 7 x 7 x 73 x 127 x 337 x 92,737 x 649,657.
    let (price, qty) = (649_657 * 92_737, 7 * 7 * 73 * 127 * 337);
    for order in [
        of(5, buy(1, 1 << 32, 1 << 31)),
        of(5, buy(1, 1 << 62, 1 << 62)),
        of(5, sell(1, 1, 1 << 62)),
        of(5, market_buy(1, 1, 0, 1 << 63)),
        of(5, market_buy(1, 1 << 62, 1 << 62, 0)),
        // It fits, but not with its fee.
        of(1, market_buy(1, 1, 0, AMOUNT_MAX.0)),
    ] {
        assert_eq!(office.refused(order), AmountTooLarge, "{order:?}");
    }
    assert_eq!(office.balance(1, "USDT"), (AMOUNT_MAX.0, 0));
    assert_eq!(office.balance(1, "BTC"), (AMOUNT_MAX.0, 0));
    office.place(of(5, buy(1, price, qty)));
    assert_eq!(office.balance(1, "USDT"), (AMOUNT_MAX.0, AMOUNT_MAX.0));
    assert_eq!(office.refused(buy(1, 1, 1)), InsufficientFunds);
    for (order, reason) in [
        (buy(1, 999, 1), Some(NotionalOutOfRange)),
        (sell(1, 2_001, 1), Some(NotionalOutOfRange)),
        (buy(1, 1 << 62, 1 << 62), Some(NotionalOutOfRange)),
        (market_buy(1, 1, 0, 999), Some(NotionalOutOfRange)),
        (sell(1, 1_000, 1), None),
        (sell(1, 1_000, 2), None),
    ] {
        let answers = office.order(of(6, order));
        match reason {
            Some(reason) => assert_eq!(rejection(&answers), reason, "{order:?}"),
            None => assert!(
                matches!(answers[0].message(), ServerMessage::Accepted(_)),
                "{answers:?}"
            ),
        }
    }
}

#[test]
fn a_request_needs_its_permission_whatever_else_is_wrong_with_it() {
    let server = bank("");
    let mut trader = Desk::of(&server, 1);
    let refused = [
        trader.ask(|id| {
            CreateCurrency {
                request_id: id,
                ..currency("XAU", 8)
            }
            .frame(0)
        }),
        trader.ask(|id| new_market(id, 5, "NEW").frame(0)),
        trader.ask(|id| account(id, 1, AccountStatus::Active).frame(0)),
        trader.ask(|id| credit(id, 1, 1, "USDT", 1_000_000).frame(0)),
        trader.ask(|id| debit(id, 1, 1, "USDT", 1).frame(0)),
        trader.ask(|id| transfer(id, 1, 1, 2, "USDT", 1).frame(0)),
        trader.ask(|id| subscribe_settlements(id, 1, 1).frame(0)),
        // Whether these are there is none of its business.
        trader.ask(|id| account(id, 4_000, AccountStatus::Active).frame(0)),
        trader.ask(|id| subscribe_settlements(id, 4_000, 1).frame(0)),
    ];
    for got in refused {
        assert_eq!(refusal(&got), RejectReason::PermissionDenied);
    }
    // Its own account it may see, another user's it may not.
    assert!(trader.balances(1).is_empty());
    let got = trader.ask(|id| balance_query(id, 2).frame(0));
    assert_eq!(refusal(&got), RejectReason::UnknownAccount);
}

//! What a control stream refuses, and what it does.
#![allow(clippy::unwrap_used)]

use souk_protocol::{AccountStatus, CurrencyStatus, Ppm, Price, Qty, Reserved, StpGroup};

use super::*;

/// Gives up to a fixed amount.
struct Purse(u64);

impl Funds for Purse {
    fn take(&mut self, _: AccountId, _: CurrencyCode, amount: Amount) -> Result<(), RejectReason> {
        let left = self.0.checked_sub(amount.0);
        self.0 = left.ok_or(RejectReason::InsufficientFunds)?;
        Ok(())
    }
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text).unwrap()
}

fn currency(code: &str, scale: u8) -> CreateCurrency {
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

fn account(id: u32, external_id: &str) -> CreateAccount {
    CreateAccount {
        request_id: 1,
        account: AccountId(id),
        fee_group: FeeGroup(0),
        stp_group: StpGroup(0),
        status: AccountStatus::Active,
        reserved: Reserved,
        external_id: text(external_id),
    }
}

fn market() -> CreateMarket {
    CreateMarket {
        request_id: 1,
        market: MarketId(1),
        state: MarketState::Continuous,
        tick_scale: 2,
        lot_scale: 4,
        reserved: Reserved,
        symbol: text("BTC-USDT"),
        base: text("BTC"),
        quote: text("USDT"),
        tick_mantissa: 1,
        lot_mantissa: 1,
        price_min: Price(1),
        price_max: Price(1_000_000),
        qty_min: Qty(1),
        qty_max: Qty(1_000_000),
        notional_min: Amount(0),
        notional_max: Amount(0),
        orders_max: 100,
        account_orders_max: 10,
        maker_ppm: Ppm(-50),
        taker_ppm: Ppm(100),
    }
}

fn credit(business_id: u64, amount: u64) -> Credit {
    Credit {
        request_id: 1,
        business: text("deposit"),
        business_id,
        account: AccountId(1),
        scale: 6,
        reserved: Reserved,
        currency: text("USDT"),
        amount: Amount(amount),
    }
}

fn debit(business_id: u64, amount: u64) -> Debit {
    let c = credit(business_id, amount);
    Debit {
        request_id: 1,
        business: text("withdrawal"),
        business_id,
        account: c.account,
        scale: c.scale,
        reserved: Reserved,
        currency: c.currency,
        amount: c.amount,
    }
}

fn transfer(business_id: u64, to: u32) -> Transfer {
    Transfer {
        request_id: 1,
        business: text("gift"),
        business_id,
        from: AccountId(1),
        to: AccountId(to),
        scale: 6,
        reserved: Reserved,
        currency: text("USDT"),
        amount: Amount(5),
    }
}

fn apply(control: &mut Control, command: ControlCommand) -> Result<Effect, RejectReason> {
    control.apply(&command, &mut Purse(1_000))
}

/// BTC (scale 8), USDT (scale 6), market 1, accounts 1 and 2.
fn tenant() -> Control {
    let mut control = Control::new(Custody::Internal);
    for command in [
        ControlCommand::CreateCurrency(currency("BTC", 8)),
        ControlCommand::CreateCurrency(currency("USDT", 6)),
        ControlCommand::CreateMarket(market()),
        ControlCommand::CreateAccount(account(1, "user-1")),
        ControlCommand::CreateAccount(account(2, "user-2")),
    ] {
        apply(&mut control, command).unwrap();
    }
    control
}

#[track_caller]
fn refused(command: ControlCommand, reason: RejectReason) {
    let mut control = tenant();
    let before = format!("{control:?}");
    assert_eq!(apply(&mut control, command).unwrap_err(), reason);
    assert_eq!(before, format!("{control:?}"), "a refusal changes nothing");
}

#[test]
fn currencies_that_break_a_rule_are_refused() {
    use RejectReason as R;
    let create = ControlCommand::CreateCurrency;
    refused(create(currency("BTC", 8)), R::CurrencyExists);
    refused(create(currency("btc", 8)), R::NameNotLegal);
    refused(create(currency("", 8)), R::NameNotLegal);
    refused(create(currency("GOLD", 19)), R::ScaleOutOfRange);
    let shown = CreateCurrency {
        display_scale: 3,
        ..currency("GOLD", 2)
    };
    refused(create(shown), R::ScaleOutOfRange);
    let turned = CreateCurrency {
        amount_min: Amount(2),
        amount_max: Amount(1),
        ..currency("GOLD", 2)
    };
    refused(create(turned), R::LimitsOutOfRange);
    let huge = CreateCurrency {
        amount_min: Amount(1 << 63),
        ..currency("GOLD", 2)
    };
    refused(create(huge), R::LimitsOutOfRange);
    let hidden_padding = CreateCurrency {
        code: Text(*b"A\0B\0\0\0\0\0"),
        ..currency("GOLD", 2)
    };
    refused(create(hidden_padding), R::NameNotLegal);
    let unknown = UpdateCurrency {
        request_id: 1,
        code: text("GOLD"),
        amount_min: Amount(0),
        amount_max: Amount(0),
        display_scale: 0,
        status: CurrencyStatus::Hidden,
        reserved: Reserved,
    };
    refused(ControlCommand::UpdateCurrency(unknown), R::UnknownCurrency);
}

#[test]
fn markets_that_break_a_rule_are_refused() {
    use RejectReason as R;
    let other = CreateMarket {
        market: MarketId(2),
        symbol: text("BTC-USDT2"),
        ..market()
    };
    let table = [
        (market(), R::MarketExists),
        (
            CreateMarket {
                symbol: text("BTC-USDT"),
                ..other
            },
            R::MarketExists,
        ),
        (
            CreateMarket {
                market: MarketId(0),
                ..other
            },
            R::IdMustNotBeZero,
        ),
        (
            CreateMarket {
                symbol: Text([0; 24]),
                ..other
            },
            R::NameNotLegal,
        ),
        (
            CreateMarket {
                base: text("GOLD"),
                ..other
            },
            R::UnknownCurrency,
        ),
        (
            CreateMarket {
                base: text("USDT"),
                ..other
            },
            R::SameCurrency,
        ),
        (
            CreateMarket {
                tick_scale: 3,
                ..other
            },
            R::TickTooFine,
        ),
        (
            CreateMarket {
                lot_scale: 9,
                ..other
            },
            R::LotTooFine,
        ),
        (
            CreateMarket {
                lot_mantissa: 0,
                ..other
            },
            R::LimitsOutOfRange,
        ),
        (
            CreateMarket {
                tick_scale: 255,
                ..other
            },
            R::ScaleOutOfRange,
        ),
        (
            CreateMarket {
                price_min: Price(0),
                ..other
            },
            R::LimitsOutOfRange,
        ),
        (
            CreateMarket {
                qty_min: Qty(2_000_000),
                ..other
            },
            R::LimitsOutOfRange,
        ),
        (
            CreateMarket {
                taker_ppm: Ppm(40),
                ..other
            },
            R::FeesOutOfRange,
        ),
        (
            CreateMarket {
                taker_ppm: Ppm(1_000_001),
                ..other
            },
            R::FeesOutOfRange,
        ),
        (
            CreateMarket {
                maker_ppm: Ppm(i32::MIN),
                ..other
            },
            R::FeesOutOfRange,
        ),
    ];
    for (market, reason) in table {
        refused(ControlCommand::CreateMarket(market), reason);
    }
    apply(&mut tenant(), ControlCommand::CreateMarket(other)).unwrap();
}

#[test]
fn a_rebate_above_any_group_s_taker_fee_is_refused() {
    let fees = |maker, taker| {
        ControlCommand::SetFees(SetFees {
            request_id: 1,
            market: MarketId(1),
            fee_group: FeeGroup(7),
            reserved: Reserved,
            maker_ppm: Ppm(maker),
            taker_ppm: Ppm(taker),
        })
    };
    refused(fees(0, 49), RejectReason::FeesOutOfRange);
    refused(fees(-101, 200), RejectReason::FeesOutOfRange);
    let mut control = tenant();
    let effect = apply(&mut control, fees(-100, 100)).unwrap();
    assert!(matches!(
        effect,
        Effect::Fees {
            fee_group: FeeGroup(7),
            ..
        }
    ));
}

#[test]
fn accounts_that_break_a_rule_are_refused() {
    use RejectReason as R;
    let create = ControlCommand::CreateAccount;
    refused(create(account(1, "user-9")), R::AccountExists);
    refused(create(account(u32::MAX, "user-9")), R::AccountExists);
    refused(create(account(0, "user-9")), R::IdMustNotBeZero);
    refused(create(account(9, "user-1")), R::ExternalIdExists);
    let update = UpdateAccount {
        request_id: 1,
        account: AccountId(9),
        fee_group: FeeGroup(0),
        stp_group: StpGroup(0),
        status: AccountStatus::Frozen,
        reserved: Reserved,
    };
    refused(ControlCommand::UpdateAccount(update), R::UnknownAccount);
    let fees = UpdateAccount {
        account: FEE_ACCOUNT,
        status: AccountStatus::Active,
        ..update
    };
    refused(ControlCommand::UpdateAccount(fees), R::FeeAccountFixed);
    // Accounts without a name do not clash.
    let mut control = tenant();
    apply(&mut control, create(account(8, ""))).unwrap();
    apply(&mut control, create(account(9, ""))).unwrap();
}

#[test]
fn fundings_that_break_a_rule_are_refused() {
    use RejectReason as R;
    let credit = |change: fn(&mut Credit)| {
        let mut message = credit(1, 5);
        change(&mut message);
        ControlCommand::Credit(message)
    };
    refused(credit(|m| m.currency = text("GOLD")), R::UnknownCurrency);
    refused(credit(|m| m.account = AccountId(9)), R::UnknownAccount);
    refused(credit(|m| m.scale = 8), R::WrongScale);
    refused(credit(|m| m.amount = Amount(0)), R::AmountMustNotBeZero);
    refused(credit(|m| m.amount = Amount(1 << 63)), R::AmountTooLarge);
    refused(credit(|m| m.amount = Amount(u64::MAX)), R::AmountTooLarge);
    refused(credit(|m| m.business_id = 0), R::IdMustNotBeZero);
    refused(credit(|m| m.business = Text([0; 16])), R::NameNotLegal);
    refused(ControlCommand::Debit(debit(1, 5)), R::InsufficientFunds);
    refused(ControlCommand::Transfer(transfer(1, 1)), R::SameAccount);
    refused(ControlCommand::Transfer(transfer(1, 9)), R::UnknownAccount);
}

#[test]
fn a_repeat_gets_the_first_answer_and_another_content_none() {
    let mut control = tenant();
    let first = apply(&mut control, ControlCommand::Credit(credit(7, 100))).unwrap();
    assert!(matches!(first, Effect::Moved(_)));
    let seq = control.seq();
    for (command, expected) in [
        (
            credit(7, 100),
            Ok(Effect::Repeated {
                movement: Movement::from(&credit(7, 100)),
                control_seq: seq,
            }),
        ),
        (credit(7, 101), Err(RejectReason::BusinessIdReused)),
    ] {
        assert_eq!(
            apply(&mut control, ControlCommand::Credit(command)),
            expected
        );
    }
    // The other way round is another content, too.
    let back = Debit {
        business: text("deposit"),
        ..debit(7, 100)
    };
    assert_eq!(
        apply(&mut control, ControlCommand::Debit(back)),
        Err(RejectReason::BusinessIdReused)
    );
    assert_eq!(control.seq(), seq, "a repeat is no new command");
    // A refused key is not used up.
    let debit = ControlCommand::Debit(debit(1, 100));
    let refused = control.apply(&debit, &mut Purse(99));
    assert_eq!(refused, Err(RejectReason::InsufficientFunds));
    assert!(control.apply(&debit, &mut Purse(100)).is_ok());
}

#[test]
fn a_tenant_that_has_used_up_its_keys_moves_no_more_money_but_repeats_are_known() {
    let mut control = tenant();
    assert_eq!(std::mem::replace(&mut control.fundings_max, 2), 16_777_216);
    apply(&mut control, ControlCommand::Credit(credit(1, 100))).unwrap();
    apply(&mut control, ControlCommand::Credit(credit(2, 100))).unwrap();
    let before = format!("{control:?}");
    let mut purse = Purse(1_000);
    for command in [
        ControlCommand::Credit(credit(3, 100)),
        ControlCommand::Transfer(transfer(3, 2)),
    ] {
        let refused = control.apply(&command, &mut purse);
        assert_eq!(refused, Err(RejectReason::TenantLimitReached));
    }
    assert_eq!(purse.0, 1_000, "nothing was taken for what was refused");
    apply(&mut control, ControlCommand::Credit(credit(2, 100))).unwrap();
    assert_eq!(before, format!("{control:?}"), "a refusal changes nothing");
}

#[test]
fn the_supply_of_a_currency_is_bounded() {
    let mut control = tenant();
    apply(
        &mut control,
        ControlCommand::Credit(credit(1, i64::MAX as u64)),
    )
    .unwrap();
    let more = apply(&mut control, ControlCommand::Credit(credit(2, 1)));
    assert_eq!(more, Err(RejectReason::SupplyExceeded));
    apply(&mut control, ControlCommand::Debit(debit(3, 1))).unwrap();
    apply(&mut control, ControlCommand::Credit(credit(4, 1))).unwrap();
}

#[test]
fn frozen_accounts_and_delisted_currencies_take_no_credits() {
    let mut control = tenant();
    let freeze = UpdateAccount {
        request_id: 1,
        account: AccountId(2),
        fee_group: FeeGroup(0),
        stp_group: StpGroup(0),
        status: AccountStatus::Frozen,
        reserved: Reserved,
    };
    apply(&mut control, ControlCommand::UpdateAccount(freeze)).unwrap();
    apply(&mut control, ControlCommand::Credit(credit(1, 100))).unwrap();
    assert_eq!(
        apply(&mut control, ControlCommand::Transfer(transfer(1, 2))),
        Err(RejectReason::AccountFrozen)
    );
    let delist = UpdateCurrency {
        request_id: 1,
        code: text("USDT"),
        amount_min: Amount(0),
        amount_max: Amount(0),
        display_scale: 0,
        status: CurrencyStatus::Delisting,
        reserved: Reserved,
    };
    apply(&mut control, ControlCommand::UpdateCurrency(delist)).unwrap();
    assert_eq!(
        apply(&mut control, ControlCommand::Credit(credit(2, 100))),
        Err(RejectReason::CurrencyNotListed)
    );
    apply(&mut control, ControlCommand::Debit(debit(3, 1))).unwrap();
}

#[test]
fn with_external_custody_no_money_moves() {
    let mut control = Control::new(Custody::External);
    let refused = apply(&mut control, ControlCommand::Credit(credit(1, 1)));
    assert_eq!(refused, Err(RejectReason::ExternalCustody));
}

#[test]
fn units_name_the_scale_that_is_needed() {
    let step = |mantissa, scale| Step { mantissa, scale };
    let good = units(step(1, 2), step(1, 4), 8, 6).unwrap();
    assert_eq!((good.notional_unit, good.lot_units), (1, 10_000));
    let finer = units(step(25, 4), step(1, 4), 8, 6);
    assert_eq!(finer, Err(UnitsError::TickTooFine { scale: 8 }));
    // 0.50 x 0.2 = 0.1: trailing zeros need no digits.
    let whole = units(step(50, 2), step(2, 1), 8, 1).unwrap();
    assert_eq!(whole.notional_unit, 1);
    let lot = units(step(1, 0), step(1, 9), 8, 18);
    assert_eq!(lot, Err(UnitsError::LotTooFine { scale: 9 }));
    let huge = units(step(u64::MAX, 0), step(u64::MAX, 0), 0, 18);
    assert_eq!(huge, Err(UnitsError::OutOfRange));
}

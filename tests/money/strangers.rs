//! What belongs to another tenant, or to another user, does not exist.

use souk_protocol::message::*;
use souk_protocol::*;

use crate::bank::*;
use crate::refusals::{account as set_account, currency as create_currency};
use crate::support::Got;

/// Every request that names an account or a market, with these.
fn requests(account: u32, market: u32) -> Vec<(&'static str, Vec<u8>)> {
    let (account_id, market_id) = (AccountId(account), MarketId(market));
    let limits = SetMarketLimits {
        request_id: 1,
        market: market_id,
        reserved: Reserved,
        price_min: Price(1),
        price_max: Price(10),
        qty_min: Qty(1),
        qty_max: Qty(10),
        notional_min: Amount(0),
        notional_max: Amount(0),
        orders_max: 10,
        account_orders_max: 10,
    };
    let state = SetMarketState {
        request_id: 1,
        market: market_id,
        state: MarketState::Halted,
        reserved: Reserved,
    };
    let fees = SetFees {
        request_id: 1,
        market: market_id,
        fee_group: FeeGroup(1),
        reserved: Reserved,
        maker_ppm: Ppm(0),
        taker_ppm: Ppm(600),
    };
    let subscribe = SubscribeAccount {
        request_id: 1,
        account: account_id,
        reserved: Reserved,
    };
    vec![
        ("credit", credit(1, 5, account, "USDT", 1).frame(0).to_vec()),
        ("debit", debit(1, 6, account, "USDT", 1).frame(0).to_vec()),
        (
            "transfer from",
            transfer(1, 7, account, 1, "USDT", 1).frame(0).to_vec(),
        ),
        (
            "transfer to",
            transfer(1, 8, 1, account, "USDT", 1).frame(0).to_vec(),
        ),
        ("balances", balance_query(1, account).frame(0).to_vec()),
        (
            "statement",
            statement_query(1, account, "USDT", 0, 1).frame(0).to_vec(),
        ),
        ("updates", subscribe.frame(0).to_vec()),
        (
            "account",
            set_account(1, account, AccountStatus::Frozen)
                .frame(0)
                .to_vec(),
        ),
        ("limits", limits.frame(0).to_vec()),
        ("state", state.frame(0).to_vec()),
        ("fees", fees.frame(0).to_vec()),
        (
            "settlements",
            subscribe_settlements(1, market, 1).frame(0).to_vec(),
        ),
    ]
}

/// Every request that names a currency, with this one.
fn about_currency(code: &str) -> Vec<(&'static str, Vec<u8>)> {
    let update = UpdateCurrency {
        request_id: 1,
        code: text(code),
        amount_min: Amount(0),
        amount_max: Amount(0),
        display_scale: 0,
        status: CurrencyStatus::Delisting,
        reserved: Reserved,
    };
    let base = CreateMarket {
        base: text(code),
        ..new_market(1, 5, "A")
    };
    let quote = CreateMarket {
        quote: text(code),
        ..new_market(1, 5, "A")
    };
    vec![
        ("credit", credit(1, 9, 1, code, 1).frame(0).to_vec()),
        ("debit", debit(1, 9, 1, code, 1).frame(0).to_vec()),
        ("transfer", transfer(1, 9, 1, 2, code, 1).frame(0).to_vec()),
        (
            "statement",
            statement_query(1, 1, code, 0, 1).frame(0).to_vec(),
        ),
        ("update", update.frame(0).to_vec()),
        ("a market of it", base.frame(0).to_vec()),
        ("a market for it", quote.frame(0).to_vec()),
    ]
}

/// The first answer to a frame.
fn answer(office: &mut Desk, frame: &[u8]) -> Got {
    office.wire.send(frame);
    office.answer(1)
}

#[test]
fn what_belongs_to_another_tenant_is_answered_like_what_does_not_exist() {
    let server = bank("");
    let mut other = Desk::of(&server, OTHER_OFFICE);
    other.credit(77, "USDT", 1_000);
    carried_out(&other.ask(|id| new_market(id, 66, "SECRET").frame(0)));
    let currency = |id| CreateCurrency {
        request_id: id,
        ..create_currency("XAU", 6)
    };
    carried_out(&other.ask(|id| currency(id).frame(0)));
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 1_000);
    let nobodys = requests(4_000, 4_000);
    for ((what, theirs), (_, none)) in requests(77, 66).iter().zip(&nobodys) {
        let (theirs, none) = (answer(&mut office, theirs), answer(&mut office, none));
        refusal(&theirs);
        assert_eq!(theirs.bytes, none.bytes, "{what}");
    }
    // A currency of theirs is one of nobody's.
    let theirs = about_currency("XAU");
    for ((what, theirs), (_, none)) in theirs.iter().zip(&about_currency("XAG")) {
        let (theirs, none) = (answer(&mut office, theirs), answer(&mut office, none));
        assert_eq!(refusal(&theirs), RejectReason::UnknownCurrency, "{what}");
        assert_eq!(theirs.bytes, none.bytes, "{what}");
    }
    let got = answer(&mut office, &CurrencyListRequest { request_id: 1 }.frame(0));
    let ServerMessage::CurrencyListEnd(end) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!(end.count, 2, "theirs are not listed");
    // Nothing of it did anything to them.
    let entry = other.balances(77)["USDT"];
    assert_eq!(
        (entry.total, entry.held, entry.sequence),
        (Amount(1_000), Amount(0), 1)
    );
    // And a session of one account cannot tell another user's from nobody's.
    let mut trader = Desk::of(&server, 1);
    for account in [2, 77, FEES] {
        for ((what, theirs), (_, none)) in requests(account, 1).iter().zip(&nobodys).take(7) {
            let (theirs, none) = (answer(&mut trader, theirs), answer(&mut trader, none));
            assert_eq!(theirs.bytes, none.bytes, "{what} of {account}");
        }
    }
    // A key of all accounts has all of its tenant's. Neither order uses a number up.
    let refused = [77, 4_000].map(|account| {
        office.wire.send(&buy(account, 1, 1).frame(1));
        office.wire.next()
    });
    let ServerMessage::SessionReject(reject) = refused[0].message() else {
        panic!("{refused:?}")
    };
    assert_eq!(reject.code.reason(), Some(RejectReason::UnknownAccount));
    assert_eq!(refused[0].bytes, refused[1].bytes);
}

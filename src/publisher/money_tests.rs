//! What must hold of the money of a market's records.

use super::links::Links;
use super::money::{Committed, Gathered, MarketMoney};
use crate::control::{AccountTerms, CurrencyCode, Custody, FEE_ACCOUNT};
use crate::handoff::{Admitted, MarketSeat, TenantIndex};
use crate::ledger::{Change, Sums};
use crate::treasury::Treasury;
use souk_engine::{Accepted, Command, Event, FeeTier, MarketSpec, NewOrder, OrderView, Trade};
use souk_protocol::{
    AccountId, AccountStatus, Amount, ClOrdId, MarketId, MarketState, MatchId, OrderId, OrderType,
    PostOnly, Price, Qty, SessionId, Side, StpGroup, StpMode, StpScope, Text, TimeInForce,
};

const TENANT: TenantIndex = TenantIndex(0);
const SELLER: AccountId = AccountId(1);
const BUYER: AccountId = AccountId(2);

fn code(text: &str) -> CurrencyCode {
    Text::new(text).expect("a short code")
}

/// A seller of 5 whose order holds them, and a buyer with 1,000.
fn treasury() -> (Treasury, MarketSeat) {
    let treasury = Treasury::new(1, 100);
    let active = AccountTerms {
        status: AccountStatus::Active,
        ..AccountTerms::FEES
    };
    let mut balances = Vec::new();
    for (account, currency, amount) in [(SELLER, "BTC", 5), (BUYER, "USDT", 1_000)] {
        treasury.define_currency(TENANT, code(currency));
        treasury.set_account(TENANT, account, &active);
        let ledger = treasury.ledger();
        let account = ledger.account(TENANT, account).expect("it was opened");
        let currency = treasury.currency(TENANT, code(currency));
        let slot = ledger.balance_or_new(account, currency.expect("it was defined"));
        ledger.commit_credit(slot, Amount(amount));
        balances.push(slot);
    }
    treasury.set_account(TENANT, FEE_ACCOUNT, &AccountTerms::FEES);
    let ledger = treasury.ledger();
    ledger.hold(balances[0], Amount(5)).expect("five are there");
    let held = Change {
        held: 5,
        ..Change::default()
    };
    ledger.commit(balances[0], held);
    ledger.hold(balances[1], Amount(500)).expect("enough");
    let currency = |text| treasury.currency(TENANT, code(text)).expect("defined");
    let seat = MarketSeat {
        tenant: TENANT,
        market: MarketId(1),
        spec: MarketSpec::WIDE,
        state: MarketState::Continuous,
        base: currency("BTC"),
        quote: currency("USDT"),
        custody: Custody::Internal,
        settlements_max: 0,
        reports_bytes_max: 0,
    };
    (treasury, seat)
}

fn order(account: AccountId, side: Side, leaves: u64) -> OrderView {
    OrderView {
        order_id: OrderId(u64::from(account.0)),
        cl_ord_id: ClOrdId(0),
        account,
        session: SessionId(1),
        side,
        leaves: Qty(leaves),
        cum: Qty(5 - leaves),
        fee_tier: FeeTier(0),
    }
}

#[test]
fn a_record_that_comes_again_moves_nothing() {
    let (treasury, seat) = treasury();
    let mut money = MarketMoney::new(&seat, &treasury);
    let (mut gathered, mut links) = (Gathered::default(), Links::default());
    let buy = Command::New(NewOrder {
        cl_ord_id: ClOrdId(0),
        account: BUYER,
        session: SessionId(1),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        price: Price(100),
        qty: Qty(5),
        budget: Amount(0),
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        stp_group: StpGroup(0),
        fee_tier: FeeTier(0),
    });
    let events = [
        Event::Accepted(Accepted {
            order_id: OrderId(2),
            price: Price(100),
        }),
        Event::Trade(Trade {
            match_id: MatchId(1),
            price: Price(90),
            qty: Qty(5),
            maker: order(SELLER, Side::Sell, 0),
            taker: order(BUYER, Side::Buy, 0),
        }),
    ];
    let admitted = Admitted {
        hold: Amount(500),
        ..Admitted::default()
    };
    let record = Committed {
        stream_seq: 7,
        transact_time: 1,
        command: &buy,
        admitted: &admitted,
        events: &events,
    };
    let mut sums: Vec<(Vec<_>, Vec<Sums>)> = Vec::new();
    for _ in 0..2 {
        money.settle(&record, &treasury, &mut gathered, &mut links);
        gathered.finish(&treasury, 1);
        let balances = [SELLER, BUYER].map(|account| treasury.balances(TENANT, account));
        sums.push((balances.concat(), treasury.ledger().all_sums()));
    }
    assert_eq!(sums[0], sums[1]);
    let totals: Vec<u64> = sums[1].0.iter().map(|entry| entry.total.0).collect();
    assert_eq!(totals, [0, 450, 5, 550], "it was settled once, at 90");
}

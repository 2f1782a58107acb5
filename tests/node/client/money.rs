//! Money through the Rust client: what a back office does, and what a trader sees of it.

use souk_client::{
    AccountStatus, AccountTerms, Amount, BusinessKey, ClientError, Currency, CurrencyTerms,
    FeeGroup, FeeTerms, Funding, MarketLimits, MarketState, MarketTerms, Movement, Ppm,
    StatementKind, Text,
};

use super::*;
use crate::bank::{FEES, OFFICE, bank};

fn code_of(error: ClientError) -> RejectReason {
    match error {
        ClientError::RequestRefused { code, .. } => code.reason().unwrap(),
        other => panic!("{other:?} is no refusal"),
    }
}

fn funding(id: u64, account: u32, currency: &Currency, text: &str) -> Funding {
    Funding {
        key: BusinessKey::new("deposit", id).unwrap(),
        account: AccountId(account),
        money: currency.money(text).unwrap(),
    }
}

fn find<'a>(currencies: &'a [Currency], code: &str) -> &'a Currency {
    let found = currencies.iter().find(|currency| currency.code() == code);
    found.unwrap()
}

fn new_market(symbol: &str) -> MarketTerms {
    MarketTerms {
        market: MarketId(5),
        symbol: Text::new(symbol).unwrap(),
        base: Text::new("ETH").unwrap(),
        quote: Text::new("USDT").unwrap(),
        tick: "0.01".parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        state: MarketState::Continuous,
        limits: MarketLimits::default(),
        fees: FeeTerms {
            maker: Ppm(0),
            taker: Ppm(1_000),
        },
    }
}

#[tokio::test]
async fn an_office_makes_a_market_funds_it_and_its_traders_see_their_money() {
    let server = bank("");
    let office = connect(&server, OFFICE).await;
    let eth = CurrencyTerms::listed(Text::new("ETH").unwrap(), 8);
    let first = office.create_currency(&eth).await.unwrap().control_seq;
    let second = office.create_market(&new_market("ETH-USDT")).await.unwrap();
    assert_eq!(second.control_seq, first + 1);
    let alice = AccountTerms::active(AccountId(50));
    office
        .create_account(&alice, Text::new("alice").unwrap())
        .await
        .unwrap();
    let currencies = office.currencies().await.unwrap();
    let (eth, usdt) = (find(&currencies, "ETH"), find(&currencies, "USDT"));
    let market = office.market("ETH-USDT").await.unwrap();
    assert_eq!(market.price("2000.50").unwrap(), Price(200_050));

    // The same twice is done once.
    let deposit = funding(1, 50, usdt, "5000");
    let credited = office.credit(&deposit).await.unwrap();
    let again = office.credit(&deposit).await.unwrap();
    assert_eq!(
        (credited.repeated, again.repeated, again.control_seq),
        (false, true, credited.control_seq)
    );
    office.credit(&funding(2, 2, eth, "3")).await.unwrap();
    let reused = office.credit(&funding(1, 50, usdt, "5001")).await;
    assert_eq!(code_of(reused.unwrap_err()), RejectReason::BusinessIdReused);

    // 2 x 2,000.50 and a fee of 0.1 percent are held, and 1 of them is bought.
    let mut events = office.events().await.unwrap();
    let numbers = office.settlements(market.id(), 1).await.unwrap();
    assert_eq!((numbers.oldest, numbers.next), (1, 1));
    let start = office.subscribe_account(AccountId(50)).await.unwrap();
    assert_eq!(usdt.text(start[0].total), "5000.000000");
    let order = |account, side, qty| {
        let (price, qty) = (market.price("2000.50").unwrap(), market.qty(qty).unwrap());
        Order::limit(AccountId(account), side, price, qty)
    };
    let bid = office
        .new_order(market.id(), &order(50, Side::Buy, "2"))
        .await;
    let bid = bid.unwrap().await.accepted().unwrap();
    let update = event(&mut events, |event| match event {
        Event::AccountUpdate(update) => Some(update),
        _ => None,
    });
    assert_eq!(usdt.text(update.await.held), "4005.001000");
    let trader = connect(&server, 2).await;
    let sell = trader
        .new_order(market.id(), &order(2, Side::Sell, "1"))
        .await;
    sell.unwrap().await.accepted().unwrap();
    let settlement = event(&mut events, |event| match event {
        Event::Settlement(settlement) => Some(settlement),
        _ => None,
    });
    let settlement = settlement.await;
    assert_eq!(
        (settlement.number, settlement.buyer, settlement.seller),
        (1, AccountId(50), AccountId(2))
    );
    assert_eq!(
        (settlement.buyer_fee, settlement.seller_fee),
        (0, 2_000_500)
    );

    let seen = trader.balance(AccountId(2), eth.definition().code).await;
    assert_eq!(eth.text(seen.unwrap().unwrap().total), "2.00000000");
    let stranger = trader.balances(AccountId(50)).await.unwrap_err();
    assert_eq!(code_of(stranger), RejectReason::UnknownAccount);
    let id = OrderRef::Id(bid.order_id);
    let canceled = office.cancel(market.id(), AccountId(50), id).await;
    canceled.unwrap().await.accepted().unwrap();
    let code = usdt.definition().code;
    let statement = office.statement(AccountId(50), code, 0, 10).await.unwrap();
    assert!(!statement.more);
    let lines: Vec<_> = statement
        .entries
        .iter()
        .map(|entry| {
            (
                entry.kind,
                usdt.change_text(entry.change),
                usdt.text(entry.total),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (
                StatementKind::Credit,
                "5000.000000".to_owned(),
                "5000.000000".to_owned()
            ),
            (
                StatementKind::Trade,
                "-2000.500000".to_owned(),
                "2999.500000".to_owned()
            ),
        ]
    );
    let fees = office
        .balance(AccountId(FEES), code)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(usdt.text(fees.total), "2.000500");
    let key = BusinessKey::new("fees", 1).unwrap();
    let to_owner = Movement {
        key,
        from: AccountId(FEES),
        to: AccountId(3),
        money: usdt.money("2.0005").unwrap(),
    };
    office.transfer(&to_owner).await.unwrap();
    let twice = Movement {
        key: BusinessKey::new("fees", 2).unwrap(),
        ..to_owner
    };
    let error = office.transfer(&twice).await.unwrap_err();
    assert_eq!(code_of(error), RejectReason::InsufficientFunds);
}

#[test]
fn the_blocking_face_is_an_office_too() {
    let server = bank("");
    let options = ClientOptions::new(KeyId(OFFICE));
    let address = server.address();
    let office = souk_client::blocking::Client::connect(address, key(OFFICE), options).unwrap();
    let eth = CurrencyTerms::listed(Text::new("ETH").unwrap(), 8);
    office.create_currency(&eth).unwrap();
    office.create_market(&new_market("ETH-USDT")).unwrap();
    let currencies = office.currencies().unwrap();
    let usdt = find(&currencies, "USDT");
    office.credit(&funding(1, 1, usdt, "100")).unwrap();
    let market = office.market("ETH-USDT").unwrap();
    let buy = |price: &str, qty: &str| {
        let (price, qty) = (market.price(price).unwrap(), market.qty(qty).unwrap());
        let buy = Order::limit(AccountId(1), Side::Buy, price, qty);
        office.new_order(market.id(), &buy).unwrap().wait()
    };
    let held = || {
        let balance = office.balance(AccountId(1), usdt.definition().code);
        usdt.text(balance.unwrap().unwrap().held)
    };
    // 99.90 and 0.1 percent of it is 99.9999; a cent more is not there.
    assert_eq!(code(buy("99.91", "1")), RejectReason::InsufficientFunds);
    assert!(buy("99.90", "1").accepted().is_some());
    assert_eq!(held(), "99.999900");
    let debit = office.debit(&funding(2, 1, usdt, "0.0002")).unwrap_err();
    assert_eq!(code_of(debit), RejectReason::InsufficientFunds);
    office.debit(&funding(2, 1, usdt, "0.0001")).unwrap();

    // What may change, changes.
    let fees = FeeTerms {
        maker: Ppm(0),
        taker: Ppm(2_000),
    };
    office.set_fees(market.id(), FeeGroup(3), &fees).unwrap();
    let limits = MarketLimits {
        notional_max: Amount(50_000_000),
        ..MarketLimits::default()
    };
    office.set_market_limits(market.id(), &limits).unwrap();
    assert_eq!(code(buy("50.01", "1")), RejectReason::NotionalOutOfRange);
    let halted = MarketState::Halted;
    office.set_market_state(market.id(), halted).unwrap();
    assert_eq!(code(buy("1.00", "1")), RejectReason::MarketHalted);
    let frozen = AccountTerms {
        status: AccountStatus::Frozen,
        ..AccountTerms::active(AccountId(1))
    };
    office.update_account(&frozen).unwrap();
    let credit = office.credit(&funding(3, 1, usdt, "1")).unwrap_err();
    assert_eq!(code_of(credit), RejectReason::AccountFrozen);
    assert_eq!(held(), "99.999900", "what rests, holds");
    let start = office.subscribe_account(AccountId(1)).unwrap();
    assert_eq!(usdt.text(start[0].total), "99.999900");
    office.terminate().unwrap();
}

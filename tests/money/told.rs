//! What clients are told of money: account updates, statements, settlements.

use souk_protocol::message::*;
use souk_protocol::*;

use crate::bank::*;

fn subscribe_account(request_id: u64, account: u32) -> SubscribeAccount {
    SubscribeAccount {
        request_id,
        account: AccountId(account),
        reserved: Reserved,
    }
}

/// Everything a session is told until it has asked for an account's balances: its updates, and then the
/// balances.
fn updates(desk: &mut Desk, account: u32) -> (Vec<AccountUpdate>, Vec<BalanceEntry>) {
    let balances = desk.balances(account).into_values().collect();
    let updates = desk.told(|message| match message {
        ServerMessage::AccountUpdate(update) => Some(update),
        _ => None,
    });
    (updates, balances)
}

fn statement(
    desk: &mut Desk,
    account: u32,
    code: &str,
    after: u64,
    count: u16,
) -> (Vec<StatementEntry>, bool) {
    let got = desk.ask(|id| statement_query(id, account, code, after, count).frame(0));
    let ServerMessage::StatementReport(report, entries) = got.message() else {
        panic!("{got:?}")
    };
    assert_eq!((report.account.0, report.currency), (account, text(code)));
    let entries = entries.iter().map(|entry| entry.unwrap().0);
    (entries.collect(), report.more)
}

/// The `count` settlements that a session gets; a ping behind them shows that no more come.
fn settlements(desk: &mut Desk, count: usize) -> Vec<Settlement> {
    let settlement = |got: &crate::support::Got| match got.message() {
        ServerMessage::Settlement(settlement) => Some(settlement),
        _ => None,
    };
    let mut found: Vec<_> = desk.told.iter().filter_map(settlement).collect();
    desk.told.clear();
    while found.len() < count {
        found.extend(settlement(&desk.wire.next()));
    }
    desk.wire.send(&Ping { nonce: 5, time: 0 }.frame(0));
    loop {
        let got = desk.wire.next();
        match got.message() {
            ServerMessage::Pong(_) => break,
            ServerMessage::Settlement(settlement) => found.push(settlement),
            _ => {}
        }
    }
    assert_eq!(found.len(), count, "{found:?}");
    found
}

/// `count` trades of one lot each, at 10,000, 10,001 ...
fn trade(office: &mut Desk, count: i64) {
    for n in 0..count {
        office.place(sell(2, 10_000 + n, 1));
        office.place(buy(1, 10_000 + n, 1));
    }
}

#[test]
fn every_session_that_asked_hears_of_every_change_of_an_account_and_of_no_other() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 100_000);
    office.credit(2, "BTC", 10 * LOT);
    let mut own = Desk::of(&server, 1);
    for desk in [&mut office, &mut own] {
        let got = desk.ask(|id| subscribe_account(id, 1).frame(0));
        let entry = entries(&got)["USDT"];
        assert_eq!(
            (entry.total, entry.held, entry.sequence),
            (Amount(100_000), Amount(0), 1)
        );
    }
    let order = own.place(buy(1, 10_000, 4));
    office.place(sell(2, 10_000, 1));
    own.replace(order, 1, 10_000, 3);
    own.cancel(order, 1);
    office.credit(1, "USDT", 7);
    funded(&office.transfer(1, 2, "USDT", 8));
    funded(&office.debit(1, "USDT", 9));
    // What the balance was at each of these steps, as available and held.
    let steps = [
        (59_980, 40_020),
        // The rebate of 1, and the fee that the lot does not need.
        (59_986, 30_015),
        (69_991, 20_010),
        (90_001, 0),
        (90_008, 0),
        (90_000, 0),
        (89_991, 0),
    ];
    for desk in [&mut office, &mut own] {
        let (updates, balances) = updates(desk, 1);
        for currency in ["BTC", "USDT"] {
            let of: Vec<_> = updates
                .iter()
                .filter(|update| update.currency == text(currency))
                .collect();
            assert!(of.iter().all(|update| update.account == AccountId(1)));
            assert!(
                of.windows(2).all(|two| two[0].sequence < two[1].sequence),
                "{of:?}"
            );
            let last = of.last().unwrap();
            let balance = balances
                .iter()
                .find(|balance| balance.currency == text(currency))
                .unwrap();
            assert_eq!(
                (last.available, last.held, last.sequence),
                (balance.available, balance.held, balance.sequence)
            );
        }
        let usdt: Vec<_> = updates
            .iter()
            .filter(|update| update.currency == text("USDT"))
            .map(|update| (update.available.0, update.held.0))
            .collect();
        assert_eq!(usdt, steps);
    }
    // A subscription ends with its connection, and the others' go on.
    drop(own);
    office.credit(1, "USDT", 1);
    office.credit(1, "USDT", 1);
    let (updates, _) = updates(&mut office, 1);
    assert_eq!(updates.len(), 2);
}

#[test]
fn a_session_that_subscribes_twice_is_told_once() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    for _ in 0..2 {
        office.ask(|id| subscribe_account(id, 1).frame(0));
    }
    office.credit(1, "USDT", 5);
    assert_eq!(updates(&mut office, 1).0.len(), 1);
}

#[test]
fn a_statement_adds_up_and_comes_in_pages() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", 200_000);
    office.credit(2, "BTC", 10 * LOT);
    trade(&mut office, 3);
    // It never trades: holds change no total, and are not in a statement.
    let order = office.place(buy(1, 1_000, 1));
    office.cancel(order, 1);
    funded(&office.transfer(1, 2, "USDT", 40));
    funded(&office.transfer(2, 1, "USDT", 30));
    funded(&office.debit(1, "USDT", 20));
    let (whole, more) = statement(&mut office, 1, "USDT", 0, 512);
    assert!(!more);
    let changes: Vec<_> = whole
        .iter()
        .map(|entry| (entry.kind, entry.change))
        .collect();
    use StatementKind::*;
    assert_eq!(
        changes,
        [
            (Credit, 200_000),
            (Trade, -10_005),
            (Trade, -10_006),
            (Trade, -10_007),
            (TransferOut, -40),
            (TransferIn, 30),
            (Debit, -20),
        ]
    );
    let mut total = 0;
    for entry in &whole {
        total += entry.change;
        assert_eq!(entry.total.0, total as u64, "{entry:?}");
    }
    assert_eq!(office.balance(1, "USDT"), (total as u64, 0));
    let trades: Vec<_> = whole.iter().filter(|entry| entry.kind == Trade).collect();
    for (n, entry) in trades.iter().enumerate() {
        assert_eq!(
            (entry.market.0, entry.reference, entry.stream_seq),
            (1, n as u64 + 1, 2 * n as u64 + 2)
        );
    }
    assert!(
        whole
            .windows(2)
            .all(|two| two[0].sequence < two[1].sequence)
    );
    // Page by page it is the same.
    let (mut pages, mut after) = (Vec::new(), 0);
    loop {
        let (page, more) = statement(&mut office, 1, "USDT", after, 2);
        assert_eq!(page.len(), 2.min(whole.len() - pages.len()));
        after = page.last().unwrap().sequence;
        pages.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(pages, whole);
    let (fees, _) = statement(&mut office, FEES, "USDT", 0, 10);
    let changes: Vec<_> = fees
        .iter()
        .map(|entry| (entry.kind, entry.change))
        .collect();
    assert_eq!(changes, [(Fee, 4), (Fee, 4), (Fee, 4)]);
    let matches: Vec<_> = fees.iter().map(|entry| entry.reference).collect();
    assert_eq!(matches, [1, 2, 3]);
    let (nothing, more) = statement(&mut office, 3, "BTC", 0, 10);
    assert!(nothing.is_empty() && !more);
    for (code, count, reason) in [
        ("XRP", 1, RejectReason::UnknownCurrency),
        ("USDT", 0, RejectReason::CountOutOfRange),
        ("USDT", 513, RejectReason::CountOutOfRange),
    ] {
        let got = office.ask(|id| statement_query(id, 1, code, 0, count).frame(0));
        assert_eq!(refusal(&got), reason);
    }
}

#[test]
fn a_taker_has_one_entry_for_its_message_and_makers_one_for_each_trade() {
    let server = bank("");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", USDT);
    office.credit(2, "BTC", BTC);
    for price in [10_000, 10_001, 10_002] {
        office.place(sell(2, price, 1));
    }
    office.place(buy(1, 10_002, 3));
    // 30,003 and three fees of 5; three rebates of 1.
    let lot = LOT as i64;
    for (account, code, expected) in [
        (1, "USDT", vec![-30_018]),
        (1, "BTC", vec![3 * lot]),
        (2, "USDT", vec![10_001, 10_002, 10_003]),
        (2, "BTC", vec![-lot, -lot, -lot]),
        (FEES, "USDT", vec![12]),
    ] {
        let (entries, _) = statement(&mut office, account, code, 0, 100);
        let trades = entries.iter().filter(|entry| entry.market == MarketId(1));
        let changes: Vec<_> = trades
            .inspect(|entry| assert_eq!((entry.stream_seq, entry.reference), (4, 3)))
            .map(|entry| entry.change)
            .collect();
        assert_eq!(changes, expected, "{account} {code}");
    }
}

#[test]
fn settlements_are_the_trades_numbered_without_a_gap() {
    let server = bank("");
    let mut copy = Desk::of(&server, OFFICE);
    let (mut buyer, mut seller) = (Desk::of(&server, 1), Desk::of(&server, 2));
    copy.credit(1, "USDT", USDT);
    copy.credit(2, "BTC", BTC);
    let got = copy_subscribe(&mut copy, 1);
    assert_eq!((got.oldest, got.next), (1, 1));
    seller.place(sell(2, 10_000, 3));
    let first = buyer.order(buy(1, 10_100, 2));
    let bid = buyer.order(buy(1, 10_200, 4));
    let second = seller.order(sell(2, 10_150, 1));
    let told = settlements(&mut copy, 3);
    assert_eq!(
        told.iter().map(|one| one.number).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let takers: Vec<Trade> = [first, bid, second]
        .iter()
        .flatten()
        .filter_map(|got| match got.message() {
            ServerMessage::Trade(trade) => Some(trade),
            _ => None,
        })
        .collect();
    for (settlement, trade) in told.iter().zip(&takers) {
        assert_eq!(settlement.number, trade.match_id.0);
        assert_eq!(settlement.taker_side, trade.side);
        assert_eq!((settlement.price, settlement.qty), (trade.price, trade.qty));
        let fee = match trade.side {
            Side::Buy => settlement.buyer_fee,
            Side::Sell => settlement.seller_fee,
        };
        assert_eq!(fee, trade.fee);
        assert_eq!((settlement.buyer.0, settlement.seller.0), (1, 2));
        assert_eq!(settlement.base_amount.0, trade.qty.0 * LOT);
        assert_eq!(
            settlement.quote_amount.0,
            trade.price.0 as u64 * trade.qty.0
        );
    }
    assert_eq!(
        told.iter()
            .map(|one| (one.buyer_fee, one.seller_fee))
            .collect::<Vec<_>>(),
        // 20,000; 10,000; and the seller takes at 10,200.
        [(10, -2), (5, -1), (-1, 5)]
    );
    // Booked from zero they give what the accounts have.
    let mut books = [[0_i64, USDT as i64], [BTC as i64, 0], [0, 0]];
    for one in &told {
        let (base, quote) = (one.base_amount.0 as i64, one.quote_amount.0 as i64);
        books[0][0] += base;
        books[0][1] -= quote + one.buyer_fee;
        books[1][0] -= base;
        books[1][1] += quote - one.seller_fee;
        books[2][1] += one.buyer_fee + one.seller_fee;
    }
    for (account, book) in [1, 2, FEES].into_iter().zip(books) {
        for (code, expected) in ["BTC", "USDT"].into_iter().zip(book) {
            assert_eq!(
                copy.balance(account, code).0,
                expected as u64,
                "{account} {code}"
            );
        }
    }
}

/// Subscribes to the settlements of market 1.
fn copy_subscribe(desk: &mut Desk, from: u64) -> SettlementsFrom {
    let got = desk.ask(|id| subscribe_settlements(id, 1, from).frame(0));
    match got.message() {
        ServerMessage::SettlementsFrom(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn settlements_go_on_from_any_number_that_is_kept() {
    let server = bank("[history]\nsettlements_max = 4");
    let mut office = Desk::of(&server, OFFICE);
    office.credit(1, "USDT", USDT);
    office.credit(2, "BTC", BTC);
    trade(&mut office, 10);
    drop(office);
    // A session of its own each time; the last replaces its own subscription.
    let numbers = |told: Vec<Settlement>| told.iter().map(|one| one.number).collect::<Vec<_>>();
    for (from, expected) in [(7, vec![7, 8, 9, 10]), (9, vec![9, 10]), (11, vec![])] {
        let mut copy = Desk::of(&server, OFFICE);
        let answer = copy_subscribe(&mut copy, from);
        assert_eq!((answer.oldest, answer.next), (7, 11));
        assert_eq!(numbers(settlements(&mut copy, expected.len())), expected);
    }
    let mut copy = Desk::of(&server, OFFICE);
    let mut refused = |from, reason| {
        let got = copy.ask(|id| subscribe_settlements(id, 1, from).frame(0));
        assert_eq!(refusal(&got), reason);
    };
    refused(0, RejectReason::IdMustNotBeZero);
    refused(1, RejectReason::SettlementsTooOld);
    refused(6, RejectReason::SettlementsTooOld);
    // Whoever is refused learns from a number that never comes what there is.
    let answer = copy_subscribe(&mut copy, u64::MAX);
    assert_eq!((answer.oldest, answer.next), (7, 11));
    // One that is to come is waited for, and a second subscription takes the first one's place.
    copy_subscribe(&mut copy, 7);
    assert_eq!(numbers(settlements(&mut copy, 4)), [7, 8, 9, 10]);
    copy_subscribe(&mut copy, 12);
    trade(&mut copy, 3);
    assert_eq!(numbers(settlements(&mut copy, 2)), [12, 13]);
}

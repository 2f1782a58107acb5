//! Two tenants with money, and a desk that funds, trades and asks over the wire.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;

use souk::config::{Config, Overrides};
use souk::server::Server;
use souk_protocol::message::*;
use souk_protocol::*;

use crate::support::*;

/// The fee account of every tenant.
pub const FEES: u32 = u32::MAX;
/// Key of acme's back office: all accounts, all permissions.
pub const OFFICE: u32 = 9;
/// Key of globex's.
pub const OTHER_OFFICE: u32 = 19;
/// A bitcoin, in smallest units.
pub const BTC: u64 = 100_000_000;
/// A tether, in smallest units.
pub const USDT: u64 = 1_000_000;
/// Smallest units of BTC in one lot.
pub const LOT: u64 = 10_000;

/// Two tenants with the same ids, and nobody has anything yet. A tick times a lot is one unit of
/// USDT; makers get 100 parts per million, takers pay 500. Acme's key 1 may use account 1, key 2
/// account 2, key 3 account 3; globex's key 13 accounts 1 and 77. `head` has no `[server]`.
pub fn bank(head: &str) -> Server {
    open(MEMORY, &format!("{head}\n{}", tenants("internal")))
}

/// The same, but acme keeps its money itself.
pub fn platform(head: &str) -> Server {
    open(MEMORY, &format!("{head}\n{}", tenants("external")))
}

/// The same platform, with its journal in a folder.
pub fn platform_at(data: &Path) -> Server {
    let journal = format!(
        "[journal]\ndirectory = \"{}\"\nsegment_bytes = 1048576",
        data.display()
    );
    open(&journal, &tenants("external"))
}

fn tenants(custody: &str) -> String {
    let key = |id: u32, more: &str| {
        let public = public_hex(id);
        format!("[[tenant.key]]\nid = {id}\npublic_key = \"{public}\"\n{more}\n")
    };
    let office = "accounts = \"all\"\npermissions = [\"trade\", \"market-data\", \"control\", \"funding\", \"drop-copy\"]";
    let money = "[[tenant.currency]]\ncode = \"BTC\"\nscale = 8\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n\
        [[tenant.market]]\nid = 1\nsymbol = \"BTC-USDT\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\n\
        lot_size = \"0.0001\"\nmaker_ppm = -100\ntaker_ppm = 500\naccount_orders_max = 100000\n";
    let account = |id: u32| format!("[[tenant.account]]\nid = {id}\n");
    format!(
        "[[tenant]]\nid = 1\nname = \"acme\"\ncustody = \"{custody}\"\n{money}{}{}{}{}{}{}{}\n\
         [[tenant]]\nid = 2\nname = \"globex\"\n{money}{}{}{}{}",
        account(1),
        account(2),
        account(3),
        key(1, "accounts = [1]"),
        key(2, "accounts = [2]"),
        key(3, "accounts = [3]"),
        key(OFFICE, office),
        account(1),
        account(77),
        key(13, "accounts = [1, 77]"),
        key(OTHER_OFFICE, office),
    )
}

const MEMORY: &str = "[journal]\ndurability = \"memory\"";

fn open(journal: &str, text: &str) -> Server {
    let text = format!("{journal}\n[server]\nlisten = \"127.0.0.1:0\"\n{text}");
    let config = Config::from_toml(&text, &Overrides::default()).expect("the bank's config");
    Server::start(&config).expect("the bank opens")
}

/// A text of the wire.
pub fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text).unwrap()
}

/// Digits after the point of a currency of the bank.
pub fn scale_of(code: &str) -> u8 {
    if code == "BTC" { 8 } else { 6 }
}

/// A session that funds, trades and asks.
pub struct Desk {
    pub wire: Wire,
    requests: u64,
    business: u64,
    /// The last `client_seq`, by market.
    seqs: BTreeMap<u32, u64>,
    /// What came without being asked for: updates, settlements, reports of other orders.
    pub told: Vec<Got>,
}

impl Desk {
    pub fn of(server: &Server, key: u32) -> Self {
        Self {
            wire: Wire::logged_on(server.address(), key),
            requests: 0,
            business: u64::from(key) << 32,
            seqs: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// Sends a request and gives its answer.
    pub fn ask<const N: usize>(&mut self, frame: impl FnOnce(u64) -> [u8; N]) -> Got {
        self.requests += 1;
        let frame = frame(self.requests);
        self.wire.send(&frame);
        self.answer(self.requests)
    }

    /// The answer to a request.
    pub fn answer(&mut self, request_id: u64) -> Got {
        loop {
            let got = self.wire.next();
            if answered(&got) == Some(request_id) {
                return got;
            }
            self.told.push(got);
        }
    }

    pub fn credit(&mut self, account: u32, code: &str, amount: u64) -> u64 {
        self.business += 1;
        let business_id = self.business;
        let got = self.ask(|id| credit(id, business_id, account, code, amount).frame(0));
        funded(&got).control_seq
    }

    pub fn debit(&mut self, account: u32, code: &str, amount: u64) -> Got {
        self.business += 1;
        let business_id = self.business;
        self.ask(|id| debit(id, business_id, account, code, amount).frame(0))
    }

    pub fn transfer(&mut self, from: u32, to: u32, code: &str, amount: u64) -> Got {
        self.business += 1;
        let business_id = self.business;
        self.ask(|id| transfer(id, business_id, from, to, code, amount).frame(0))
    }

    /// What an account has, by currency.
    pub fn balances(&mut self, account: u32) -> BTreeMap<String, BalanceEntry> {
        let got = self.ask(|id| balance_query(id, account).frame(0));
        entries(&got)
    }

    /// Total and held of one balance.
    pub fn balance(&mut self, account: u32, code: &str) -> (u64, u64) {
        let balances = self.balances(account);
        let entry = balances.get(code);
        entry.map_or((0, 0), |entry| (entry.total.0, entry.held.0))
    }

    /// Asserts what accounts 1, 2 and 3 and the fee account have: account, currency, total, held. Whoever is
    /// not named has nothing. All totals of a currency add up to `supply`.
    #[track_caller]
    pub fn assert_books(&mut self, supply: [(&str, u64); 2], expected: &[(u32, &str, u64, u64)]) {
        let (mut found, mut sums) = (Vec::new(), BTreeMap::new());
        for account in [1, 2, 3, FEES] {
            for (code, entry) in self.balances(account) {
                assert_eq!(
                    entry.total.0 - entry.held.0,
                    entry.available.0,
                    "{account} {code}"
                );
                *sums.entry(code.clone()).or_insert(0) += entry.total.0;
                if entry.total.0 > 0 {
                    found.push((account, code, entry.total.0, entry.held.0));
                }
            }
        }
        let expected: Vec<_> = expected
            .iter()
            .map(|(account, code, total, held)| (*account, (*code).to_owned(), *total, *held))
            .collect();
        assert_eq!(found, expected);
        for (code, amount) in supply {
            assert_eq!(sums.get(code).copied().unwrap_or(0), amount, "all {code}");
        }
    }

    /// Sends a message to a market and gives the answers to it.
    pub fn command<const N: usize>(
        &mut self,
        market: u32,
        frame: impl FnOnce(u64) -> [u8; N],
    ) -> Vec<Got> {
        let seq = match self.seqs.get(&market) {
            Some(last) => last + 1,
            // The session may have sent some over an earlier connection.
            None => self.join(market) + 1,
        };
        self.seqs.insert(market, seq);
        self.wire.send(&frame(seq));
        let (answers, _) = self.wire.answers_until_joined(market);
        let (own, others) = answers
            .into_iter()
            .partition(|got| client_seq(got) == Some(seq));
        self.told.extend::<Vec<Got>>(others);
        own
    }

    /// Joins a market; gives the last `client_seq` of the session there.
    fn join(&mut self, market: u32) -> u64 {
        let (told, joined) = self.wire.answers_until_joined(market);
        self.told.extend(told);
        joined.last_client_seq
    }

    pub fn order(&mut self, order: NewOrder) -> Vec<Got> {
        self.command(order.market.0, |seq| order.frame(seq))
    }

    /// Enters an order that is accepted; gives its id.
    #[track_caller]
    pub fn place(&mut self, order: NewOrder) -> OrderId {
        let answers = self.order(order);
        match answers[0].message() {
            ServerMessage::Accepted(accepted) => accepted.order_id,
            other => panic!("{other:?}"),
        }
    }

    /// Enters an order that is refused.
    #[track_caller]
    pub fn refused(&mut self, order: NewOrder) -> RejectReason {
        rejection(&self.order(order))
    }

    pub fn replace(&mut self, id: OrderId, account: u32, price: i64, total_qty: u64) -> Vec<Got> {
        let replace = ReplaceOrder {
            cl_ord_id: ClOrdId(0),
            orig_cl_ord_id: ClOrdId(0),
            order_id: id,
            price: Price(price),
            total_qty: Qty(total_qty),
            market: MarketId(1),
            account: AccountId(account),
        };
        self.command(1, |seq| replace.frame(seq))
    }

    pub fn cancel(&mut self, id: OrderId, account: u32) -> Vec<Got> {
        let cancel = CancelOrder {
            orig_cl_ord_id: ClOrdId(0),
            order_id: id,
            market: MarketId(1),
            account: AccountId(account),
        };
        self.command(1, |seq| cancel.frame(seq))
    }

    /// What has been told so far of a kind; forgets the rest.
    pub fn told<T>(&mut self, pick: impl Fn(ServerMessage<'_>) -> Option<T>) -> Vec<T> {
        let told = std::mem::take(&mut self.told);
        told.iter().filter_map(|got| pick(got.message())).collect()
    }
}

/// Who asked for this, if it is an answer to a request.
fn answered(got: &Got) -> Option<u64> {
    Some(match got.message() {
        ServerMessage::RequestAccepted(m) => m.request_id,
        ServerMessage::RequestRejected(m) => m.request_id,
        ServerMessage::FundingResult(m) => m.request_id,
        ServerMessage::BalanceReport(m, _) => m.request_id,
        ServerMessage::StatementReport(m, _) => m.request_id,
        ServerMessage::SettlementsFrom(m) => m.request_id,
        ServerMessage::CurrencyListEnd(m) => m.request_id,
        _ => return None,
    })
}

/// The number of the message that a report answers.
pub fn client_seq(got: &Got) -> Option<u64> {
    Some(match got.message() {
        ServerMessage::Accepted(m) => m.client_seq,
        ServerMessage::Rejected(m) => m.client_seq,
        ServerMessage::Canceled(m) => m.client_seq,
        ServerMessage::Replaced(m) => m.client_seq,
        ServerMessage::Trade(m) => m.client_seq,
        ServerMessage::SelfTradePrevented(m) => m.client_seq,
        ServerMessage::MassCanceled(m) => m.client_seq,
        ServerMessage::OrderStatus(m) => m.client_seq,
        _ => return None,
    })
}

/// The entries of a balance report, by currency.
pub fn entries(got: &Got) -> BTreeMap<String, BalanceEntry> {
    let ServerMessage::BalanceReport(_, entries) = got.message() else {
        panic!("{got:?}")
    };
    let entries = entries.iter().map(|entry| entry.unwrap().0);
    entries
        .map(|entry| (entry.currency.as_str().to_owned(), entry))
        .collect()
}

/// Why a request was refused.
#[track_caller]
pub fn refusal(got: &Got) -> RejectReason {
    match got.message() {
        ServerMessage::RequestRejected(rejected) => rejected.code.reason().unwrap(),
        other => panic!("{other:?} is no refusal"),
    }
}

/// The place in the control stream of a request that was carried out.
#[track_caller]
pub fn carried_out(got: &Got) -> u64 {
    match got.message() {
        ServerMessage::RequestAccepted(accepted) => accepted.control_seq,
        other => panic!("{other:?} is not carried out"),
    }
}

#[track_caller]
pub fn funded(got: &Got) -> FundingResult {
    match got.message() {
        ServerMessage::FundingResult(result) => result,
        other => panic!("{other:?} moves nothing"),
    }
}

/// Why a message to a market was refused.
#[track_caller]
pub fn rejection(answers: &[Got]) -> RejectReason {
    match answers[0].message() {
        ServerMessage::Rejected(rejected) => rejected.code.reason().unwrap(),
        other => panic!("{other:?} is no refusal"),
    }
}

pub fn credit(request_id: u64, business_id: u64, account: u32, code: &str, amount: u64) -> Credit {
    Credit {
        request_id,
        business: text("deposit"),
        business_id,
        account: AccountId(account),
        scale: scale_of(code),
        reserved: Reserved,
        currency: text(code),
        amount: Amount(amount),
    }
}

pub fn debit(request_id: u64, business_id: u64, account: u32, code: &str, amount: u64) -> Debit {
    Debit {
        request_id,
        business: text("withdrawal"),
        business_id,
        account: AccountId(account),
        scale: scale_of(code),
        reserved: Reserved,
        currency: text(code),
        amount: Amount(amount),
    }
}

pub fn transfer(
    request_id: u64,
    business_id: u64,
    from: u32,
    to: u32,
    code: &str,
    amount: u64,
) -> Transfer {
    Transfer {
        request_id,
        business: text("transfer"),
        business_id,
        from: AccountId(from),
        to: AccountId(to),
        scale: scale_of(code),
        reserved: Reserved,
        currency: text(code),
        amount: Amount(amount),
    }
}

pub fn balance_query(request_id: u64, account: u32) -> BalanceQuery {
    BalanceQuery {
        request_id,
        account: AccountId(account),
        reserved: Reserved,
    }
}

pub fn statement_query(
    request_id: u64,
    account: u32,
    code: &str,
    after: u64,
    count: u16,
) -> StatementQuery {
    StatementQuery {
        request_id,
        account: AccountId(account),
        count,
        reserved: Reserved,
        currency: text(code),
        after_sequence: after,
    }
}

pub fn subscribe_settlements(
    request_id: u64,
    market: u32,
    from_number: u64,
) -> SubscribeSettlements {
    SubscribeSettlements {
        request_id,
        market: MarketId(market),
        reserved: Reserved,
        from_number,
    }
}

/// A market between BTC and USDT as the bank's first one is, under another name.
pub fn new_market(request_id: u64, market: u32, symbol: &str) -> CreateMarket {
    CreateMarket {
        request_id,
        market: MarketId(market),
        state: MarketState::Continuous,
        tick_scale: 2,
        lot_scale: 4,
        reserved: Reserved,
        symbol: text(symbol),
        base: text("BTC"),
        quote: text("USDT"),
        tick_mantissa: 1,
        lot_mantissa: 1,
        price_min: Price(1),
        price_max: Price(1 << 62),
        qty_min: Qty(1),
        qty_max: Qty(1 << 62),
        notional_min: Amount(0),
        notional_max: Amount(0),
        orders_max: 1_000,
        account_orders_max: 1_000,
        maker_ppm: Ppm(0),
        taker_ppm: Ppm(0),
    }
}

/// A market buy: `price` and `budget` as in the order, 0 for none.
pub fn market_buy(account: u32, qty: u64, price: i64, budget: u64) -> NewOrder {
    NewOrder {
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Ioc,
        budget: Amount(budget),
        ..limit(0, account, Side::Buy, price, qty)
    }
}

pub fn buy(account: u32, price: i64, qty: u64) -> NewOrder {
    limit(0, account, Side::Buy, price, qty)
}

pub fn sell(account: u32, price: i64, qty: u64) -> NewOrder {
    limit(0, account, Side::Sell, price, qty)
}

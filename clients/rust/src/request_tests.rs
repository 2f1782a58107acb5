#![allow(clippy::unwrap_used)]

use std::time::Instant;

use super::*;
use souk_protocol::message::{AccountUpdate, BalanceQuery, SessionReject, StatementEntry};
use souk_protocol::{
    Amount, ClOrdId, ClientMessage, Code, CurrencyStatus, Durability, FRAME_FROM_CLIENT_MAX,
    FRAME_FROM_SERVER_MAX, OrderId, Price, Qty, RejectReason, SessionId, Side, StatementKind,
    TenantId, Text, frame_len_with_group, split_frame, write_frame_with_group,
};
use tokio::sync::{mpsc, oneshot};

use crate::control::CurrencyTerms;
use crate::money::{BusinessKey, Funding, Money};
use crate::options::RetryPolicy;
use crate::session::{Command, Logout};
use crate::wire::SessionInfo;

#[path = "request_resume_tests.rs"]
mod resume;
#[path = "request_settlement_tests.rs"]
mod settlements;

const ACCOUNT: AccountId = AccountId(1_001);
const MARKET: MarketId = MarketId(7);

/// A session that is logged on, and what its listener hears.
struct Bench {
    session: Session,
    events: mpsc::Receiver<Event>,
}

type Answer<T> = oneshot::Receiver<Result<T, ClientError>>;

impl Bench {
    fn new() -> Self {
        let mut session = Session::new(RetryPolicy::default(), &info());
        let (listener, events) = mpsc::channel(1_000);
        session.on_command(Command::Listen(listener), Instant::now());
        Self { session, events }
    }

    fn command<T>(&mut self, command: impl FnOnce(Waiter<T>) -> Command) -> Answer<T> {
        let (waiter, answer) = oneshot::channel();
        self.session.on_command(command(waiter), Instant::now());
        answer
    }

    fn credit(&mut self, business_id: u64) -> Answer<FundingResult> {
        let request = funding(business_id).credit();
        self.command(|waiter| Command::Ask(request, Awaited::Funding(waiter)))
    }

    fn create_currency(&mut self) -> Answer<RequestAccepted> {
        let request = CurrencyTerms::listed(text("USDT"), 6).create();
        self.command(|waiter| Command::Ask(request, Awaited::Accepted(waiter)))
    }

    fn subscribe_account(&mut self) -> Answer<Vec<BalanceEntry>> {
        self.command(|waiter| Command::SubscribeAccount(ACCOUNT, waiter))
    }

    fn subscribe_settlements(&mut self, from: u64) -> Answer<SettlementsFrom> {
        self.command(|waiter| Command::Settlements(MARKET, from, waiter))
    }

    /// What goes out now, as the server reads it: the name of each message, and its number.
    fn sent(&mut self) -> Vec<(&'static str, u64)> {
        let out = self.session.out.split();
        let mut sent = Vec::new();
        let mut bytes = &out[..];
        while let Some((frame, len)) = split_frame(bytes, FRAME_FROM_CLIENT_MAX).unwrap() {
            let message = ClientMessage::decode(&frame).unwrap();
            sent.push((message.info().name, message.request_id().unwrap_or(0)));
            bytes = &bytes[len..];
        }
        sent
    }

    fn hear(&mut self, frame: &[u8]) {
        let (frame, _) = split_frame(frame, FRAME_FROM_SERVER_MAX).unwrap().unwrap();
        let message = ServerMessage::decode(&frame).unwrap();
        let (seq, flags) = (frame.header.seq, frame.header.flags);
        let heard = self
            .session
            .on_message(seq, flags, &message, Instant::now());
        heard.unwrap();
    }

    fn hear_group<B: Block, E: Block>(&mut self, root: &B, entries: &[E], flags: u8) {
        let mut frame = vec![0; frame_len_with_group::<B, E>(entries.len())];
        write_frame_with_group(root, entries, 0, flags, &mut frame).unwrap();
        self.hear(&frame);
    }

    fn hear_balances(&mut self, request_id: u64, currencies: &[&str], flags: u8) {
        let root = BalanceReport {
            request_id,
            account: ACCOUNT,
            reserved: Reserved,
        };
        let entries: Vec<_> = currencies.iter().map(|code| balance(code)).collect();
        self.hear_group(&root, &entries, flags);
    }

    fn hear_rejected(&mut self, request_id: u64, ref_template: u16, reason: RejectReason) {
        let rejected = RequestRejected {
            request_id,
            ref_template,
            code: Code::from(reason),
            field_offset: 64,
            reserved: Reserved,
            retry_after_us: 1_500,
            reserved2: Reserved,
        };
        self.hear(&rejected.frame(0));
    }

    fn hear_settlements(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hear(&settlement(*number).frame(0));
        }
    }

    fn settlements_begin(&mut self, request_id: u64) {
        let begin = SettlementsFrom {
            request_id,
            market: MARKET,
            reserved: Reserved,
            oldest: 1,
            next: 100,
        };
        self.hear(&begin.frame(0));
    }

    /// Events since the last call.
    fn told(&mut self) -> Vec<Event> {
        self.session.hand_on_events();
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Numbers of the settlements that were told since the last call.
    fn settled(&mut self) -> Vec<u64> {
        let number = |event| match event {
            Event::Settlement(settlement) => Some(settlement.number),
            _ => None,
        };
        self.told().into_iter().filter_map(number).collect()
    }

    fn reconnect(&mut self) {
        self.session.on_disconnect("the cable is out");
        self.session.on_reconnect(&info());
    }
}

fn info() -> SessionInfo {
    SessionInfo {
        address: "127.0.0.1:7001".to_owned(),
        session: SessionId(1),
        tenant: TenantId(1),
        incarnation: 1,
        max_inflight: 64,
        order_rate: 1_000,
        order_burst: 1_000,
        cancel_rate: 1_000,
        cancel_burst: 1_000,
        durability: Durability::Memory,
        accounts: vec![ACCOUNT],
    }
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text).unwrap()
}

fn funding(business_id: u64) -> Funding {
    Funding {
        key: BusinessKey::new("deposit", business_id).unwrap(),
        account: ACCOUNT,
        money: Money {
            currency: text("USDT"),
            scale: 6,
            amount: Amount(250_000_000),
        },
    }
}

fn funded(request_id: u64, business_id: u64) -> FundingResult {
    FundingResult {
        request_id,
        control_seq: 812,
        business_id,
        amount: Amount(250_000_000),
        repeated: false,
        reserved: Reserved,
    }
}

fn balance(code: &str) -> BalanceEntry {
    BalanceEntry {
        currency: text(code),
        total: Amount(10),
        held: Amount(4),
        available: Amount(6),
        sequence: 3,
    }
}

fn settlement(number: u64) -> Settlement {
    Settlement {
        number,
        market: MARKET,
        taker_side: Side::Sell,
        reserved: Reserved,
        transact_time: 1,
        stream_seq: number,
        base_amount: Amount(25_000_000),
        quote_amount: Amount(16_280_862_500),
        buyer: ACCOUNT,
        seller: AccountId(1_002),
        buyer_fee: -1_628_086,
        seller_fee: 8_140_431,
        buyer_order: OrderId(1),
        seller_order: OrderId(2),
        price: Price(6_512_345),
        qty: Qty(2_500),
    }
}

#[test]
fn answers_in_any_order_reach_the_one_who_asked() {
    let mut bench = Bench::new();
    let (mut first, mut second) = (bench.credit(31), bench.credit(32));
    let mut currency = bench.create_currency();
    let sent = [("Credit", 1), ("Credit", 2), ("CreateCurrency", 3)];
    assert_eq!(bench.sent(), sent);
    let accepted = RequestAccepted {
        request_id: 3,
        control_seq: 813,
    };
    bench.hear(&accepted.frame(0));
    bench.hear(&funded(2, 32).frame(0));
    assert!(first.try_recv().is_err(), "not answered yet");
    assert_eq!(currency.try_recv().unwrap().unwrap(), accepted);
    assert_eq!(second.try_recv().unwrap().unwrap(), funded(2, 32));
    bench.hear(&funded(1, 31).frame(0));
    assert_eq!(first.try_recv().unwrap().unwrap(), funded(1, 31));
}

#[test]
fn a_request_carries_what_it_was_made_of() {
    let mut bench = Bench::new();
    let _answer = bench.credit(31);
    let out = bench.session.out.split();
    let (frame, _) = split_frame(&out, FRAME_FROM_CLIENT_MAX).unwrap().unwrap();
    let ClientMessage::Credit(credit) = ClientMessage::decode(&frame).unwrap() else {
        panic!("a credit");
    };
    let name = (credit.business.as_str(), credit.business_id);
    assert_eq!((credit.request_id, name), (1, ("deposit", 31)));
    assert_eq!((credit.account, credit.scale), (ACCOUNT, 6));
    let money = (credit.currency.as_str(), credit.amount);
    assert_eq!(money, ("USDT", Amount(250_000_000)));
}

#[test]
fn a_refusal_names_the_rule() {
    let mut bench = Bench::new();
    let mut answer = bench.credit(31);
    bench.hear_rejected(1, 56, RejectReason::BusinessIdReused);
    let error = answer.try_recv().unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(RejectReason::BusinessIdReused));
    assert_eq!(
        error.to_string(),
        "Credit refused: BusinessIdReused (606): an idempotency key is repeated only with the same \
         content. Use a new business_id for a new request."
    );
    let ClientError::RequestRefused {
        field_offset,
        retry_after,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (field_offset, retry_after),
        (64, Duration::from_micros(1_500))
    );
    assert_eq!(bench.told(), [], "the caller was told");
}

#[test]
fn an_answer_of_another_kind_fails_the_request() {
    let mut bench = Bench::new();
    let mut answer = bench.create_currency();
    bench.hear(&funded(1, 31).frame(0));
    let error = answer.try_recv().unwrap().unwrap_err();
    let expected = "template 106 from the server where RequestAccepted was expected";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_answer_to_nobody_is_nothing() {
    let mut bench = Bench::new();
    bench.hear(&funded(9, 31).frame(0));
    bench.hear_rejected(9, 56, RejectReason::UnknownAccount);
    bench.settlements_begin(9);
    bench.hear_settlements(&[1]);
    assert_eq!(bench.told(), []);
}

#[test]
fn a_lost_connection_leaves_a_request_in_doubt_and_the_next_has_another_number() {
    let mut bench = Bench::new();
    let mut answer = bench.credit(31);
    assert_eq!(bench.sent(), [("Credit", 1)]);
    bench.reconnect();
    let error = answer.try_recv().unwrap().unwrap_err();
    assert!(matches!(error, ClientError::InDoubt { .. }), "{error}");
    assert_eq!(bench.sent(), []);
    let mut again = bench.credit(31);
    assert_eq!(bench.sent(), [("Credit", 2)]);
    let repeated = FundingResult {
        repeated: true,
        ..funded(2, 31)
    };
    bench.hear(&repeated.frame(0));
    assert_eq!(again.try_recv().unwrap().unwrap(), repeated);
}

#[test]
fn a_server_that_knows_no_requests_refuses_the_oldest_of_the_template() {
    let mut bench = Bench::new();
    let mut currency = bench.create_currency();
    let (mut first, mut second) = (bench.credit(31), bench.credit(32));
    let reject = SessionReject {
        ref_seq: 0,
        market: MarketId(0),
        ref_template: 56,
        code: Code::from(RejectReason::UnknownTemplate),
        field_offset: 4,
        fatal: false,
        reserved: Reserved,
        retry_after_us: 0,
        cl_ord_id: ClOrdId(0),
    };
    bench.hear(&reject.frame(0));
    let error = first.try_recv().unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(RejectReason::UnknownTemplate));
    assert!(second.try_recv().is_err(), "not answered yet");
    assert!(currency.try_recv().is_err(), "not answered yet");
}

#[test]
fn balances_of_several_frames_are_one_answer() {
    let mut bench = Bench::new();
    let mut answer = bench.subscribe_account();
    bench.hear_balances(1, &["BTC", "ETH"], FLAG_MORE_FOLLOWS);
    assert!(answer.try_recv().is_err(), "more follows");
    bench.hear_balances(1, &["USDT"], 0);
    let codes = ["BTC", "ETH", "USDT"].map(balance);
    assert_eq!(answer.try_recv().unwrap().unwrap(), codes);
}

#[test]
fn a_subscribed_account_is_subscribed_again_after_a_reconnect() {
    let mut bench = Bench::new();
    let mut answer = bench.subscribe_account();
    bench.hear_balances(1, &["USDT"], 0);
    assert_eq!(answer.try_recv().unwrap().unwrap(), [balance("USDT")]);
    let update = AccountUpdate {
        account: ACCOUNT,
        reserved: Reserved,
        currency: text("USDT"),
        available: Amount(5),
        held: Amount(5),
        sequence: 4,
        transact_time: 1,
    };
    bench.hear(&update.frame(0));
    assert_eq!(bench.told(), [Event::AccountUpdate(update)]);
    bench.sent();
    bench.reconnect();
    assert_eq!(bench.sent(), [("SubscribeAccount", 2)]);
    bench.told();
    bench.hear_balances(2, &["USDT", "BTC"], 0);
    let balances = ["USDT", "BTC"].map(balance).to_vec();
    let account = ACCOUNT;
    assert_eq!(bench.told(), [Event::Balances { account, balances }]);
}

#[test]
fn balances_that_are_asked_for_once_are_not_subscribed() {
    let mut bench = Bench::new();
    let request = Request::new(
        &BalanceQuery {
            request_id: 0,
            account: ACCOUNT,
            reserved: Reserved,
        }
        .frame(0),
    );
    let mut answer = bench
        .command(|waiter| Command::Ask(request, Awaited::balances(ACCOUNT, false, Some(waiter))));
    bench.hear_balances(1, &[], 0);
    assert_eq!(answer.try_recv().unwrap().unwrap(), []);
    bench.sent();
    bench.reconnect();
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_statement_says_whether_there_is_more() {
    let mut bench = Bench::new();
    let query = souk_protocol::message::StatementQuery {
        request_id: 0,
        account: ACCOUNT,
        count: 1,
        reserved: Reserved,
        currency: text("USDT"),
        after_sequence: 0,
    };
    let request = Request::new(&query.frame(0));
    let mut answer = bench.command(|waiter| Command::Ask(request, Awaited::Statement(waiter)));
    let root = StatementReport {
        request_id: 1,
        account: ACCOUNT,
        more: true,
        reserved: Reserved,
        currency: text("USDT"),
    };
    let entry = StatementEntry {
        sequence: 2,
        transact_time: 1,
        change: -16_279_234_414,
        total: Amount(1),
        reference: 88_214,
        stream_seq: 9,
        market: MARKET,
        kind: StatementKind::Trade,
        reserved: Reserved,
    };
    bench.hear_group(&root, &[entry], 0);
    let statement = answer.try_recv().unwrap().unwrap();
    assert_eq!((statement.entries, statement.more), (vec![entry], true));
}

#[test]
fn a_list_of_currencies_ends_with_its_end() {
    let mut bench = Bench::new();
    let list = souk_protocol::message::CurrencyListRequest { request_id: 0 };
    let request = Request::new(&list.frame(0));
    let mut answer = bench.command(|waiter| Command::Ask(request, Awaited::Currencies(waiter)));
    for code in ["BTC", "USDT"] {
        let definition = CurrencyDefinition {
            code: text(code),
            scale: 8,
            display_scale: 8,
            status: CurrencyStatus::Listed,
            reserved: Reserved,
            amount_min: Amount(0),
            amount_max: Amount(0),
        };
        bench.hear(&definition.frame(0));
    }
    assert!(answer.try_recv().is_err(), "the end has not come");
    let end = CurrencyListEnd {
        request_id: 1,
        count: 2,
        reserved: Reserved,
    };
    bench.hear(&end.frame(0));
    let codes: Vec<_> = answer.try_recv().unwrap().unwrap();
    assert_eq!(
        codes.iter().map(|one| one.code).collect::<Vec<_>>(),
        [text("BTC"), text("USDT")]
    );
}

#[test]
fn logging_out_waits_for_the_answers() {
    let mut bench = Bench::new();
    let _answer = bench.credit(31);
    let _over = bench.command(Command::Terminate);
    bench.session.pump(Instant::now());
    assert!(matches!(bench.session.logout, Logout::Asked(_)));
    bench.hear(&funded(1, 31).frame(0));
    bench.session.pump(Instant::now());
    assert!(matches!(bench.session.logout, Logout::Sent(_)));
}

//! Messages to a market: their numbers, their refusals, and how many may be on their way.

use std::time::Duration;

use serde_json::{Value, json};
use souk_protocol::message::{
    BatchEntry, CancelOrder, MarketDefinition, MarketListEnd, MassCancel, NewOrder, ReplaceOrder,
    SessionReject,
};
use souk_protocol::{
    Amount, ClOrdId, ClientMessage, Code, MarketState, Price, Qty, RejectReason, Reserved, Text,
};

use super::logon::not_before;
use crate::clock;
use crate::conform::Fault;
use crate::conform::line::{Line, shown};
use crate::conform::says::{self, ACCOUNT, MARKET};
use crate::conform::stage::{KEEPALIVE_MS, Stage, Told, accepted, number};

/// The pause that a refusal asks for.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long a client that has no credit left is watched.
const WATCHED: Duration = Duration::from_millis(250);

pub(super) fn market_list(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.log_on()?;
    stage.tell(json!({"do": "markets"}))?;
    line.expect("MarketListRequest", |message| match message {
        ClientMessage::MarketListRequest(_) => Some(()),
        _ => None,
    })?;
    let end = MarketListEnd {
        count: 2,
        reserved: Reserved,
    };
    let first = definition(MARKET.0, "BTC-USDT").frame(0);
    let second = definition(MARKET.0 + 1, "ETH-USDT").frame(0);
    line.send(&[&first, &second, &end.frame(0)])?;
    let event = stage.event("markets")?;
    let listed: Option<Vec<(u64, &str)>> = event["markets"].as_array().and_then(|markets| {
        let row = |market: &'_ Value| number(&market["market"]);
        let rows = markets
            .iter()
            .map(|market| Some((row(market)?, market["symbol"].as_str()?)));
        rows.collect()
    });
    if listed.as_deref() == Some(&[(7, "BTC-USDT"), (8, "ETH-USDT")]) {
        return Ok(());
    }
    Err(Fault::other(
        "the event markets with 7 BTC-USDT and 8 ETH-USDT",
        event.to_string(),
    ))
}

fn definition(market: u32, symbol: &str) -> MarketDefinition {
    let text = |text| Text::new(text).unwrap_or(Text([0; 8]));
    MarketDefinition {
        market: souk_protocol::MarketId(market),
        state: MarketState::Continuous,
        base_scale: 8,
        quote_scale: 6,
        reserved: Reserved,
        symbol: Text::new(symbol).unwrap_or(Text([0; 24])),
        base: text("BTC"),
        quote: text("USDT"),
        tick_mantissa: 1,
        lot_mantissa: 1,
        tick_scale: 2,
        lot_scale: 4,
        reserved2: Reserved,
        price_min: Price(1),
        price_max: Price(1 << 40),
        qty_min: Qty(1),
        qty_max: Qty(1 << 40),
        notional_unit: 1,
        account_orders_max: 100,
        reserved3: Reserved,
        notional_min: Amount(0),
        notional_max: Amount(0),
        lot_units: 10_000,
    }
}

pub(super) fn commands(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let place = |mut instruction: Value| {
        instruction["market"] = json!(MARKET.0);
        instruction["account"] = json!(ACCOUNT.0);
        instruction
    };
    stage.tell(place(json!({"do": "cancel", "orig_cl_ord_id": 11})))?;
    let (cancel, seen) = line.expect("CancelOrder", |message| match message {
        ClientMessage::CancelOrder(cancel) => Some(*cancel),
        _ => None,
    })?;
    let fits = seen.orig_cl_ord_id.0 == 11 && seen.order_id.0 == 0 && seen.account == ACCOUNT;
    check(
        fits && cancel.seq() == 1,
        "CancelOrder 11 with client_seq 1",
        &cancel,
    )?;
    refuse(stage, &mut line, 1, 11, CancelOrder::TEMPLATE)?;

    stage.tell(place(json!({"do": "replace", "orig_cl_ord_id": 12, "cl_ord_id": 13, "price": 99, "total_qty": 8})))?;
    let (replace, seen) = line.expect("ReplaceOrder", |message| match message {
        ClientMessage::ReplaceOrder(replace) => Some(*replace),
        _ => None,
    })?;
    let names = (seen.orig_cl_ord_id.0, seen.cl_ord_id.0) == (12, 13);
    let fits = names && seen.price.0 == 99 && seen.total_qty.0 == 8 && replace.seq() == 2;
    check(
        fits,
        "ReplaceOrder of 12 by 13, 8 lots at 99, with client_seq 2",
        &replace,
    )?;
    refuse(stage, &mut line, 2, 13, ReplaceOrder::TEMPLATE)?;

    stage.tell(place(json!({"do": "mass_cancel"})))?;
    let (mass_cancel, seen) = line.expect("MassCancel", |message| match message {
        ClientMessage::MassCancel(mass_cancel) => Some(*mass_cancel),
        _ => None,
    })?;
    let fits = seen.side.is_none() && seen.account == ACCOUNT && mass_cancel.seq() == 3;
    check(
        fits,
        "MassCancel of both sides with client_seq 3",
        &mass_cancel,
    )?;
    refuse(stage, &mut line, 3, 0, MassCancel::TEMPLATE)
}

fn check(holds: bool, expected: &str, found: &crate::conform::line::Received) -> Result<(), Fault> {
    if holds {
        return Ok(());
    }
    Err(Fault::other(expected, shown(found)?))
}

/// The market refuses the message; its report has the number of the message.
fn refuse(
    stage: &mut Stage<'_>,
    line: &mut Line,
    seq: u64,
    cl_ord_id: u64,
    template: u16,
) -> Result<(), Fault> {
    let code = Code::from(RejectReason::UnknownOrder);
    line.send(&[&says::rejected(
        ClOrdId(cl_ord_id),
        template,
        seq,
        seq,
        code,
    )])?;
    stage.reports(&[Told {
        message: "Rejected",
        ..accepted(seq, seq, cl_ord_id)
    }])
}

pub(super) fn batch(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let entry = |cl_ord_id: u64| {
        json!({"operation": 32, "account": ACCOUNT.0, "side": 1, "order_type": 2,
            "time_in_force": 1, "price": 100, "qty": 5, "cl_ord_id": cl_ord_id})
    };
    let entries = json!([entry(11), entry(12), entry(13)]);
    stage.tell(json!({"do": "batch", "market": MARKET.0, "entries": entries}))?;
    let expected = "Batch of orders 11, 12 and 13 with client_seq 1";
    let (received, entries) = line.expect(expected, |message| match message {
        ClientMessage::Batch(_, entries) => {
            let entries: Result<Vec<BatchEntry>, _> = entries
                .iter()
                .map(|entry| entry.map(|(entry, _)| entry))
                .collect();
            entries.ok()
        }
        _ => None,
    })?;
    let names: Vec<u64> = entries.iter().map(|entry| entry.cl_ord_id.0).collect();
    check(
        names == [11, 12, 13] && received.seq() == 1,
        expected,
        &received,
    )?;
    for (index, entry) in (0..).zip(&entries) {
        let report_seq = u64::from(index) + 1;
        line.send(&[&says::accepted_entry(entry, 1, report_seq, index)])?;
    }
    stage.reports(&[accepted(1, 1, 11), accepted(2, 1, 12), accepted(3, 1, 13)])?;
    stage.last_order(&mut line, 2, 4, 14)
}

pub(super) fn numbers_go_on(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.log_on()?;
    stage.tell(json!({"do": "join", "market": MARKET.0}))?;
    let (_, resumes) =
        line.expect(
            "JoinMarket, or ResumeMarket after report 0",
            |message| match message {
                ClientMessage::JoinMarket(_) => Some(false),
                ClientMessage::ResumeMarket(resume) => Some(resume.last_report_seq == 0),
                _ => None,
            },
        )?;
    let resent = if resumes {
        says::reports_resent(31, 30)
    } else {
        Vec::new()
    };
    line.send(&[&says::joined(41, 30), &resent])?;
    stage.event("joined")?;
    stage.last_order(&mut line, 42, 31, 11)
}

/// Has the client enter these orders, and takes them under the numbers from `seq`.
fn enter(
    stage: &mut Stage<'_>,
    line: &mut Line,
    seq: u64,
    names: &[u64],
) -> Result<Vec<Sent>, Fault> {
    for name in names {
        stage.tell_order(*name)?;
    }
    take(line, seq, names)
}

struct Sent {
    order: NewOrder,
    content: Vec<u8>,
    at: std::time::Instant,
}

fn take(line: &mut Line, seq: u64, names: &[u64]) -> Result<Vec<Sent>, Fault> {
    let numbered = (seq..).zip(names);
    let sent = numbered.map(|(seq, name)| {
        let (received, order) = line.order(seq, *name)?;
        let (content, at) = (received.content(), received.at);
        Ok(Sent { order, content, at })
    });
    sent.collect()
}

/// What is sent again is what was sent before.
fn same(before: &[Sent], after: &[Sent]) -> Result<(), Fault> {
    let content =
        |sent: &[Sent]| -> Vec<Vec<u8>> { sent.iter().map(|it| it.content.clone()).collect() };
    if content(before) == content(after) {
        return Ok(());
    }
    Err(Fault::other("the same messages again", "other bytes"))
}

pub(super) fn sequence_gap(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let before = enter(stage, &mut line, 1, &[11, 12, 13])?;
    line.send(&[&says::not_applied(1, 3, 1, RejectReason::SequenceGap, 0)])?;
    let after = take(&mut line, 1, &[11, 12, 13])?;
    same(&before, &after)?;
    for (seq, sent) in (1..).zip(&after) {
        line.send(&[&says::accepted(&sent.order, seq, seq)])?;
    }
    stage.reports(&[accepted(1, 1, 11), accepted(2, 2, 12), accepted(3, 3, 13)])?;
    stage.last_order(&mut line, 4, 4, 14)
}

pub(super) fn throttle(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let before = enter(stage, &mut line, 1, &[11, 12, 13])?;
    let refused_at = clock::monotonic();
    let retry_after_us = RETRY_AFTER.as_micros() as u32;
    line.send(&[
        &says::accepted(&before[0].order, 1, 1),
        &says::not_applied(2, 1, 2, RejectReason::SessionRateExceeded, retry_after_us),
        &says::not_applied(3, 1, 2, RejectReason::SequenceGap, 0),
    ])?;
    // One after the other, for a client may wait for room before it sends more.
    let second = take(&mut line, 2, &[12])?;
    not_before(
        refused_at + RETRY_AFTER,
        second[0].at,
        "the refused order again",
    )?;
    line.send(&[&says::accepted(&second[0].order, 2, 2)])?;
    let third = take(&mut line, 3, &[13])?;
    line.send(&[&says::accepted(&third[0].order, 3, 3)])?;
    same(&before[1..2], &second)?;
    same(&before[2..], &third)?;
    stage.reports(&[accepted(1, 1, 11), accepted(2, 2, 12), accepted(3, 3, 13)])?;
    stage.last_order(&mut line, 4, 4, 14)
}

pub(super) fn credits(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.accept()?;
    let mut ack = stage.ack(&line);
    ack.max_inflight = 2;
    line.send(&[&says::accounts(&ack)])?;
    stage.event("logged_on")?;
    stage.join(&mut line)?;
    for name in 11..=14 {
        stage.tell_order(name)?;
    }
    let first = take(&mut line, 1, &[11, 12])?;
    match line.any("nothing", WATCHED) {
        Err(Fault::Nothing { .. }) => {}
        Err(fault) => return Err(fault),
        Ok(found) => {
            return Err(Fault::other(
                "no third message while two are unanswered",
                shown(&found)?,
            ));
        }
    }
    line.send(&[&says::accepted(&first[0].order, 1, 1)])?;
    let third = take(&mut line, 3, &[13])?;
    line.send(&[
        &says::accepted(&first[1].order, 2, 2),
        &says::accepted(&third[0].order, 3, 3),
    ])?;
    let fourth = take(&mut line, 4, &[14])?;
    line.send(&[&says::accepted(&fourth[0].order, 4, 4)])?;
    stage.reports(&[
        accepted(1, 1, 11),
        accepted(2, 2, 12),
        accepted(3, 3, 13),
        accepted(4, 4, 14),
    ])
}

pub(super) fn session_reject(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    enter(stage, &mut line, 1, &[11])?;
    let reject = SessionReject {
        ref_seq: 1,
        market: MARKET,
        ref_template: NewOrder::TEMPLATE,
        code: Code::from(RejectReason::UnknownAccount),
        field_offset: 0,
        fatal: false,
        reserved: Reserved,
        retry_after_us: 0,
        cl_ord_id: ClOrdId(11),
    };
    line.send(&[&reject.frame(0)])?;
    let code = u64::from(RejectReason::UnknownAccount.code());
    let event = stage.event_with("not_applied", "code", code)?;
    if number(&event["cl_ord_id"]) != Some(11) {
        return Err(Fault::other(
            "the event not_applied with cl_ord_id 11",
            event.to_string(),
        ));
    }
    stage.last_order(&mut line, 1, 1, 12)
}

pub(super) fn duplicate_cl_ord_id(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let first = enter(stage, &mut line, 1, &[11])?;
    line.send(&[&says::accepted(&first[0].order, 1, 1)])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    enter(stage, &mut line, 2, &[11])?;
    let reason = RejectReason::DuplicateClOrdId;
    line.send(&[&says::rejected(
        ClOrdId(11),
        NewOrder::TEMPLATE,
        2,
        2,
        Code::from(reason),
    )])?;
    let event = stage.event_with("report", "code", u64::from(reason.code()))?;
    if event["message"] != "Rejected" || number(&event["client_seq"]) != Some(2) {
        return Err(Fault::other(
            "the event report: Rejected, client_seq 2",
            event.to_string(),
        ));
    }
    stage.last_order(&mut line, 3, 3, 12)
}

//! The stream of bytes, and what a later version may put into it.

use std::time::Duration;

use serde_json::json;
use souk_protocol::message::NewOrder;
use souk_protocol::{Code, OrderId, Side};

use crate::conform::Fault;
use crate::conform::line::Line;
use crate::conform::says;
use crate::conform::stage::{KEEPALIVE_MS, Stage, Told, accepted, number};

/// The pause between two pieces that must not arrive together.
const PIECE_PAUSE: Duration = Duration::from_millis(20);
/// A code that version 1 does not have.
const UNKNOWN_CODE: u16 = 9_999;
/// An id that does not fit 53 bits, nor a signed number of 64.
const LARGE_ID: u64 = 0xfedc_ba98_7654_3211;

/// Orders 1 to `count`, client order ids from 11.
fn orders(stage: &mut Stage<'_>, line: &mut Line, count: u64) -> Result<Vec<NewOrder>, Fault> {
    for number in 1..=count {
        stage.tell_order(10 + number)?;
    }
    (1..=count)
        .map(|number| Ok(line.order(number, 10 + number)?.1))
        .collect()
}

pub(super) fn split(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.accept()?;
    let ack = stage.ack(&line);
    line.send_bytes_alone(&says::accounts(&ack))?;
    stage.event("logged_on")?;
    stage.join(&mut line)?;
    let told = orders(stage, &mut line, 2)?;
    line.send_bytes_alone(&says::accepted(&told[0], 1, 1))?;
    line.send_bytes_alone(&says::accepted(&told[1], 2, 2))?;
    stage.reports(&[accepted(1, 1, 11), accepted(2, 2, 12)])
}

pub(super) fn merged(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let told = orders(stage, &mut line, 5)?;
    let frame = |number: u64| says::accepted(&told[number as usize - 1], number, number);
    line.send(&[&frame(1), &frame(2), &frame(3)])?;
    stage.reports(&[accepted(1, 1, 11), accepted(2, 2, 12), accepted(3, 3, 13)])?;
    let rest = [frame(4), frame(5)].concat();
    for piece in rest.chunks(rest.len() * 3 / 4) {
        line.send(&[piece])?;
        std::thread::sleep(PIECE_PAUSE);
    }
    stage.reports(&[accepted(4, 4, 14), accepted(5, 5, 15)])
}

pub(super) fn unknown_template(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let told = orders(stage, &mut line, 1)?;
    let report = says::accepted(&told[0], 1, 1);
    let group = says::update(&[says::level(Side::Buy, 100, 5)], 1);
    line.send(&[
        &says::unknown_template(&report),
        &says::unknown_template(&group),
        &report,
    ])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    stage.last_order(&mut line, 2, 2, 12)
}

pub(super) fn longer_block(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let told = orders(stage, &mut line, 1)?;
    line.send(&[&says::longer_block(&says::accepted(&told[0], 1, 1), 16)])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    stage.subscribe(&mut line)?;
    let book = [
        says::level(Side::Buy, 100, 5),
        says::level(Side::Sell, 102, 7),
    ];
    let snapshot = says::longer_block(&says::snapshot(&book, &book, 1, 0), 8);
    line.send(&[&says::longer_entries(&snapshot, 8)])?;
    stage.book(json!([[100, 5, 1]]), json!([[102, 7, 1]]))
}

pub(super) fn unknown_code(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let told = orders(stage, &mut line, 1)?;
    let (code, template) = (Code(UNKNOWN_CODE), NewOrder::TEMPLATE);
    line.send(&[&says::rejected(told[0].cl_ord_id, template, 1, 1, code)])?;
    let event = stage.event_with("report", "code", u64::from(UNKNOWN_CODE))?;
    if event["message"] != "Rejected" {
        return Err(Fault::other(
            "the event report: Rejected",
            event.to_string(),
        ));
    }
    stage.last_order(&mut line, 2, 2, 12)
}

pub(super) fn large_ids(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    let told = orders(stage, &mut line, 1)?;
    let mut report = says::accept(&told[0], 1);
    report.order_id = OrderId(LARGE_ID);
    line.send(&[&report.frame(1)])?;
    let event = stage.event("report")?;
    if number(&event["order_id"]) == Some(LARGE_ID) {
        return Ok(());
    }
    let Told { message, .. } = accepted(1, 1, 11);
    Err(Fault::other(
        format!("the event report: {message}, order_id \"{LARGE_ID}\""),
        event.to_string(),
    ))
}

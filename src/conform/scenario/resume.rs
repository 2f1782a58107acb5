//! A connection is lost, and the session goes on: nothing twice, nothing missing.

use souk_protocol::message::NewOrder;

use crate::conform::Fault;
use crate::conform::line::Line;
use crate::conform::says;
use crate::conform::stage::{Stage, accepted};

/// A client that has entered orders 11, 12 ... which arrived.
struct Entered {
    line: Line,
    orders: Vec<NewOrder>,
    /// The bytes of the last order, but for its number.
    last: Vec<u8>,
}

fn entered(stage: &mut Stage<'_>, count: u64) -> Result<Entered, Fault> {
    let mut line = stage.joined()?;
    let (mut orders, mut last) = (Vec::new(), Vec::new());
    for number in 1..=count {
        stage.tell_order(10 + number)?;
        let (received, order) = line.order(number, 10 + number)?;
        orders.push(order);
        last = received.content();
    }
    Ok(Entered { line, orders, last })
}

/// The client's next connection, on which it resumes the market after this report.
pub(super) fn resumed(stage: &mut Stage<'_>, last_report_seq: u64) -> Result<Line, Fault> {
    let mut line = stage.log_on()?;
    line.resume(last_report_seq)?;
    Ok(line)
}

pub(super) fn lost_ack(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let Entered { line, orders, .. } = entered(stage, 1)?;
    line.cut();
    let mut line = resumed(stage, 0)?;
    line.send(&[
        &says::joined(1, 1),
        &says::reports_resent(1, 1),
        &says::accepted_again(&orders[0], 1, 1),
    ])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    stage.last_order(&mut line, 2, 2, 12)
}

pub(super) fn lost_order(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let Entered {
        mut line,
        orders,
        last,
    } = entered(stage, 2)?;
    line.send(&[&says::accepted(&orders[0], 1, 1)])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    line.cut();
    let mut line = resumed(stage, 1)?;
    line.send(&[&says::joined(1, 1), &says::reports_resent(2, 1)])?;
    let (received, order) = line.order(2, 12)?;
    if received.content() != last {
        return Err(Fault::other("the same order again", "other bytes"));
    }
    line.send(&[&says::accepted(&order, 2, 2)])?;
    stage.reports(&[accepted(2, 2, 12)])?;
    stage.last_order(&mut line, 3, 3, 13)
}

pub(super) fn cut_in_a_frame(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let Entered {
        mut line, orders, ..
    } = entered(stage, 1)?;
    let report = says::accepted(&orders[0], 1, 1);
    line.send(&[&report[..report.len() / 2]])?;
    line.finish();
    let mut line = resumed(stage, 0)?;
    line.send(&[
        &says::joined(1, 1),
        &says::reports_resent(1, 1),
        &says::accepted_again(&orders[0], 1, 1),
    ])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    stage.last_order(&mut line, 2, 2, 12)
}

pub(super) fn duplicate_report(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let Entered {
        mut line, orders, ..
    } = entered(stage, 1)?;
    line.send(&[&says::accepted(&orders[0], 1, 1)])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    line.cut();
    let mut line = resumed(stage, 1)?;
    let again = says::accepted_again(&orders[0], 1, 1);
    line.send(&[&says::joined(1, 1), &says::reports_resent(2, 1), &again])?;
    stage.last_order(&mut line, 2, 2, 12)
}

pub(super) fn reports_lost(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let Entered {
        mut line, orders, ..
    } = entered(stage, 1)?;
    line.send(&[&says::accepted(&orders[0], 1, 1)])?;
    stage.reports(&[accepted(1, 1, 11)])?;
    line.cut();
    let mut line = resumed(stage, 1)?;
    line.send(&[
        &says::joined(1, 9),
        &says::reports_resent(8, 9),
        &says::accepted_again(&orders[0], 1, 8),
        &says::accepted_again(&orders[0], 1, 9),
    ])?;
    let event = stage.event_with("reports_lost", "first", 2)?;
    if crate::conform::stage::number(&event["last"]) != Some(7) {
        let expected = "the event reports_lost with first 2, last 7";
        return Err(Fault::other(expected, event.to_string()));
    }
    stage.reports(&[accepted(8, 1, 11), accepted(9, 1, 11)])?;
    stage.last_order(&mut line, 2, 10, 12)
}

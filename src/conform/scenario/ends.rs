//! Keeping a connection alive, and the ways in which it ends.

use std::time::Duration;

use serde_json::json;
use souk_protocol::message::{NewOrder, Ping, SessionReject};
use souk_protocol::{ClOrdId, ClientMessage, Code, MarketId, RejectReason, Reserved};

use super::logon::{WATCHED, not_before};
use crate::clock;
use crate::conform::Fault;
use crate::conform::line::{Line, shown};
use crate::conform::says;
use crate::conform::stage::{KEEPALIVE_MS, Stage, accepted};

/// The pause that a server asks for.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Keepalive of a client whose heartbeats are watched.
const SHORT_KEEPALIVE: Duration = Duration::from_millis(500);
/// A server is heard so often.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(100);
/// How long heartbeats are watched.
const HEARTBEATS_WATCHED: Duration = Duration::from_millis(2_500);

/// A client whose order 11 was accepted.
fn traded(stage: &mut Stage<'_>) -> Result<Line, Fault> {
    let mut line = stage.joined()?;
    stage.last_order(&mut line, 1, 1, 11)?;
    Ok(line)
}

/// Resumes after report 1, and enters one more order.
fn go_on(stage: &mut Stage<'_>, line: &mut Line) -> Result<(), Fault> {
    line.resume(1)?;
    line.send(&[&says::joined(1, 1), &says::reports_resent(2, 1)])?;
    stage.last_order(line, 2, 2, 12)
}

pub(super) fn going_away(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let line = traded(stage)?;
    let ended_at = clock::monotonic();
    line.terminate(RejectReason::ServerDraining, RETRY_AFTER.as_millis() as u32)?;
    let mut line = stage.log_on()?;
    not_before(
        ended_at + RETRY_AFTER,
        line.opened_at,
        "the next connection",
    )?;
    go_on(stage, &mut line)
}

pub(super) fn redirect_at_logon(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.accept()?;
    let redirect = says::redirect(5, &stage.other_address());
    let reject = says::logon_reject(RejectReason::NotOwner, 0);
    line.send(&[&redirect, &reject])?;
    line.finish();
    let mut line = stage.log_on_at(1)?;
    stage.join(&mut line)?;
    stage.last_order(&mut line, 1, 1, 11)
}

pub(super) fn redirect_in_session(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = traded(stage)?;
    let redirect = says::redirect(5, &stage.other_address());
    line.send(&[&redirect])?;
    line.terminate(RejectReason::NotOwner, 0)?;
    let mut line = stage.log_on_at(1)?;
    go_on(stage, &mut line)
}

pub(super) fn taken_over(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let line = traded(stage)?;
    let reason = RejectReason::SessionTakenOver;
    line.terminate(reason, 0)?;
    stage.event_with("ended", "code", u64::from(reason.code()))?;
    stage.stays_away(WATCHED, "of a session that was taken over")
}

pub(super) fn fatal_refusal(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = traded(stage)?;
    let reason = RejectReason::FrameLengthNotAligned;
    let reject = SessionReject {
        ref_seq: 0,
        market: MarketId(0),
        ref_template: 0,
        code: Code::from(reason),
        field_offset: 0,
        fatal: true,
        reserved: Reserved,
        retry_after_us: 0,
        cl_ord_id: ClOrdId(0),
    };
    line.send(&[&reject.frame(0)])?;
    line.terminate(reason, 0)?;
    stage.event_with("ended", "code", u64::from(reason.code()))?;
    stage.stays_away(WATCHED, "of a client whose bytes were refused")
}

pub(super) fn heartbeat(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(SHORT_KEEPALIVE.as_millis() as u32)?;
    let mut line = stage.log_on()?;
    let until = clock::monotonic() + HEARTBEATS_WATCHED;
    let mut heard = clock::monotonic();
    while clock::monotonic() < until {
        match line.any("a heartbeat", HEARTBEAT_EVERY) {
            Ok(received) => match received.message()? {
                ClientMessage::Heartbeat(_) => heard = clock::monotonic(),
                _ => return Err(Fault::other("Heartbeat", shown(&received)?)),
            },
            Err(Fault::Nothing { .. }) => {}
            Err(fault) => return Err(fault),
        }
        if clock::monotonic() > heard + 2 * SHORT_KEEPALIVE {
            return Err(Fault::Nothing {
                expected: "Heartbeat".into(),
                patience: 2 * SHORT_KEEPALIVE,
            });
        }
        line.heartbeat()?;
    }
    Ok(())
}

pub(super) fn ping(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.log_on()?;
    let ping = Ping {
        nonce: 77,
        time: clock::wall_ns(),
    };
    line.send(&[&ping.frame(0)])?;
    let received = line.any("Pong", stage.patience)?;
    match received.message()? {
        ClientMessage::Pong(pong) if (pong.nonce, pong.ping_time) == (77, ping.time) => Ok(()),
        _ => Err(Fault::other(
            format!("Pong with nonce 77, ping_time {}", ping.time),
            shown(&received)?,
        )),
    }
}

pub(super) fn silent_server(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(SHORT_KEEPALIVE.as_millis() as u32)?;
    let mut line = stage.log_on()?;
    let until = clock::monotonic() + 2 * SHORT_KEEPALIVE + stage.patience;
    let expected = "the end of a connection on which nothing comes";
    while clock::monotonic() < until {
        match line.closed(expected) {
            Err(Fault::Nothing { .. }) => {}
            other => {
                other?;
                return stage.log_on().map(Line::finish);
            }
        }
    }
    Err(Fault::Nothing {
        expected: expected.into(),
        patience: 2 * SHORT_KEEPALIVE + stage.patience,
    })
}

pub(super) fn logout(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    stage.tell_order(11)?;
    stage.tell(json!({"do": "logout"}))?;
    let (_, order): (_, NewOrder) = line.order(1, 11)?;
    line.send(&[&says::accepted(&order, 1, 1)])?;
    let code = Code::from(RejectReason::LoggedOut);
    line.expect("Terminate(LoggedOut)", |message| match message {
        ClientMessage::Terminate(end) if end.code == code => Some(()),
        _ => None,
    })?;
    line.terminate(RejectReason::LoggedOut, 0)?;
    stage.reports(&[accepted(1, 1, 11)])?;
    stage.event("ended")?;
    stage.stays_away(WATCHED, "after a logout")
}

//! Logging on.

use std::time::Duration;

use souk_protocol::RejectReason;

use crate::clock;
use crate::conform::Fault;
use crate::conform::says;
use crate::conform::stage::{KEEPALIVE_MS, Stage};

/// How long a session that is over is watched.
pub(super) const WATCHED: Duration = Duration::from_millis(400);
/// The pause that a refusal asks for.
const RETRY_AFTER: Duration = Duration::from_millis(500);

pub(super) fn accepted(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let line = stage.log_on()?;
    let asked = line.logon.map_or(0, |logon| logon.keepalive_ms);
    line.finish();
    if asked == KEEPALIVE_MS {
        return Ok(());
    }
    Err(Fault::other(
        format!("keepalive_ms {KEEPALIVE_MS}"),
        asked.to_string(),
    ))
}

pub(super) fn bad_signature(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let reason = RejectReason::AuthenticationFailed;
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.accept()?;
    line.send(&[&says::logon_reject(reason, 0)])?;
    line.finish();
    stage.event_with("ended", "code", u64::from(reason.code()))?;
    stage.stays_away(WATCHED, "after a logon that was refused for good")
}

pub(super) fn refused_for_now(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.connect(KEEPALIVE_MS)?;
    let mut line = stage.accept()?;
    let refused_at = clock::monotonic();
    let retry_after_ms = RETRY_AFTER.as_millis() as u32;
    line.send(&[&says::logon_reject(
        RejectReason::LogonRateExceeded,
        retry_after_ms,
    )])?;
    line.finish();
    let line = stage.log_on()?;
    not_before(
        refused_at + RETRY_AFTER,
        line.opened_at,
        "the next connection",
    )
}

/// Something happened at `found`, and must not before `due`.
pub(super) fn not_before(
    due: std::time::Instant,
    found: std::time::Instant,
    what: &str,
) -> Result<(), Fault> {
    let early = due.saturating_duration_since(found);
    if early.is_zero() {
        return Ok(());
    }
    Err(Fault::other(
        format!("{what} when the time that the server named is over"),
        format!("it {early:?} too early"),
    ))
}

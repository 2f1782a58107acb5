//! A run as JSON: every parameter, the machine, the figures, what was verified.

use serde_json::{Map, Value, json};

use crate::facts::Machine;
use crate::load::{LoadConfig, Pacing};
use crate::report::{LoadReport, Verified};
use crate::session::SessionPlan;
use crate::stats::{Codes, Percentiles, Tally};

/// Where and with what a run was made.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The machine.
    pub machine: Machine,
    /// Cores the server may use, when its process is known.
    pub server_cores: Option<String>,
    /// Processor time the server used, in nanoseconds, when its process is known.
    pub server_ns: Option<u64>,
    /// Percent of the machine's time that a hypervisor took during the run.
    pub steal_percent: Option<f64>,
}

/// The whole run as JSON.
#[must_use]
pub fn summary(report: &LoadReport, environment: &Environment) -> Value {
    let latency = &report.latency;
    let per_message = environment
        .server_ns
        .map(|ns| ns / report.tally.answered.max(1));
    json!({
        "program": concat!("souk-loadgen ", env!("CARGO_PKG_VERSION")),
        "parameters": parameters(&report.config),
        "server": report.plan.sessions.first().map(server),
        "markets": report.plan.markets.len(),
        "tenants": report.plan.tenants(),
        "machine": environment.machine,
        "server_cores": environment.server_cores,
        "steal_percent": environment.steal_percent,
        "measured_seconds": report.measured.as_secs_f64(),
        "answered_per_second": report.achieved_rate(),
        "rate_missed": report.missed_rate(),
        "never_sent": report.never_sent,
        "messages": messages(&report.tally),
        "server_ns_per_message": per_message,
        "driver_ns_per_message": report.driver_ns_per_message(),
        "response_ns": Percentiles::of(&latency.response),
        "service_ns": Percentiles::of(&latency.service),
        "sender_lateness_ns": Percentiles::of(&latency.lateness),
        "hint": report.hint(),
        "verified": verified(&report.verified),
    })
}

/// Every parameter of the run.
#[must_use]
pub fn parameters(config: &LoadConfig) -> Value {
    let pacing = match config.pacing {
        Pacing::Open { rate, arrivals } => json!({"open": {"rate": rate, "arrivals": arrivals}}),
        Pacing::Closed { outstanding } => json!({"closed": {"outstanding": outstanding}}),
    };
    json!({
        "address": config.address.to_string(),
        "keys": config.keys.iter().map(|key| key.id.0).collect::<Vec<_>>(),
        "session_base": config.session_base,
        "connections": config.connections,
        "threads": config.threads,
        "pacing": pacing,
        "warmup_seconds": config.warmup.as_secs_f64(),
        "duration_seconds": config.duration.map(|duration| duration.as_secs_f64()),
        "seed": config.seed,
        "profile": config.profile,
        "mix": config.mix.unwrap_or(config.profile.mix),
        "skew": config.skew,
        "markets_max": config.markets_max,
        "accounts_max": config.accounts_max,
        "stp": config.stp_mode.name(),
        "cores": config.cores,
        "wait": config.wait,
        "shared": config.shared,
        "verify": config.verify,
        "leave_orders": config.leave_orders,
        "credit_coins": config.credit_coins,
        "rates": config.rates,
    })
}

fn server(session: &SessionPlan) -> Value {
    let Some(ack) = session.ack else {
        return json!("echo");
    };
    json!({
        "durability": ack.durability.name(),
        "max_inflight": ack.max_inflight,
        "order_rate": ack.order_rate,
        "order_burst": ack.order_burst,
        "cancel_rate": ack.cancel_rate,
        "cancel_burst": ack.cancel_burst,
    })
}

fn messages(tally: &Tally) -> Value {
    json!({
        "sent": tally.sent,
        "answered": tally.answered,
        "new": tally.new_sent,
        "of_which_ioc": tally.ioc_sent,
        "cancel": tally.cancel_sent,
        "replace": tally.replace_sent,
        "reports": tally.reports,
        "trades": tally.trades,
        "too_late": tally.too_late,
        "rejected": codes(&tally.rejected),
        "refused": codes(&tally.refused),
        "bytes_out": tally.bytes_out,
        "bytes_in": tally.bytes_in,
        "blocked": tally.blocked,
    })
}

fn codes(codes: &Codes) -> Value {
    let named = codes.iter().map(|(code, count)| {
        let name = code
            .reason()
            .map_or_else(|| code.0.to_string(), |reason| reason.name().to_owned());
        (name, json!(count))
    });
    Value::Object(named.collect::<Map<_, _>>())
}

fn verified(verified: &Verified) -> Value {
    let kinds = verified.faults.kinds().map(|(fault, count)| {
        let name = serde_json::to_value(fault).unwrap_or_default();
        (name.as_str().unwrap_or("fault").to_owned(), json!(count))
    });
    json!({
        "done": verified.done,
        "ok": verified.ok(),
        "faults": kinds.collect::<Map<_, _>>(),
        "samples": verified.faults.samples(),
        "matches": verified.matches,
        "matches_with_others": verified.matches_with_others,
        "books_equal": verified.books_equal,
        "books_with_others": verified.books_with_others,
        "books_unseen": verified.books_unseen,
        "open_orders": verified.open_orders,
        "money": verified.money,
    })
}

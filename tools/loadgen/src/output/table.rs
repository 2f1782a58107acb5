//! A run as text.

use std::fmt::Write;

use crate::driver::DRAIN_TIMEOUT;
use crate::load::{LoadConfig, Pacing};
use crate::output::Environment;
use crate::report::LoadReport;
use crate::session::Plan;
use crate::stats::{Codes, Percentiles};

/// What is about to be done, and where: printed before it begins.
#[must_use]
pub fn parameters(config: &LoadConfig, plan: &Plan, environment: &Environment) -> String {
    let machine = &environment.machine;
    let mut lines = vec![
        ("server", server(config, plan)),
        ("load", load(config)),
        ("workload", workload(config)),
        (
            "spread",
            format!(
                "{} tenants, {} markets (at most {} of each), up to {} accounts, Zipf exponent {}",
                plan.tenants(),
                plan.markets.len(),
                config.markets_max,
                plan.sessions
                    .iter()
                    .map(|session| session.accounts.len())
                    .max()
                    .unwrap_or(0),
                config.skew
            ),
        ),
        (
            "machine",
            format!(
                "{} cores ({}), {}, Linux {}, load average {}",
                machine.cores,
                machine.cores_allowed,
                machine.processor,
                machine.kernel,
                machine.load_average
            ),
        ),
        (
            "placement",
            format!(
                "driver threads on {}, wait {:?}; server on {}",
                cores(&config.cores),
                config.wait,
                environment
                    .server_cores
                    .as_deref()
                    .unwrap_or("unknown cores (give --server-pid)")
            ),
        ),
    ];
    let others = plan.markets.iter().filter(|market| market.others).count();
    if others > 0 {
        let note = format!("{others} books hold orders of others: their check is not exact");
        lines.push(("note", note));
    }
    lines
        .iter()
        .map(|(name, text)| format!("{name:<10} {text}\n"))
        .collect()
}

fn load(config: &LoadConfig) -> String {
    let pacing = match config.pacing {
        Pacing::Open { rate, arrivals } => {
            format!("open loop, {rate} messages/s, {arrivals:?} arrivals")
        }
        Pacing::Closed { outstanding } => {
            format!("closed loop, {outstanding} outstanding for each connection")
        }
    };
    let time = config.duration.map_or_else(
        || "until stopped".to_owned(),
        |duration| format!("{duration:?}"),
    );
    format!(
        "{pacing}; {} connections on {} threads; {time} after {:?} warm-up; seed {}",
        config.connections, config.threads, config.warmup, config.seed
    )
}

fn workload(config: &LoadConfig) -> String {
    let mix = config.mix.unwrap_or(config.profile.mix);
    format!(
        "{} ({}); new/ioc/cancel/reduce/replace {}/{}/{}/{}/{} per mille; stp {}",
        config.profile.name,
        config.profile.source,
        mix.new,
        mix.ioc,
        mix.cancel,
        mix.reduce,
        mix.replace,
        config.stp_mode.name()
    )
}

fn server(config: &LoadConfig, plan: &Plan) -> String {
    let ack = plan.sessions.first().and_then(|session| session.ack);
    let Some(ack) = ack else {
        return format!("{} (echo)", config.address);
    };
    format!(
        "{}, durability {}, credits {}, orders {}/s (burst {}), cancels {}/s (burst {}) a session",
        config.address,
        ack.durability.name(),
        ack.max_inflight,
        ack.order_rate,
        ack.order_burst,
        ack.cancel_rate,
        ack.cancel_burst
    )
}

fn cores(cores: &[usize]) -> String {
    if cores.is_empty() {
        return "any core".to_owned();
    }
    let names: Vec<_> = cores.iter().map(ToString::to_string).collect();
    format!("core {}", names.join(", "))
}

/// The percentiles.
#[must_use]
pub fn latency_table(report: &LoadReport) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<16} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    );
    let latency = &report.latency;
    let mut rows = vec![(
        "service time",
        &latency.service,
        "from the actual send time",
    )];
    if matches!(report.config.pacing, Pacing::Open { .. }) {
        rows.insert(
            0,
            (
                "response time",
                &latency.response,
                "from the planned send time",
            ),
        );
        rows.push((
            "sender late",
            &latency.lateness,
            "planned to actual send time",
        ));
    }
    for (name, histogram, meaning) in rows {
        let p = Percentiles::of(histogram);
        let cells: Vec<_> = [p.p50, p.p90, p.p99, p.p99_9, p.p99_99, p.max]
            .iter()
            .map(|ns| format!("{:>9}", duration(*ns)))
            .collect();
        let _ = writeln!(out, "{name:<16} {}   ({meaning})", cells.join(" "));
    }
    out
}

/// A time of nanoseconds in three digits.
#[must_use]
pub fn duration(ns: u64) -> String {
    let ns = ns as f64;
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    match value {
        value if value < 9.995 => format!("{value:.2}{unit}"),
        value if value < 99.95 => format!("{value:.1}{unit}"),
        value => format!("{value:.0}{unit}"),
    }
}

/// Throughput, refusals, and what was verified.
#[must_use]
pub fn verdict(report: &LoadReport, environment: &Environment) -> String {
    let mut out = String::new();
    let tally = &report.tally;
    let _ = writeln!(
        out,
        "answered {} messages in {:.2} s: {:.0}/s; {} reports and {} trades in all",
        report.latency.answered,
        report.measured.as_secs_f64(),
        report.achieved_rate(),
        tally.reports,
        tally.trades
    );
    let _ = write!(
        out,
        "processor time a message: driver {} ns",
        report.driver_ns_per_message()
    );
    let _ = match environment.server_ns {
        Some(ns) => writeln!(out, ", server {} ns", ns / tally.answered.max(1)),
        None => writeln!(out),
    };
    if let Some(percent) = environment.steal_percent.filter(|percent| *percent >= 0.5) {
        let _ = writeln!(
            out,
            "NOT a quiet machine: {percent:.1} % of its time was stolen"
        );
    }
    if let Some(why) = report.missed_rate() {
        let _ = writeln!(out, "THE RATE WAS NOT KEPT: {why}");
    }
    if tally.blocked > 0 {
        let _ = writeln!(
            out,
            "{} times a message was due and the session had no credit for it",
            tally.blocked
        );
    }
    if tally.too_late > 0 {
        let _ = writeln!(
            out,
            "{} cancels and replaces came after the order had gone",
            tally.too_late
        );
    }
    codes(&mut out, "rejected", &tally.rejected);
    if let Some(hint) = report.hint() {
        let _ = writeln!(out, "HINT: {hint}");
    }
    codes(&mut out, "NOT APPLIED", &tally.refused);
    verified(&mut out, report);
    out
}

fn codes(out: &mut String, what: &str, codes: &Codes) {
    for (code, count) in codes.iter() {
        let _ = writeln!(out, "{what}: {count} x {code}");
    }
}

fn verified(out: &mut String, report: &LoadReport) {
    let verified = &report.verified;
    if !verified.done {
        let _ = writeln!(out, "not verified");
    } else if verified.ok() {
        let mut books = format!("{} books equal", verified.books_equal);
        if verified.books_with_others > 0 {
            let _ = write!(
                books,
                ", {} hold orders of others too",
                verified.books_with_others
            );
        }
        if verified.books_unseen > 0 {
            let _ = write!(
                books,
                ", {} not looked at (no permission, or a session was ended)",
                verified.books_unseen
            );
        }
        let _ = writeln!(
            out,
            "verified in full: {} messages answered once, {} executions with both sides in one tenant, {books} ({} open orders)",
            report.tally.answered, verified.matches, verified.open_orders
        );
        let _ = writeln!(out, "{}", verified.money);
        if verified.matches_with_others > 0 {
            let _ = writeln!(
                out,
                "{} executions were with others",
                verified.matches_with_others
            );
        }
    }
    for (fault, count) in verified.faults.kinds() {
        let _ = writeln!(out, "BROKEN {count} x: {}", fault.rule());
    }
    for sample in verified.faults.samples() {
        let _ = writeln!(out, "  {sample}");
    }
    if verified.faults.count(crate::verify::Fault::Unanswered) > 0 {
        let _ = writeln!(out, "answers were waited for {DRAIN_TIMEOUT:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_have_three_digits() {
        let texts = [7, 999, 1_000, 54_321, 999_960, 12_345_678, 3_000_000_000].map(duration);
        assert_eq!(
            texts,
            [
                "7.00ns", "999ns", "1.00us", "54.3us", "1000us", "12.3ms", "3.00s"
            ]
        );
    }
}

//! The table that `souk top` shows.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::page::{Page, Times};

const STAGES: [&str; 5] = ["gateway", "queue", "match", "journal", "publish"];

/// What has happened between two pages; since the node's start if there is one page.
pub fn table(now: &Page, before: Option<&Page>) -> String {
    let none = Page::default();
    let before = before.unwrap_or(&none);
    let span = Span { now, before };
    let mut out = String::new();
    // To write to a text cannot fail.
    let _ = span.head(&mut out);
    let _ = span.stages(&mut out);
    let _ = span.tenants(&mut out);
    let _ = span.rest(&mut out);
    out
}

struct Span<'a> {
    now: &'a Page,
    before: &'a Page,
}

impl Span<'_> {
    fn seconds(&self) -> f64 {
        let up = |page: &Page| page.value("souk_up_seconds").unwrap_or(0.0);
        (up(self.now) - up(self.before)).max(1e-3)
    }

    fn times(&self, name: &str, of: Option<(&str, &str)>) -> Times {
        self.now.times(name, of).since(&self.before.times(name, of))
    }

    fn rates(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let before = self.before.by(name, label);
        let mut rates = self.now.by(name, label);
        for (of, value) in &mut rates {
            *value = (*value - before.get(of).unwrap_or(&0.0)) / self.seconds();
        }
        rates
    }

    fn value(&self, name: &str) -> f64 {
        self.now.value(name).unwrap_or(0.0)
    }

    fn head(&self, out: &mut String) -> std::fmt::Result {
        let ready = self.value("souk_ready") == 1.0;
        writeln!(
            out,
            "node {}   {}   up {}   {} connections, {} sessions   {} tenants here",
            self.now
                .label("souk_build_info", "node")
                .unwrap_or_default(),
            if ready {
                "ready"
            } else {
                "NOT READY: see /readyz"
            },
            time(Some(self.value("souk_up_seconds"))),
            self.value("souk_connections"),
            self.value("souk_sessions"),
            self.value("souk_tenants_served"),
        )?;
        let unsound = self.now.by("souk_money_checks_total", "result");
        if unsound.get("unsound").is_some_and(|count| *count > 0.0) {
            writeln!(out, "MONEY IS NOT CONSERVED: runbook SoukMoneyNotConserved")?;
        } else {
            let age = time(self.now.value("souk_money_check_age_seconds"));
            writeln!(out, "money found sound {age} ago")?;
        }
        writeln!(out)
    }

    fn stages(&self, out: &mut String) -> std::fmt::Result {
        line(out, ["stage", "p50", "p99", "p99.9", "max", "a second"])?;
        for stage in STAGES {
            let times = self.times("souk_stage_seconds", Some(("stage", stage)));
            let rate = times.count() / self.seconds();
            self.quantiles(out, stage, &times, rate)?;
        }
        for (name, metric) in [
            ("sync", "souk_journal_sync_seconds"),
            ("renewal", "souk_lease_renewal_seconds"),
        ] {
            let times = self.times(metric, None);
            if self.now.times(metric, None).count() > 0.0 {
                let rate = times.count() / self.seconds();
                self.quantiles(out, name, &times, rate)?;
            }
        }
        writeln!(out)
    }

    fn quantiles(
        &self,
        out: &mut String,
        name: &str,
        times: &Times,
        rate: f64,
    ) -> std::fmt::Result {
        let [half, most, nearly, all] =
            [0.5, 0.99, 0.999, 1.0].map(|part| time(times.quantile(part)));
        line(
            out,
            [name, &half, &most, &nearly, &all, &format!("{rate:.0}")],
        )
    }

    fn tenants(&self, out: &mut String) -> std::fmt::Result {
        line(
            out,
            [
                "tenant",
                "orders/s",
                "cancels/s",
                "trades/s",
                "refused/s",
                "here",
            ],
        )?;
        let rate = |name| self.rates(name, "tenant");
        let [orders, cancels, trades, refused] = [
            rate("souk_orders_total"),
            rate("souk_cancels_total"),
            rate("souk_trades_total"),
            rate("souk_tenant_rejects_total"),
        ];
        for (tenant, here) in self.now.by("souk_tenant_served", "tenant") {
            let shown = |rates: &BTreeMap<String, f64>| {
                format!("{:.0}", rates.get(&tenant).unwrap_or(&0.0))
            };
            let here = if here == 1.0 { "yes" } else { "no" };
            let [orders, cancels, trades, refused] =
                [&orders, &cancels, &trades, &refused].map(shown);
            line(out, [&tenant, &orders, &cancels, &trades, &refused, here])?;
        }
        writeln!(out)
    }

    fn rest(&self, out: &mut String) -> std::fmt::Result {
        let waiting: f64 = self.now.by("souk_queue_commands", "matcher").values().sum();
        let most: f64 = self
            .now
            .by("souk_queue_commands_max", "matcher")
            .values()
            .sum();
        writeln!(out, "queues    {waiting:.0} of {most:.0} commands wait")?;
        if let Some(bytes) = self.now.value("souk_journal_lag_bytes") {
            let batches = self.value("souk_journal_lag_batches");
            writeln!(
                out,
                "journal   {batches:.0} batches, {bytes:.0} bytes not durable yet"
            )?;
        }
        if let Some(age) = self.now.value("souk_snapshot_age_seconds") {
            writeln!(out, "snapshot  {} ago", time(Some(age)))?;
        }
        if let Some(left) = self.now.value("souk_lease_left_seconds") {
            let ttl = time(self.now.value("souk_lease_ttl_seconds"));
            let left = time(Some(left));
            writeln!(out, "lease     {left} of {ttl} left")?;
        }
        for (code, rate) in self.rates("souk_rejects_total", "code") {
            if rate > 0.0 {
                writeln!(out, "refused   {code} {rate:.1}/s")?;
            }
        }
        Ok(())
    }
}

fn line(out: &mut String, [name, rest @ ..]: [&str; 6]) -> std::fmt::Result {
    write!(out, "{name:<16}")?;
    for cell in rest {
        write!(out, " {cell:>10}")?;
    }
    writeln!(out)
}

/// A time with the unit that fits it.
fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds > 1e9 => "long".to_owned(),
        Some(seconds) if seconds >= 7_200.0 => format!("{:.1} h", seconds / 3_600.0),
        Some(seconds) if seconds >= 120.0 => format!("{:.0} min", seconds / 60.0),
        Some(seconds) if seconds >= 1.0 => format!("{seconds:.1} s"),
        Some(seconds) if seconds >= 1e-3 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) => format!("{:.1} us", seconds * 1e6),
    }
}

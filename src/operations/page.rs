//! The page of metrics, in the OpenMetrics text format that Prometheus reads. `docs/operations.md` says what each is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use souk_protocol::{RejectReason, TenantId};

use super::board::{Board, LeaseReading, Parts};
use super::health;
use crate::clock::{self, Moment};
use crate::handoff::{MatcherDoor, QueueGauge};
use crate::metrics::{BUCKETS, Distribution, STAGES, bound_ns};
use crate::storage;

/// What the page is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How snapshots' files are called.
const SNAPSHOT_SUFFIX: &str = ".snapshot";
/// Refusals that are shown also when there were none: what is not there yet has no rate.
const ALWAYS_SHOWN: [RejectReason; 4] = [
    RejectReason::MarketBusy,
    RejectReason::TenantShareExceeded,
    RejectReason::SessionRateExceeded,
    RejectReason::SlowConsumer,
];

type Done = Result<(), fmt::Error>;
type Label<'a> = (&'a str, &'a str);

/// The whole page.
pub(super) fn page(board: &Board) -> Result<String, fmt::Error> {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(Collected(Shown::of(board))));
    let mut text = String::with_capacity(64 << 10);
    encode_registry(&mut text, &registry)?;
    text.push_str("# EOF\n");
    Ok(text)
}

/// A metric whose values differ in one label, or in none.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    values: Vec<(Vec<(String, String)>, Value)>,
}

#[derive(Debug)]
enum Value {
    Whole(u64),
    Seconds(Duration),
    Times(Box<Distribution>),
    Info,
}

/// Everything that the page shows, read once.
#[derive(Debug, Default)]
struct Shown(Vec<Family>);

#[derive(Debug)]
struct Collected(Shown);

impl Shown {
    fn of(board: &Board) -> Self {
        let mut shown = Self::default();
        shown.node(board);
        if let Some(parts) = board.parts() {
            shown.sessions(parts);
            shown.queues(parts);
            shown.stages(parts);
            shown.journal(parts);
            shown.tenants(board, parts);
        }
        let lease = board.lease();
        shown.snapshots(board, lease.as_ref());
        if let Some(lease) = &lease {
            shown.lease(lease);
        }
        shown.money(board);
        shown
    }

    fn add(
        &mut self,
        name: &'static str,
        unit: Option<Unit>,
        kind: MetricType,
        help: &'static str,
    ) -> &mut Family {
        self.0.push(Family {
            name,
            help,
            unit,
            kind,
            values: Vec::new(),
        });
        self.0.last_mut().expect("it was just added")
    }

    fn gauge(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.add(name, None, MetricType::Gauge, help)
    }

    fn counter(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.add(name, None, MetricType::Counter, help)
    }

    fn seconds(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.add(name, Some(Unit::Seconds), MetricType::Gauge, help)
    }

    fn times(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.add(name, Some(Unit::Seconds), MetricType::Histogram, help)
    }

    fn node(&mut self, board: &Board) {
        let build = self.add(
            "souk_build",
            None,
            MetricType::Info,
            "The node and its version",
        );
        let labels = [
            ("node", &*board.node),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        build.set(&labels, Value::Info);
        let up = clock::boottime().since(board.began);
        self.seconds("souk_up", "Since the process began")
            .set(&[], Value::Seconds(up));
        let ready = health::ready(board).is_ok();
        self.gauge(
            "souk_ready",
            "Whether it takes sessions in or is ready to take a tenant over",
        )
        .whole(&[], u64::from(ready));
        let started = health::startup(board).started;
        self.gauge("souk_started", "Whether it has been ready once")
            .whole(&[], u64::from(started));
        if let Some(certificate) = &board.certificate {
            self.seconds(
                "souk_tls_certificate_end",
                "When the certificate ends, in seconds since 1970-01-01 UTC",
            )
            .whole(&[], certificate.ends().max(0) as u64);
            self.counter(
                "souk_tls_refused",
                "Handshakes that came to nothing, and peers from beyond the machine that spoke plainly",
            )
            .whole(&[], certificate.refused());
        }
        let shares = board.parts().is_some_and(|parts| parts.shares_cores);
        self.gauge(
            "souk_cores_shared",
            "Whether there are fewer cores than gateway and matcher threads",
        )
        .whole(&[], u64::from(shares));
    }

    fn sessions(&mut self, parts: &Parts) {
        let registry = &parts.entrance.registry;
        self.gauge("souk_connections", "Connections, logged on or not")
            .whole(&[], registry.connections() as u64);
        self.gauge("souk_sessions", "Sessions that are logged on")
            .whole(&[], registry.sessions() as u64);
        let mut gateway: BTreeMap<u16, (RejectReason, u64)> = registry
            .refused()
            .read()
            .map(|(reason, count)| (reason.code(), (reason, count)))
            .collect();
        for reason in ALWAYS_SHOWN {
            gateway.entry(reason.code()).or_insert((reason, 0));
        }
        let family = self.counter(
            "souk_rejects",
            "Refusals, by code: by the gateway, before a market saw it, or by a market",
        );
        for (by, rejects) in [("gateway", gateway), ("market", parts.meters.rejects())] {
            for (reason, count) in rejects.into_values() {
                family.whole(&[("by", by), ("code", reason.name())], count);
            }
        }
    }

    fn queues(&mut self, parts: &Parts) {
        let mut queues: BTreeMap<usize, (u64, u64, u64)> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (_, shared) in parts.entrance.here() {
            for (number, door) in shared.doors.iter().enumerate() {
                let MatcherDoor { queue, gauge, .. } = door;
                if seen.insert(std::ptr::from_ref::<QueueGauge>(gauge) as usize) {
                    let of = queues.entry(number).or_default();
                    of.0 += u64::from(gauge.commands());
                    of.1 += u64::from(gauge.commands_max());
                    of.2 += queue.len() as u64;
                }
            }
        }
        type Depth = fn(&(u64, u64, u64)) -> u64;
        let depths: [(_, _, Depth); 3] = [
            (
                "souk_queue_commands",
                "Commands that wait, by matcher",
                |it| it.0,
            ),
            (
                "souk_queue_commands_max",
                "Commands that may wait, by matcher",
                |it| it.1,
            ),
            (
                "souk_queue_submissions",
                "Reads whose commands wait, by matcher",
                |it| it.2,
            ),
        ];
        for (name, help, depth) in depths {
            let family = self.gauge(name, help);
            for (number, of) in &queues {
                family.whole(&[("matcher", &number.to_string())], depth(of));
            }
        }
    }

    fn stages(&mut self, parts: &Parts) {
        let family = self.times(
            "souk_stage",
            "Time that requests spent in each stage, from the read of the socket to the outbox",
        );
        for stage in STAGES {
            let times = Value::Times(Box::new(parts.meters.stage(stage)));
            family.set(&[("stage", stage.name())], times);
        }
    }

    fn journal(&mut self, parts: &Parts) {
        let Some(journal) = &parts.journal else {
            return;
        };
        let (lag, counts) = (journal.lag(), journal.counts());
        self.add(
            "souk_journal_lag",
            Some(Unit::Bytes),
            MetricType::Gauge,
            "Bytes of batches that are appended and not durable yet",
        )
        .whole(&[], lag.bytes);
        self.gauge(
            "souk_journal_lag_batches",
            "Batches that are appended and not durable yet",
        )
        .whole(&[], lag.batches);
        self.counter(
            "souk_journal_groups",
            "Groups made durable, each with one sync",
        )
        .whole(&[], counts.groups);
        self.counter("souk_journal_batches", "Batches made durable")
            .whole(&[], counts.batches);
        self.add(
            "souk_journal_written",
            Some(Unit::Bytes),
            MetricType::Counter,
            "Bytes of batches and headers made durable",
        )
        .whole(&[], counts.bytes);
        self.times(
            "souk_journal_sync",
            "What it took to make a group durable: a write and a sync, or a row of the database",
        )
        .set(&[], Value::Times(Box::new(journal.syncs())));
        let failed = journal.failure().is_err();
        self.gauge("souk_journal_failed", "Whether the journal cannot go on")
            .whole(&[], u64::from(failed));
        if let Some(reach) = &parts.reach {
            let next = reach.next_batch();
            self.gauge(
                "souk_history_lag_batches",
                "Batches that are durable and not in the tables of the history yet",
            )
            .whole(&[], journal.durable_until().saturating_sub(next));
            self.counter(
                "souk_history_batches",
                "Batches in the tables of the history, or before them",
            )
            .whole(&[], next);
        }
    }

    fn tenants(&mut self, board: &Board, parts: &Parts) {
        let served: BTreeSet<TenantId> = board.served().into_iter().collect();
        self.gauge("souk_tenants_served", "Tenants that are matched here")
            .whole(&[], served.len() as u64);
        let family = self.gauge("souk_tenant_served", "Whether a tenant is matched here");
        for (tenant, name) in &board.tenants {
            family.whole(&[("tenant", name)], u64::from(served.contains(tenant)));
        }
        let counts: BTreeMap<_, _> = parts.meters.tenants().collect();
        type Count = fn(&crate::metrics::TenantCounts) -> u64;
        let kinds: [(_, _, Count); 4] = [
            (
                "souk_orders",
                "New orders and replacements that a market took",
                |it| it.orders,
            ),
            (
                "souk_cancels",
                "Cancels and mass cancels that a market took",
                |it| it.cancels,
            ),
            ("souk_trades", "Trades", |it| it.trades),
            (
                "souk_tenant_rejects",
                "Commands that a market refused",
                |it| it.rejects,
            ),
        ];
        for (name, help, count) in kinds {
            let family = self.counter(name, help);
            for (tenant, name) in &board.tenants {
                let counted = counts.get(tenant).map_or(0, count);
                family.whole(&[("tenant", name)], counted);
            }
        }
    }

    /// The age of the oldest snapshot that a start or a takeover would begin with; of the process while there is none.
    fn snapshots(&mut self, board: &Board, lease: Option<&LeaseReading>) {
        let of_files = board.parts().and_then(|parts| parts.snapshots.as_ref());
        if of_files.is_none() && lease.is_none() {
            return;
        }
        let newest = match of_files {
            // A folder that cannot be read has no snapshots to begin with.
            Some(folder) => storage::newest_of(folder, SNAPSHOT_SUFFIX).ok().flatten(),
            None => lease.and_then(|lease| lease.snapshot_ns),
        };
        let taken = newest.unwrap_or(board.began_ns);
        let age = Duration::from_nanos(clock::wall_ns().saturating_sub(taken));
        self.seconds(
            "souk_snapshot_age",
            "Since the newest snapshot was taken; since the start while there is none",
        )
        .set(&[], Value::Seconds(age));
    }

    fn lease(&mut self, lease: &LeaseReading) {
        self.seconds(
            "souk_lease_left",
            "Until the lease ends, if it is not renewed",
        )
        .set(&[], Value::Seconds(lease.left));
        self.seconds("souk_lease_ttl", "How long others wait for a renewal")
            .set(&[], Value::Seconds(lease.ttl));
        self.gauge("souk_lease_lost", "Whether the lease is lost for ever")
            .whole(&[], u64::from(lease.lost.is_some()));
        self.times(
            "souk_lease_renewal",
            "What renewals took that were answered",
        )
        .set(&[], Value::Times(Box::new(lease.renewals.clone())));
        self.counter("souk_lease_renewal_failures", "Renewals that failed")
            .whole(&[], lease.failures);
        self.counter(
            "souk_nodes_fenced",
            "Other nodes that this one has taken for dead",
        )
        .whole(&[], lease.fenced);
        let tenants = lease.tenants.unwrap_or_default();
        let family = self.gauge("souk_tenants", "Tenants by what this node does with them");
        for (state, count) in [
            ("served", tenants.served),
            ("moving", tenants.moving),
            ("warm", tenants.warm),
            ("failed", tenants.failed),
        ] {
            family.whole(&[("state", state)], count);
        }
    }

    fn money(&mut self, board: &Board) {
        let money = &board.money;
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let family = self.counter(
            "souk_money_checks",
            "Checks that totals are credits less debits and nothing is negative, by result",
        );
        for (result, count) in [
            ("sound", &money.sound),
            ("disturbed", &money.disturbed),
            ("unsound", &money.unsound),
        ] {
            family.whole(&[("result", result)], read(count));
        }
        let since = match read(&money.sound_at) {
            0 => board.began,
            at => Moment(at),
        };
        self.seconds(
            "souk_money_check_age",
            "Since the money of all tenants here was found sound; since the start before that",
        )
        .set(&[], Value::Seconds(clock::boottime().since(since)));
    }
}

impl Family {
    fn whole(&mut self, labels: &[Label<'_>], value: u64) {
        self.set(labels, Value::Whole(value));
    }

    fn set(&mut self, labels: &[Label<'_>], value: Value) {
        let owned = |(key, value): &Label<'_>| ((*key).to_owned(), (*value).to_owned());
        self.values
            .push((labels.iter().map(owned).collect(), value));
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Done {
        let unit = self.unit.as_ref();
        let mut metric = encoder.encode_descriptor(self.name, self.help, unit, self.kind)?;
        for (labels, value) in &self.values {
            if let Value::Info = value {
                metric.encode_info(labels)?;
            } else if labels.is_empty() {
                self.encode_value(&mut metric, value)?;
            } else {
                self.encode_value(&mut metric.encode_family(labels)?, value)?;
            }
        }
        Ok(())
    }

    fn encode_value(
        &self,
        metric: &mut prometheus_client::encoding::MetricEncoder<'_>,
        value: &Value,
    ) -> Done {
        match value {
            Value::Whole(count) if matches!(self.kind, MetricType::Counter) => {
                metric.encode_counter::<NoLabelSet, _, u64>(count, None)
            }
            Value::Whole(count) => metric.encode_gauge(count),
            Value::Seconds(time) => metric.encode_gauge(&time.as_secs_f64()),
            Value::Times(times) => {
                let sum = seconds_of(times.sum_ns);
                let bound = |at| {
                    if at < BUCKETS {
                        seconds_of(bound_ns(at))
                    } else {
                        f64::INFINITY
                    }
                };
                let counts = times.counts.iter().enumerate();
                let buckets: Vec<_> = counts.map(|(at, count)| (bound(at), *count)).collect();
                metric.encode_histogram::<NoLabelSet>(sum, times.count(), &buckets, None)
            }
            Value::Info => Ok(()),
        }
    }
}

fn seconds_of(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

impl prometheus_client::collector::Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Done {
        self.0.0.iter().try_for_each(|it| it.encode(&mut encoder))
    }
}

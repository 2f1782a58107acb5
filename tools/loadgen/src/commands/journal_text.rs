//! What `souk-loadgen journal` found, as text for people and as JSON.

use serde_json::{Value, json};
use souk_loadgen::facts::Machine;
use souk_loadgen::journal::{
    CurveFound, Found, JournalConfig, LatencyFound, SATURATION_LEAST, SNAPSHOT_P99_9_MAX,
    SNAPSHOT_RATE_LEAST, SYNC_AND, SnapshotsFound, WIRE_RATIO_MAX, Watched, shows,
};
use souk_loadgen::output::duration;
use souk_loadgen::turns::{Figures, Pairs, Spread};

/// A goal and what came of it.
struct Verdict {
    goal: String,
    found: String,
    /// `None`: not shown.
    hit: Option<bool>,
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self.hit {
            Some(true) => "hit",
            Some(false) => "MISS",
            None => "NOT SHOWN",
        }
    }
}

/// Tables, then what came of each goal, then what is to be remarked.
pub fn text(config: &JournalConfig, found: &Found) -> String {
    let mut out = String::new();
    if let Some(latency) = &found.latency {
        out += &latency_table(latency);
    }
    if let Some(curve) = &found.curve {
        out += &curve_table(curve);
    }
    if let Some(snapshots) = &found.snapshots {
        out += &snapshots_table(config, snapshots);
    }
    for verdict in verdicts(found) {
        let word = verdict.word();
        out += &format!("{word:<9} {}: {}\n", verdict.goal, verdict.found);
    }
    for remark in found.pairs().flat_map(|pairs| &pairs.remarks) {
        out += &format!("note {remark}\n");
    }
    out
}

/// Everything that was found.
pub fn as_json(config: &JournalConfig, disk: &str, machine: &Machine, found: &Found) -> Value {
    let turns = |pairs: &Pairs, names: [&str; 2]| {
        json!({
            (names[0]): pairs.base,
            (names[1]): pairs.other,
            "rate_ratio": pairs.ratio(rate),
            "remarks": pairs.remarks,
            "faults": pairs.faults,
        })
    };
    let classes = ["memory", "local"];
    let latency = found.latency.as_ref().map(|latency| {
        json!({
            "syncs": latency.syncs,
            "turns": turns(&latency.pairs, classes),
            "times_of_allowed": latency.excess(),
        })
    });
    let curve = found.curve.as_ref().map(|curve| {
        let point = curve.points.iter().map(|point| {
            json!({
                "outstanding": point.outstanding,
                "turns": turns(&point.pairs, classes),
                "written": point.written,
                "orders_per_sync": point.orders_per_sync(),
                "bytes_per_order": point.order_bytes(),
                "disk_to_wire_most": point.wire_ratio(),
            })
        });
        json!({"points": point.collect::<Vec<_>>(), "best_ratio": curve.best_ratio()})
    });
    let snapshots = found.snapshots.as_ref().map(|snapshots| {
        let names = ["without", "with"];
        json!({
            "resting": snapshots.resting,
            "closed": turns(&snapshots.closed, names),
            "closed_snapshots": snapshots.closed_watched,
            "rate": snapshots.rate,
            "open": turns(&snapshots.open, names),
            "open_snapshots": snapshots.open_watched,
            "p99_9_later_ns": snapshots.later_ns(),
        })
    });
    let verdicts = verdicts(found);
    let goals = verdicts.iter().map(
        |verdict| json!({"goal": verdict.goal, "found": verdict.found, "verdict": verdict.word()}),
    );
    json!({
        "data": config.data,
        "file_system": disk,
        "machine": machine,
        "workload": config.profile.name,
        "connections": config.connections,
        "rounds": config.rounds,
        "commit": found.commit,
        "ways": found.compared,
        "latency": latency,
        "curve": curve,
        "snapshots": snapshots,
        "goals": goals.collect::<Vec<_>>(),
    })
}

const fn p50(turn: &Figures) -> f64 {
    turn.latency.p50 as f64
}

const fn p99(turn: &Figures) -> f64 {
    turn.latency.p99 as f64
}

const fn p99_9(turn: &Figures) -> f64 {
    turn.latency.p99_9 as f64
}

const fn rate(turn: &Figures) -> f64 {
    turn.rate
}

fn time(spread: Spread) -> String {
    duration(spread.median as u64)
}

fn times(spread: Spread) -> String {
    let each = [spread.min, spread.max].map(|ns| duration(ns as u64));
    format!("{} ({} to {})", time(spread), each[0], each[1])
}

/// A ratio and its spread.
fn ratio(spread: Spread) -> String {
    format!("{:.2} ({:.2}-{:.2})", spread.median, spread.min, spread.max)
}

fn latency_table(found: &LatencyFound) -> String {
    let (memory, local) = found.pairs.medians(p50);
    let (memory99, local99) = found.pairs.medians(p99);
    format!(
        "one order outstanding, one connection   p50\n\
         bare sync   {}\n\
         memory      {}, p99 {}\n\
         local       {}, p99 {}\n\
         allowed     {}\n\n",
        times(found.sync_ns()),
        times(memory),
        time(memory99),
        times(local),
        time(local99),
        times(Spread::of(found.allowed_ns())),
    )
}

fn curve_table(found: &CurveFound) -> String {
    let mut out = format!(
        "{:<12} {:>9} {:>9} {:>18} {:>9} {:>9} {:>9} {:>9} {:>12} {:>12}\n",
        "outstanding",
        "memory/s",
        "local/s",
        "ratio",
        "mem. p50",
        "loc. p50",
        "mem. p99",
        "loc. p99",
        "orders/sync",
        "bytes/order"
    );
    for point in &found.points {
        let pairs = &point.pairs;
        let (memory, local) = pairs.medians(rate);
        let (memory50, local50) = pairs.medians(p50);
        let (memory99, local99) = pairs.medians(p99);
        out += &format!(
            "{:<12} {:>9.0} {:>9.0} {:>18} {:>9} {:>9} {:>9} {:>9} {:>12.1} {:>12.1}\n",
            point.outstanding,
            memory.median,
            local.median,
            ratio(pairs.ratio(rate)),
            time(memory50),
            time(local50),
            time(memory99),
            time(local99),
            point.orders_per_sync().median,
            point.order_bytes().median,
        );
    }
    out + "\n"
}

fn snapshots_table(config: &JournalConfig, found: &SnapshotsFound) -> String {
    let mut out = format!(
        "{:<24} {:>10} {:>10} {:>18} {:>10} {:>10} {:>10} {:>10}\n",
        "snapshots", "without/s", "with/s", "ratio", "p99", "with", "p99.9", "with"
    );
    for (name, pairs) in [
        ("as fast as it answers".to_owned(), &found.closed),
        (format!("{:.0}/s by the clock", found.rate), &found.open),
    ] {
        let (without, with) = pairs.medians(rate);
        let (without99, with99) = pairs.medians(p99);
        let (without99_9, with99_9) = pairs.medians(p99_9);
        out += &format!(
            "{name:<24} {:>10.0} {:>10.0} {:>18} {:>10} {:>10} {:>10} {:>10}\n",
            without.median,
            with.median,
            ratio(pairs.ratio(rate)),
            time(without99),
            time(with99),
            time(without99_9),
            time(with99_9),
        );
    }
    for (name, watched) in [
        ("as fast as it answers", &found.closed_watched),
        ("by the clock", &found.open_watched),
    ] {
        out += &format!("{name}: {}\n", taken(watched));
    }
    let [without, with] = found.resting;
    out + &format!(
        "{without} and {with} orders rest; a snapshot after each segment of {} bytes\n\n",
        config.segment_bytes
    )
}

fn taken(watched: &[Watched]) -> String {
    let each = watched.iter().map(|turn| {
        format!(
            "{} ({:.0} % of the time, up to {} KB)",
            turn.taken,
            100.0 * turn.busy,
            turn.bytes / 1_024
        )
    });
    let each: Vec<_> = each.collect();
    format!("snapshots in the turns with them: {}", each.join(", "))
}

fn verdicts(found: &Found) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let Some(latency) = &found.latency {
        verdicts.push(of_latency(latency));
    }
    if let Some(curve) = &found.curve {
        verdicts.extend(of_curve(curve));
    }
    if let Some(snapshots) = &found.snapshots {
        verdicts.extend(of_snapshots(snapshots));
    }
    verdicts
}

fn of_latency(latency: &LatencyFound) -> Verdict {
    let excess = latency.excess();
    Verdict {
        goal: format!("one order, p50 of local <= bare sync + {SYNC_AND} x memory"),
        found: format!("{} of what is allowed", ratio(excess)),
        hit: latency.is_met(),
    }
}

fn of_curve(curve: &CurveFound) -> Vec<Verdict> {
    let best = curve.best_ratio();
    let Some(point) = curve.saturation() else {
        return Vec::new();
    };
    let wire = point.wire_ratio();
    let bytes = Spread::of(point.pairs.other.iter().map(|turn| turn.message_bytes));
    vec![
        Verdict {
            goal: format!("saturation, best rate of local >= {SATURATION_LEAST} x best of memory"),
            found: ratio(best),
            hit: Some(best.median >= SATURATION_LEAST),
        },
        Verdict {
            goal: format!(
                "bytes on the disk for an order <= {WIRE_RATIO_MAX} x on the wire, at {} outstanding",
                point.outstanding
            ),
            found: format!(
                "at most {}; {:.1} in the journal, {:.1} on the wire",
                ratio(wire),
                point.order_bytes().median,
                bytes.median
            ),
            hit: Some(wire.median <= WIRE_RATIO_MAX),
        },
    ]
}

fn of_snapshots(found: &SnapshotsFound) -> [Verdict; 2] {
    let (rates, later) = (found.closed.ratio(rate), found.later_ns());
    let ms = |ns: f64| format!("{:.2} ms", ns / 1e6);
    [
        Verdict {
            goal: format!("snapshots, rate >= {SNAPSHOT_RATE_LEAST} x without"),
            found: ratio(rates),
            hit: shows(&found.closed_watched).then_some(rates.median >= SNAPSHOT_RATE_LEAST),
        },
        Verdict {
            goal: format!(
                "snapshots, p99.9 at most {} later than without",
                ms(SNAPSHOT_P99_9_MAX)
            ),
            found: format!(
                "{} ({} to {})",
                ms(later.median),
                ms(later.min),
                ms(later.max)
            ),
            hit: found.is_late_at_most(SNAPSHOT_P99_9_MAX),
        },
    ]
}

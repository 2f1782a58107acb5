//! Two states that were measured in turns, as text.

use souk_loadgen::output::duration;
use souk_loadgen::turns::{Figures, Goal, Outcome, Pairs, Spread};

/// The turns of one comparison.
pub struct Row<'a> {
    /// What was compared.
    pub name: &'a str,
    /// Its turns.
    pub pairs: &'a Pairs,
    /// What was asked.
    pub goals: &'a [Goal],
}

/// Medians, ratios and their spread; then what came of each goal; then what is to be remarked. `names` are those of the base and
/// of the other state, in up to 6 letters.
pub fn table(rows: &[Row<'_>], names: [&str; 2]) -> String {
    let [base, other] = names;
    let mut out = format!(
        "{:<12} {:>10} {:>10} {:>7} {:>10} {:>10} {:>7} {:>10} {:>10} {:>6} {:>10} {:>8}\n",
        "",
        format!("{base} p50"),
        format!("{other} p50"),
        "ratio",
        format!("{base} p99"),
        format!("{other} p99"),
        "ratio",
        format!("{base}/s"),
        format!("{other}/s"),
        "ratio",
        format!("{other} CPU"),
        "driver"
    );
    for row in rows {
        out += &figures(row);
    }
    out.push('\n');
    for row in rows {
        for Outcome { goal, found, hit } in row.pairs.outcomes(row.goals) {
            let verdict = if hit { "hit " } else { "MISS" };
            let found = found.map_or("not measured".to_owned(), |found| format!("{found:.2}"));
            out += &format!("{verdict} {:<12} {}: {found}\n", row.name, goal.text(base));
        }
    }
    for remark in rows.iter().flat_map(|row| &row.pairs.remarks) {
        out += &format!("note {remark}\n");
    }
    out
}

fn figures(row: &Row<'_>) -> String {
    let Row { name, pairs, .. } = row;
    let p50 = |f: &Figures| f.latency.p50 as f64;
    let p99 = |f: &Figures| f.latency.p99 as f64;
    let rate = |f: &Figures| f.rate;
    let time = |spread: Spread| duration(spread.median as u64);
    let (base50, other50) = pairs.medians(p50);
    let (base99, other99) = pairs.medians(p99);
    let (base_rate, other_rate) = pairs.medians(rate);
    let cpu = pairs.medians(|f| f.server_ns).1.median;
    let spread = |s: Spread| format!("{:.2}-{:.2}", s.min, s.max);
    format!(
        "{name:<12} {:>10} {:>10} {:>7.2} {:>10} {:>10} {:>7.2} {:>10.0} {:>10.0} {:>6.2} {:>10} {:>8}\n\
         {:<12} spread of the ratios: p50 {}, p99 {}, messages/s {}\n",
        time(base50),
        time(other50),
        pairs.ratio(p50).median,
        time(base99),
        time(other99),
        pairs.ratio(p99).median,
        base_rate.median,
        other_rate.median,
        pairs.ratio(rate).median,
        if cpu > 0.0 {
            format!("{cpu:.0}ns")
        } else {
            "-".to_owned()
        },
        format!("{:.0}ns", pairs.medians(|f| f.driver_ns).1.median),
        "",
        spread(pairs.ratio(p50)),
        spread(pairs.ratio(p99)),
        spread(pairs.ratio(rate)),
    )
}

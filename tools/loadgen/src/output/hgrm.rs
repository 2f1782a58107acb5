//! The percentile text format of HdrHistogram, which its plotter and other tools read.

use std::io::{self, Write};

use hdrhistogram::Histogram;

/// Lines for each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;
/// Histograms are kept in nanoseconds and written in microseconds.
const NS_PER_UNIT: f64 = 1_000.0;

/// Writes a histogram of nanoseconds as percentiles in microseconds.
///
/// # Errors
/// When `out` fails.
pub fn write_hgrm(histogram: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / NS_PER_UNIT;
        let quantile = step.quantile_iterated_to();
        write!(out, "{value:12.3} {quantile:2.12} {total:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]",
        histogram.mean() / NS_PER_UNIT,
        histogram.stdev() / NS_PER_UNIT
    )?;
    writeln!(
        out,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        histogram.max() as f64 / NS_PER_UNIT,
        histogram.len()
    )?;
    let (buckets, sub_buckets) = shape(histogram);
    writeln!(
        out,
        "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]"
    )
}

/// Buckets and sub-buckets, as the format's last line names them.
fn shape(histogram: &Histogram<u64>) -> (usize, usize) {
    // A histogram of d digits tells 2 x 10^d values apart in each bucket.
    let sub_buckets = (2 * 10usize.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    let half = sub_buckets / 2;
    (histogram.distinct_values() / half - 1, sub_buckets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stats::histogram;

    fn text_of(values: impl Iterator<Item = u64>) -> String {
        let mut histogram = histogram();
        for value in values {
            histogram.record(value).unwrap();
        }
        let mut out = Vec::new();
        write_hgrm(&histogram, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_file_looks_as_the_plotter_expects() {
        let text = text_of((1..=10).map(|value| value * 1_000));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "       Value     Percentile TotalCount 1/(1-Percentile)"
        );
        assert_eq!(lines[1], "");
        assert_eq!(
            lines[2],
            "       1.000 0.000000000000          1           1.00"
        );
        let last = lines[lines.len() - 4];
        assert_eq!(
            last, "      10.007 1.000000000000         10",
            "no 1/0 in the last row"
        );
        assert!(
            lines[lines.len() - 3].starts_with("#[Mean    =        5.50"),
            "{text}"
        );
        assert!(
            lines[lines.len() - 2].contains("Total count    =           10]"),
            "{text}"
        );
        assert!(lines[lines.len() - 1].starts_with("#[Buckets ="), "{text}");
        assert!(
            lines[lines.len() - 1].contains("SubBuckets     =         2048]"),
            "{text}"
        );
    }

    #[test]
    fn values_and_counts_never_fall() {
        let text = text_of((0..100_000).map(|value| 1 + value * 37 % 5_000_000));
        let rows: Vec<(f64, u64)> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let fields: Vec<_> = line.split_whitespace().collect();
                (fields[0].parse().unwrap(), fields[2].parse().unwrap())
            })
            .collect();
        assert!(rows.len() > 50);
        assert!(
            rows.windows(2)
                .all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1)
        );
        assert_eq!(rows.last().unwrap().1, 100_000);
    }

    #[test]
    fn an_empty_histogram_has_no_rows() {
        let text = text_of(std::iter::empty());
        assert!(text.contains("Total count    =            0]"), "{text}");
    }
}

//! Reads a page of metrics.

use std::collections::BTreeMap;

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Page {
    /// By name, then by labels as they stand there.
    samples: BTreeMap<String, BTreeMap<String, f64>>,
}

/// How many times were at most how long.
#[derive(Debug, Default, PartialEq)]
pub struct Times {
    /// Bounds in seconds, and how many were at most that, in order.
    buckets: Vec<(f64, f64)>,
}

impl Page {
    /// Reads a page. What cannot be read is left out.
    pub fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((sample, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse() else {
                continue;
            };
            let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
            let labels = labels.trim_end_matches('}').to_owned();
            let samples = page.samples.entry(name.to_owned()).or_default();
            samples.insert(labels, value);
        }
        page
    }

    /// A metric without labels.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.samples.get(name)?.get("").copied()
    }

    /// A metric's values, and what one label is for each; those with other labels are added up.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut values = BTreeMap::new();
        for (labels, value) in self.samples.get(name).into_iter().flatten() {
            if let Some(of) = label_of(labels, label) {
                *values.entry(of.to_owned()).or_insert(0.0) += value;
            }
        }
        values
    }

    /// A label of the first sample of a metric.
    pub fn label(&self, name: &str, label: &str) -> Option<String> {
        let labels = self.samples.get(name)?.keys().next()?;
        label_of(labels, label).map(str::to_owned)
    }

    /// A histogram, of the samples with such a label if one is given.
    pub fn times(&self, name: &str, of: Option<(&str, &str)>) -> Times {
        let samples = self.samples.get(&format!("{name}_bucket"));
        let mut buckets: Vec<(f64, f64)> = samples
            .into_iter()
            .flatten()
            .filter(|(labels, _)| {
                of.is_none_or(|(label, wanted)| label_of(labels, label) == Some(wanted))
            })
            .filter_map(|(labels, count)| {
                let bound = label_of(labels, "le")?;
                Some((bound.parse().unwrap_or(f64::INFINITY), *count))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Times { buckets }
    }
}

impl Times {
    /// What has come since.
    pub fn since(mut self, before: &Self) -> Self {
        for ((_, count), (_, earlier)) in self.buckets.iter_mut().zip(&before.buckets) {
            *count -= earlier;
        }
        self
    }

    /// How many there were.
    pub fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// The bound that such a part of all was at most; nothing if there were none.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let count = self.count();
        if count <= 0.0 {
            return None;
        }
        let wanted = (part * count).ceil();
        let found = self.buckets.iter().find(|(_, count)| *count >= wanted);
        found.map(|(bound, _)| *bound)
    }
}

fn label_of<'a>(labels: &'a str, label: &str) -> Option<&'a str> {
    let pairs = labels
        .split("\",")
        .filter_map(|pair| pair.split_once("=\""));
    let mut found = pairs.filter(|(name, _)| *name == label);
    found.next().map(|(_, value)| value.trim_end_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE souk_stage_seconds histogram\n\
        souk_stage_seconds_bucket{le=\"0.001\",stage=\"match\"} 90\n\
        souk_stage_seconds_bucket{le=\"0.01\",stage=\"match\"} 99\n\
        souk_stage_seconds_bucket{le=\"+Inf\",stage=\"match\"} 100\n\
        souk_stage_seconds_bucket{le=\"+Inf\",stage=\"queue\"} 7\n\
        souk_orders_total{tenant=\"acme\"} 5\n\
        souk_up_seconds 2.5\n# EOF\n";

    #[test]
    fn a_page_is_read_by_label_and_by_quantile() {
        let page = Page::parse(PAGE);
        assert_eq!(page.value("souk_up_seconds"), Some(2.5));
        let orders = page.by("souk_orders_total", "tenant");
        assert_eq!(orders.get("acme"), Some(&5.0));
        let times = page.times("souk_stage_seconds", Some(("stage", "match")));
        assert_eq!(times.count(), 100.0);
        assert_eq!(times.quantile(0.5), Some(0.001));
        assert_eq!(times.quantile(0.99), Some(0.01));
        assert_eq!(times.quantile(1.0), Some(f64::INFINITY));
        let again = page.times("souk_stage_seconds", Some(("stage", "match")));
        assert_eq!(again.since(&times).quantile(0.5), None);
    }
}

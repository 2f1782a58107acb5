//! What a run counts and times. Every driver thread owns its own; they are added up at the end.

use hdrhistogram::Histogram;
use souk_protocol::Code;

/// The longest time that is told apart from longer ones: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Digits that are kept.
const DIGITS: u8 = 3;

/// An empty histogram of nanoseconds.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS)
        .expect("1 ns to a minute with 3 digits are legal bounds")
}

/// Latencies in nanoseconds of the messages that were planned within the measured time.
#[derive(Clone, Debug)]
pub struct Latency {
    /// From the planned send time to the answer.
    pub response: Histogram<u64>,
    /// From the actual send time to the answer.
    pub service: Histogram<u64>,
    /// From the planned to the actual send time: how late the sender was.
    pub lateness: Histogram<u64>,
    /// Answers to messages that were planned within the measured time.
    pub answered: u64,
    /// Whether messages are planned ahead of their sending: in an open loop.
    planned_ahead: bool,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            response: histogram(),
            service: histogram(),
            lateness: histogram(),
            answered: 0,
            planned_ahead: true,
        }
    }
}

impl Latency {
    /// Of a loop in which the answer to one message sends the next.
    #[must_use]
    pub fn of_closed_loop() -> Self {
        Self {
            planned_ahead: false,
            ..Self::default()
        }
    }

    /// An answer came. In a closed loop `planned` and `sent` are the same and only the service
    /// time is kept; [`Self::close`] copies it.
    #[inline]
    pub fn record(&mut self, planned: u64, sent: u64, answered: u64) {
        self.answered += 1;
        self.service
            .saturating_record(answered.saturating_sub(sent));
        if self.planned_ahead {
            self.response
                .saturating_record(answered.saturating_sub(planned));
            self.lateness
                .saturating_record(sent.saturating_sub(planned));
        }
    }

    /// Takes over another thread's.
    pub fn merge(&mut self, other: &Self) {
        let same = "all histograms are made by one function";
        self.response.add(&other.response).expect(same);
        self.service.add(&other.service).expect(same);
        self.lateness.add(&other.lateness).expect(same);
        self.answered += other.answered;
    }

    /// In a closed loop nothing is planned ahead: response time is service time.
    pub fn close(&mut self) {
        if self.response.is_empty() {
            self.response = self.service.clone();
        }
    }
}

/// Percentiles in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 90th.
    pub p90: u64,
    /// 99th.
    pub p99: u64,
    /// 99.9th.
    pub p99_9: u64,
    /// 99.99th.
    pub p99_99: u64,
    /// The longest.
    pub max: u64,
    /// How many were measured.
    pub count: u64,
}

impl Percentiles {
    /// The percentiles of a histogram; all 0 when it is empty.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.50),
            p90: histogram.value_at_quantile(0.90),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            p99_99: histogram.value_at_quantile(0.999_9),
            max: histogram.max(),
            count: histogram.len(),
        }
    }
}

/// Numbers of messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages sent.
    pub sent: u64,
    /// Messages answered: by a report, or by a refusal.
    pub answered: u64,
    /// New orders sent, immediate or cancel among them.
    pub new_sent: u64,
    /// Immediate or cancel orders sent.
    pub ioc_sent: u64,
    /// Cancels sent.
    pub cancel_sent: u64,
    /// Replaces sent.
    pub replace_sent: u64,
    /// Reports received.
    pub reports: u64,
    /// Executions, counted by their taker reports.
    pub trades: u64,
    /// Cancels and replaces that came too late: the order had gone.
    pub too_late: u64,
    /// Rejected messages, by code.
    pub rejected: Codes,
    /// Messages that were not applied, by code; their numbers are used again.
    pub refused: Codes,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Times the sender had something due and no credit for it.
    pub blocked: u64,
}

impl Tally {
    /// Takes over another thread's.
    pub fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.new_sent += other.new_sent;
        self.ioc_sent += other.ioc_sent;
        self.cancel_sent += other.cancel_sent;
        self.replace_sent += other.replace_sent;
        self.reports += other.reports;
        self.trades += other.trades;
        self.too_late += other.too_late;
        self.rejected.merge(&other.rejected);
        self.refused.merge(&other.refused);
        self.bytes_out += other.bytes_out;
        self.bytes_in += other.bytes_in;
        self.blocked += other.blocked;
    }
}

/// Numbers by code. Few codes occur in a run, so a list is the fastest map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes(Vec<(u16, u64)>);

impl Codes {
    /// Adds to a code's number.
    #[inline]
    pub fn add(&mut self, code: Code, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == code.0) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((code.0, count)),
        }
    }

    /// Codes with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Code, u64)> {
        self.0.iter().map(|(code, count)| (Code(*code), *count))
    }

    /// The sum over all codes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Takes over another's numbers.
    pub fn merge(&mut self, other: &Self) {
        for (code, count) in other.iter() {
            self.add(code, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_counts_from_the_plan_and_service_from_the_send() {
        let mut latency = Latency::default();
        latency.record(1_000, 5_000, 9_000);
        assert!(latency.response.equivalent(latency.response.max(), 8_000));
        assert!(latency.service.equivalent(latency.service.max(), 4_000));
        assert!(latency.lateness.equivalent(latency.lateness.max(), 4_000));
    }

    #[test]
    fn a_message_that_is_sent_in_the_very_nanosecond_of_its_plan_counts_too() {
        let mut latency = Latency::default();
        latency.record(5_000, 5_000, 9_000);
        assert_eq!((latency.response.len(), latency.lateness.len()), (1, 1));
    }

    #[test]
    fn a_closed_loop_has_one_latency() {
        let mut latency = Latency::of_closed_loop();
        latency.record(5_000, 5_000, 9_000);
        latency.close();
        assert_eq!(latency.response, latency.service);
        assert!(latency.lateness.is_empty());
    }

    #[test]
    fn codes_add_up() {
        let mut codes = Codes::default();
        codes.add(Code(301), 2);
        codes.add(Code(803), 5);
        codes.add(Code(301), 1);
        assert_eq!(
            codes.iter().collect::<Vec<_>>(),
            [(Code(301), 3), (Code(803), 5)]
        );
        assert_eq!(codes.total(), 8);
    }
}

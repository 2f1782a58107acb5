//! How long a lease lasts and how often it is renewed.

use std::time::Duration;

/// What a lease ends earlier for its owner than for everybody else, beside the clocks' error.
pub const GUARD: Duration = Duration::from_millis(50);
/// The error of two clocks' rates against each other, in parts per thousand of a lease: each may be wrong by one.
const RATE_ERROR_PER_MILLE: u32 = 2;
/// Polls without an answer after which nobody's silence counts.
const GAP_POLLS: u32 = 10;
/// Failed renewals in a row that any setting must survive.
const FAILURES_MIN: u64 = 3;

/// The times of a lease. Invariant: checked by [`LeaseTerms::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    ttl: Duration,
    period: Duration,
    timeout: Duration,
    poll: Duration,
}

/// Why the times of a lease do not fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// A renewal may take longer than the time to the next.
    #[error(
        "renewal_timeout_ms = {} must be shorter than renewal_period_ms = {}: a renewal ends before the next is due", timeout.as_millis(), period.as_millis()
    )]
    Timeout {
        /// Of one renewal.
        timeout: Duration,
        /// From one renewal to the next.
        period: Duration,
    },
    /// Too few renewals fit the lease.
    #[error(
        "lease_ttl_ms = {} survives {survived} failed renewals in a row with renewal_period_ms = {}, which must be {FAILURES_MIN} or more",
        ttl.as_millis(), period.as_millis()
    )]
    Failures {
        /// The lease.
        ttl: Duration,
        /// From one renewal to the next.
        period: Duration,
        /// How many it survives.
        survived: u64,
    },
    /// The others are looked at too seldom.
    #[error(
        "poll_ms = {} must be 1 to {} (a tenth of lease_ttl_ms): whoever looks seldom notices late", poll.as_millis(), max.as_millis()
    )]
    Poll {
        /// From one look at the others to the next.
        poll: Duration,
        /// The longest.
        max: Duration,
    },
}

impl LeaseTerms {
    /// A lease of `ttl`, renewed every `period`, each renewal given up after `timeout`, the others looked at every `poll`.
    ///
    /// # Errors
    /// When they do not fit each other.
    pub fn new(
        ttl: Duration,
        period: Duration,
        timeout: Duration,
        poll: Duration,
    ) -> Result<Self, TermsError> {
        if timeout.is_zero() || timeout >= period {
            return Err(TermsError::Timeout { timeout, period });
        }
        let max = ttl / 10;
        if poll < Duration::from_millis(1) || poll > max {
            return Err(TermsError::Poll { poll, max });
        }
        let terms = Self {
            ttl,
            period,
            timeout,
            poll,
        };
        let survived = terms.failures_survived();
        if survived < FAILURES_MIN {
            return Err(TermsError::Failures {
                ttl,
                period,
                survived,
            });
        }
        Ok(terms)
    }

    /// How long others wait before they take the owner for dead.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// From one renewal to the next.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// After which a renewal is given up.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// From one look at the others to the next.
    #[must_use]
    pub const fn poll(&self) -> Duration {
        self.poll
    }

    /// How long the owner itself counts on a renewal, from before it was sent.
    #[must_use]
    pub fn own(&self) -> Duration {
        let error = self.ttl / 1_000 * RATE_ERROR_PER_MILLE;
        self.ttl.saturating_sub(error).saturating_sub(GUARD)
    }

    /// The longest time between two answered polls over which silence is somebody else's.
    #[must_use]
    pub fn gap(&self) -> Duration {
        self.poll * GAP_POLLS
    }

    /// How many renewals in a row may fail, each taking its whole time, without the lease being lost.
    #[must_use]
    pub fn failures_survived(&self) -> u64 {
        let own = self.own().saturating_sub(self.timeout).as_nanos();
        (own / self.period.as_nanos().max(1)).saturating_sub(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn three_seconds_at_five_a_second_survive_thirteen_failures() {
        let terms = LeaseTerms::new(ms(3_000), ms(200), ms(150), ms(25)).expect("the default");
        assert_eq!(terms.own(), ms(2_944));
        assert_eq!(terms.gap(), ms(250));
        // An answer at once instead of at the end of its time would make it 13; twelve are sure.
        assert_eq!(terms.failures_survived(), 12);
    }

    #[test]
    fn times_that_do_not_fit_are_refused() {
        let of = |ttl, period, timeout, poll| {
            LeaseTerms::new(ms(ttl), ms(period), ms(timeout), ms(poll))
        };
        assert!(matches!(
            of(3_000, 200, 200, 25),
            Err(TermsError::Timeout { .. })
        ));
        assert!(matches!(
            of(3_000, 200, 0, 25),
            Err(TermsError::Timeout { .. })
        ));
        assert!(matches!(
            of(3_000, 200, 150, 301),
            Err(TermsError::Poll { .. })
        ));
        assert!(matches!(
            of(3_000, 200, 150, 0),
            Err(TermsError::Poll { .. })
        ));
        let error = of(1_000, 300, 150, 25).expect_err("two failures end it");
        assert_eq!(
            error.to_string(),
            "lease_ttl_ms = 1000 survives 1 failed renewals in a row with renewal_period_ms = 300, which must be 3 or more"
        );
    }
}

//! Rates: a token bucket for what is admitted, and a second one for what is refused.

use std::time::Instant;

/// Admits `rate` messages a second on average and `burst` at once.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate: u64,
    /// Nanotokens: one message is a thousand million of them.
    burst: u64,
    tokens: u64,
    filled_at: Instant,
}

/// Nanotokens of one message: a rate of 1 a second earns one nanotoken a nanosecond.
const MESSAGE: u64 = 1_000_000_000;

impl TokenBucket {
    /// A full bucket. `rate` in messages a second, `burst` in messages, both at least 1.
    #[must_use]
    pub fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let burst = u64::from(burst.max(1)) * MESSAGE;
        Self {
            rate: u64::from(rate.max(1)),
            burst,
            tokens: burst,
            filled_at: now,
        }
    }

    /// Takes `count` messages.
    ///
    /// # Errors
    /// The microseconds after which they will be there; nothing was taken.
    pub fn take(&mut self, count: u32, now: Instant) -> Result<(), u32> {
        let wanted = u64::from(count) * MESSAGE;
        if self.tokens < wanted {
            self.fill(now);
        }
        if self.tokens >= wanted {
            self.tokens -= wanted;
            return Ok(());
        }
        let wait_ns = (wanted - self.tokens).div_ceil(self.rate);
        Err(u32::try_from(wait_ns.div_ceil(1_000)).unwrap_or(u32::MAX))
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled_at);
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.tokens = self
            .tokens
            .saturating_add(elapsed.saturating_mul(self.rate))
            .min(self.burst);
        self.filled_at = now;
    }
}

/// One kind of message of one session: its rate, and how much beyond it is borne.
#[derive(Clone, Debug)]
pub struct Throttle {
    admitted: TokenBucket,
    /// Half as much again may be refused before the session ends.
    refused: TokenBucket,
}

/// What a throttle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the rate.
    Admitted,
    /// Beyond it; try again after this many microseconds.
    Refused(u32),
    /// Beyond one and a half times the rate: the session ends.
    Flooding,
}

impl Throttle {
    /// A throttle for `rate` messages a second and `burst` at once.
    #[must_use]
    pub fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self {
            admitted: TokenBucket::new(rate, burst, now),
            refused: TokenBucket::new(rate / 2, burst.max(rate) / 2, now),
        }
    }

    /// Counts `count` messages.
    pub fn take(&mut self, count: u32, now: Instant) -> Verdict {
        let Err(retry_after_us) = self.admitted.take(count, now) else {
            return Verdict::Admitted;
        };
        match self.refused.take(count, now) {
            Ok(()) => Verdict::Refused(retry_after_us),
            Err(_) => Verdict::Flooding,
        }
    }

    /// Counts one message that costs as much as `cost` do: the whole burst if that is less, so
    /// that the costliest message gets through too. When it is refused it has cost no more than
    /// any other, and counts as one.
    pub fn take_costly(&mut self, cost: u32, now: Instant) -> Verdict {
        let cost = u64::from(cost).min(self.admitted.burst / MESSAGE) as u32;
        let Err(retry_after_us) = self.admitted.take(cost, now) else {
            return Verdict::Admitted;
        };
        match self.refused.take(1, now) {
            Ok(()) => Verdict::Refused(retry_after_us),
            Err(_) => Verdict::Flooding,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1_000, 10, start);
        let admitted = (0..100).filter(|_| bucket.take(1, start).is_ok()).count();
        assert_eq!(admitted, 10);
        assert_eq!(bucket.take(1, start), Err(1_000));
        assert_eq!(bucket.take(5, start + Duration::from_millis(5)), Ok(()));
        assert!(bucket.take(1, start + Duration::from_millis(5)).is_err());
        let late = start + Duration::from_secs(3_600);
        assert_eq!(bucket.take(10, late), Ok(()), "saves up to the burst");
        assert!(bucket.take(1, late).is_err(), "and no more");
    }

    #[test]
    fn a_session_at_its_rate_is_never_refused_and_one_at_twice_its_rate_ends() {
        let start = Instant::now();
        let mut calm = Throttle::new(1_000, 10, start);
        let mut flood = calm.clone();
        let mut ended_after_ms = None;
        for ms in 0..10_000_u64 {
            let now = start + Duration::from_millis(ms);
            assert_eq!(calm.take(1, now), Verdict::Admitted);
            let verdicts = [flood.take(1, now), flood.take(1, now)];
            if verdicts.contains(&Verdict::Flooding) && ended_after_ms.is_none() {
                ended_after_ms = Some(ms);
            }
        }
        assert!(
            ended_after_ms.is_some_and(|ms| (500..2_000).contains(&ms)),
            "{ended_after_ms:?}"
        );
    }

    #[test]
    fn a_costly_message_takes_its_cost_and_the_costliest_takes_the_burst() {
        let start = Instant::now();
        let mut throttle = Throttle::new(100, 64, start);
        assert_eq!(throttle.take_costly(60, start), Verdict::Admitted);
        assert_eq!(throttle.take_costly(5, start), Verdict::Refused(10_000));
        assert_eq!(throttle.take_costly(4, start), Verdict::Admitted);
        // As much as the burst, however much it costs; and a few refusals are no flood.
        for cost in [64, 391, u32::MAX] {
            assert_eq!(throttle.take_costly(cost, start), Verdict::Refused(640_000));
        }
        let later = start + Duration::from_millis(640);
        assert_eq!(throttle.take_costly(391, later), Verdict::Admitted);
        assert_eq!(throttle.take_costly(1, later), Verdict::Refused(10_000));
        let mut flood = Throttle::new(100, 64, start);
        assert_eq!(flood.take_costly(391, start), Verdict::Admitted);
        let verdicts = (0..100).map(|_| flood.take_costly(391, start));
        let borne = verdicts.take_while(|verdict| *verdict != Verdict::Flooding);
        assert_eq!(borne.count(), 50, "each refusal counts as one");
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(u32::MAX, u32::MAX, start);
        assert_eq!(bucket.take(u32::MAX, start), Ok(()));
        assert_eq!(
            bucket.take(u32::MAX, start + Duration::from_secs(86_400 * 365)),
            Ok(())
        );
    }
}

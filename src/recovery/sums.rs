//! Whether money is conserved: looked at again and again by who does everything again.

use std::time::{Duration, Instant};

use super::Recovery;
use crate::clock;
use crate::history::MoneyChecked;

/// How often the money is checked while there is something to check.
const PERIOD: Duration = Duration::from_secs(5);
/// A check may take this part of the time: one in so many.
const SHARE: u32 = 50;

/// When the money was checked.
#[derive(Debug, Default)]
pub(crate) struct SumsCheck {
    /// Not before this.
    due: Option<Instant>,
    /// How far everything was done then.
    checked: u64,
}

impl SumsCheck {
    /// Whether it is time for a check.
    pub(crate) fn is_due(&self, done: u64) -> bool {
        done != self.checked && self.due.is_none_or(|due| clock::monotonic() >= due)
    }

    /// The sums of all currencies, if it is time for them and more is done than at the last time: `done` grows with it.
    pub(crate) fn check(&mut self, recovery: &Recovery, done: u64) -> Vec<MoneyChecked> {
        let begun = clock::monotonic();
        if !self.is_due(done) {
            return Vec::new();
        }
        let (tenants, at) = (&recovery.config.tenants, clock::wall_ns());
        let checked = recovery.treasury.sums().map(|sums| MoneyChecked {
            tenant: tenants[sums.tenant.0 as usize].id,
            currency: sums.currency,
            supply: sums.sums.supply,
            balances: sums.sums.total,
            held: sums.sums.held,
            fees: sums.fees.0.into(),
            at,
        });
        let checked: Vec<_> = checked.collect();
        for wrong in checked.iter().filter(|it| it.supply != it.balances) {
            tracing::error!(
                ?wrong,
                "money is not conserved: stop trading and run `souk audit`"
            );
        }
        let now = clock::monotonic();
        let rest = (now - begun).saturating_mul(SHARE).max(PERIOD);
        self.due = Some(now + rest);
        self.checked = done;
        checked
    }
}

//! Whether money is conserved: looked at again and again by who does everything again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Recovery, RecoveryError};
use crate::clock;
use crate::history::MoneyChecked;
use crate::journal::{BalanceLine, StreamRecord};
use crate::ledger::BalanceView;
use crate::treasury::CurrencySums;

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

impl Recovery {
    /// Whether of each currency there is as much as its control stream has credited and not debited.
    pub(super) fn check_supplies(&self) -> Result<(), RecoveryError> {
        let sums = self.treasury.sums();
        let of = |it: CurrencySums| ((it.tenant, it.currency.0), it.sums.supply);
        let supplies: HashMap<_, i128> = sums.map(of).collect();
        for (index, tenant, control) in self.controls() {
            for (currency, supply) in control.supplies() {
                let ledger = supplies.get(&(index, currency.0)).copied().unwrap_or(0);
                if ledger != i128::from(supply.0) {
                    return Err(RecoveryError::Supply {
                        tenant,
                        currency,
                        control: supply,
                        ledger,
                    });
                }
            }
        }
        Ok(())
    }

    /// Compares balances that a node wrote down when it stopped in order. All that came before is done.
    pub(super) fn compare_balances(
        &mut self,
        record: &StreamRecord,
        lines: &[BalanceLine],
    ) -> Result<(), RecoveryError> {
        let (tenant, _) = self.streams.find(record)?;
        let ledger = self.treasury.ledger();
        for line in lines {
            let account = ledger.account(tenant, line.account);
            let currency = self.treasury.currency(tenant, line.currency);
            let slot = account.zip(currency);
            let slot = slot.and_then(|(account, currency)| ledger.balance(account, currency));
            let view = slot.map_or_else(BalanceView::default, |slot| ledger.view(slot));
            if (view.total, view.held) != (line.total, line.held) {
                return Err(RecoveryError::Balance {
                    tenant: record.tenant,
                    recorded: *line,
                    total: view.total,
                    held: view.held,
                });
            }
        }
        Ok(())
    }
}

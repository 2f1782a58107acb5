//! A tenant's control stream in its matcher: numbers its commands, and takes what a debit needs.

use std::sync::Arc;

use souk_protocol::{AccountId, Amount, RejectReason};

use crate::control::{Control, CurrencyCode, Funds};
use crate::handoff::{ControlRequest, Outcome, TenantIndex, Verdict};
use crate::treasury::Treasury;

/// The control stream of one tenant.
#[derive(Debug)]
pub(super) struct ControlStream {
    control: Control,
    funds: TenantFunds,
}

#[derive(Debug)]
struct TenantFunds {
    tenant: TenantIndex,
    treasury: Arc<Treasury>,
}

impl Funds for TenantFunds {
    fn take(
        &mut self,
        account: AccountId,
        currency: CurrencyCode,
        amount: Amount,
    ) -> Result<(), RejectReason> {
        self.treasury.take(self.tenant, account, currency, amount)
    }
}

/// Money that was there, as the record says. Whoever makes the changes of balances takes it, and finds out if it was not.
struct Granted;

impl Funds for Granted {
    fn take(&mut self, _: AccountId, _: CurrencyCode, _: Amount) -> Result<(), RejectReason> {
        Ok(())
    }
}

impl ControlStream {
    pub(super) const fn new(
        tenant: TenantIndex,
        control: Control,
        treasury: Arc<Treasury>,
    ) -> Self {
        Self {
            control,
            funds: TenantFunds { tenant, treasury },
        }
    }

    pub(super) const fn seq(&self) -> u64 {
        self.control.seq()
    }

    /// The state of the stream.
    pub(super) const fn control(&self) -> &Control {
        &self.control
    }

    /// Does again what the journal says: what was refused then depends on what other streams had done.
    pub(super) fn replay(&mut self, request: &ControlRequest, verdict: Verdict) -> Outcome {
        Outcome::Controlled(match verdict {
            Verdict::Refused(reason) => Err(reason),
            Verdict::Applied | Verdict::Repeated => {
                self.control.apply(&request.command, &mut Granted)
            }
        })
    }

    pub(super) fn command(&mut self, request: &ControlRequest) -> Outcome {
        if request.command.takes_a_place() && !self.funds.treasury.has_room() {
            return Outcome::Controlled(Err(RejectReason::TenantLimitReached));
        }
        Outcome::Controlled(self.control.apply(&request.command, &mut self.funds))
    }
}

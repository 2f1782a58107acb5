//! What is looked at and written down when everything has stopped.

use std::sync::Arc;

use souk_protocol::{MarketId, SessionId, TenantId};

use super::StopError;
use crate::ids::Epoch;
use crate::journal::{
    BALANCES_MAX, BalanceLine, BatchWriter, Body, Journal, JournalError, StreamRecord, Ticket,
};
use crate::storage::FolderLock;
use crate::treasury::Treasury;

/// What is looked at when everything has stopped.
#[derive(Debug)]
pub(super) struct Closing {
    pub accounts: ClosedAccounts,
    pub journal: Option<Journal>,
    /// Given back when everything else has ended.
    pub _lock: Option<FolderLock>,
}

impl Closing {
    /// Looks at the ledger, and ends the journal with its balances. Nothing runs any more.
    pub(super) fn close(&self) -> Result<(), StopError> {
        let Some(journal) = &self.journal else {
            return self.accounts.check();
        };
        // What was not published is not settled: such a ledger is not at rest.
        let ended = match journal.failure() {
            Ok(()) => self.accounts.write(journal, TenantId(0)).map(drop),
            Err(error) => Err(error),
        };
        journal.close();
        ended?;
        self.accounts.check()
    }
}

/// The accounts of a partition that nobody serves any more.
#[derive(Debug)]
pub(crate) struct ClosedAccounts {
    pub treasury: Arc<Treasury>,
    /// By index.
    pub tenants: Vec<TenantId>,
    /// Under which they were served.
    pub epoch: Epoch,
}

impl ClosedAccounts {
    /// Looks whether everything adds up.
    ///
    /// # Errors
    /// What does not.
    pub(crate) fn check(&self) -> Result<(), StopError> {
        let ledger = self.treasury.ledger();
        ledger.check_at_rest()?;
        tracing::info!(
            balances = ledger.balances(),
            currencies = ledger.currencies(),
            "the ledger is sound: totals are credits less debits, nothing is negative or under way"
        );
        Ok(())
    }

    /// Appends all balances, and an end that names `whose`. Gives what makes them durable.
    ///
    /// # Errors
    /// When the journal has failed.
    pub(crate) fn write(&self, journal: &Journal, whose: TenantId) -> Result<Ticket, JournalError> {
        let ledger = self.treasury.ledger();
        let mut waiting: Vec<Vec<BalanceLine>> = vec![Vec::new(); self.tenants.len()];
        let mut balances = 0;
        for balance in ledger.all_balances() {
            let (tenant, account) = ledger.account_owner(balance.account);
            let code = self.treasury.code(balance.currency);
            let line = BalanceLine {
                account,
                currency: code.expect("a balance has a currency that has a code"),
                total: balance.view.total,
                held: balance.view.held,
            };
            balances += 1;
            let lines = &mut waiting[tenant.0 as usize];
            lines.push(line);
            if lines.len() == BALANCES_MAX {
                let lines = std::mem::take(lines);
                let tenant = self.tenants[tenant.0 as usize];
                self.append(journal, tenant, Body::Balances(lines))?;
            }
        }
        for (tenant, lines) in self.tenants.iter().zip(waiting) {
            self.append(journal, *tenant, Body::Balances(lines))?;
        }
        self.append(journal, whose, Body::End { balances })
    }

    /// Appends a record that is of no command.
    fn append(
        &self,
        journal: &Journal,
        tenant: TenantId,
        body: Body,
    ) -> Result<Ticket, JournalError> {
        let mut writer = BatchWriter::new(self.epoch);
        writer.add(&StreamRecord {
            tenant,
            market: MarketId(0),
            stream_seq: 0,
            transact_time: 0,
            session: SessionId(0),
            body,
        });
        journal.append(writer.finish(0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{AccountTerms, FEE_ACCOUNT, Movement};
    use crate::handoff::TenantIndex;
    use crate::treasury::{Moved, Touched};
    use souk_protocol::{Amount, Text};
    use std::sync::Arc;

    #[test]
    fn a_hold_that_nobody_settled_is_an_error_at_the_end() {
        let treasury = Arc::new(Treasury::new(1, 10));
        let (tenant, currency) = (TenantIndex(0), Text::new("USDT").expect("a code"));
        treasury.define_currency(tenant, currency);
        treasury.set_account(tenant, FEE_ACCOUNT, &AccountTerms::FEES);
        let credit = Movement {
            business: Text::new("test").expect("a name"),
            business_id: 1,
            from: None,
            to: Some(FEE_ACCOUNT),
            currency,
            scale: 6,
            amount: Amount(10),
        };
        let moved = Moved {
            movement: &credit,
            control_seq: 1,
            transact_time: 0,
        };
        treasury.move_money(tenant, &moved, &mut Touched::default());
        let closing = Closing {
            accounts: ClosedAccounts {
                treasury: Arc::clone(&treasury),
                tenants: vec![TenantId(1)],
                epoch: Epoch::ALONE,
            },
            journal: None,
            _lock: None,
        };
        assert!(closing.close().is_ok());
        treasury
            .take(tenant, FEE_ACCOUNT, currency, Amount(4))
            .expect("ten are there");
        let error = closing.close().expect_err("four are under way");
        assert!(matches!(error, StopError::Ledger(_)), "{error}");
    }
}

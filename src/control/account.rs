//! Accounts of a tenant.

use souk_protocol::message::{CreateAccount, UpdateAccount};
use souk_protocol::{AccountId, AccountStatus, FeeGroup, RejectReason, StpGroup, Text};

use super::{ACCOUNTS_MAX, Control, Effect, ExternalId};

/// The account that a tenant's fees go to. Every tenant has it from its first moment; money can be
/// transferred from it, and it places no orders.
pub const FEE_ACCOUNT: AccountId = AccountId(u32::MAX);

/// What a tenant says of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountTerms {
    /// The platform's own name for it; empty for none.
    pub external_id: ExternalId,
    /// What it may do.
    pub status: AccountStatus,
    /// Which rates it pays.
    pub fee_group: FeeGroup,
    /// Whom it must not trade with.
    pub stp_group: StpGroup,
}

impl AccountTerms {
    /// The fee account's.
    pub const FEES: Self = Self {
        external_id: Text([0; 32]),
        status: AccountStatus::CancelOnly,
        fee_group: FeeGroup(0),
        stp_group: StpGroup(0),
    };
}

impl Control {
    pub(super) fn create_account(&mut self, m: &CreateAccount) -> Result<Effect, RejectReason> {
        if m.account.0 == 0 {
            return Err(RejectReason::IdMustNotBeZero);
        }
        if self.accounts.contains(&m.account) {
            return Err(RejectReason::AccountExists);
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return Err(RejectReason::TenantLimitReached);
        }
        let named = m.external_id != Text([0; 32]);
        if named && !m.external_id.is_name() {
            return Err(RejectReason::NameNotLegal);
        }
        if named && self.external_ids.contains(&m.external_id.0) {
            return Err(RejectReason::ExternalIdExists);
        }
        let terms = AccountTerms {
            external_id: m.external_id,
            status: m.status,
            fee_group: m.fee_group,
            stp_group: m.stp_group,
        };
        if named {
            self.external_ids.insert(m.external_id.0, m.account);
        }
        self.accounts.insert(m.account, terms);
        Ok(Effect::Account {
            account: m.account,
            terms,
        })
    }

    pub(super) fn update_account(&mut self, m: &UpdateAccount) -> Result<Effect, RejectReason> {
        if m.account == FEE_ACCOUNT {
            return Err(RejectReason::FeeAccountFixed);
        }
        let terms = self
            .accounts
            .get_mut(&m.account)
            .ok_or(RejectReason::UnknownAccount)?;
        terms.status = m.status;
        terms.fee_group = m.fee_group;
        terms.stp_group = m.stp_group;
        Ok(Effect::Account {
            account: m.account,
            terms: *terms,
        })
    }
}

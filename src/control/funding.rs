//! Funding: money comes, goes, and changes accounts, each time under a name of the caller's that
//! makes a repeat harmless.

use souk_protocol::message::{Credit, Debit, Transfer};
use souk_protocol::{
    AMOUNT_MAX, AccountId, AccountStatus, Amount, CurrencyStatus, RejectReason, Text,
};

use super::{Control, CurrencyCode, Custody, Effect, Funds};

/// Money that moves. Without `from` it comes from outside, without `to` it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The caller's kind of business.
    pub business: Text<16>,
    /// The caller's number within it; together they name the movement for ever.
    pub business_id: u64,
    /// Whose money.
    pub from: Option<AccountId>,
    /// Who gets it.
    pub to: Option<AccountId>,
    /// The currency.
    pub currency: CurrencyCode,
    /// Digits after the point that the caller counts in.
    pub scale: u8,
    /// How much, in smallest units.
    pub amount: Amount,
}

/// Names a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FundingKey {
    pub(super) business: [u8; 16],
    pub(super) business_id: u64,
}

/// What is kept of a movement, to know a repeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct FundingRecord {
    pub(super) from: Option<AccountId>,
    pub(super) to: Option<AccountId>,
    pub(super) currency: CurrencyCode,
    pub(super) scale: u8,
    pub(super) amount: Amount,
    pub(super) control_seq: u64,
}

impl From<&Credit> for Movement {
    fn from(m: &Credit) -> Self {
        Self {
            business: m.business,
            business_id: m.business_id,
            from: None,
            to: Some(m.account),
            currency: m.currency,
            scale: m.scale,
            amount: m.amount,
        }
    }
}

impl From<&Debit> for Movement {
    fn from(m: &Debit) -> Self {
        Self {
            business: m.business,
            business_id: m.business_id,
            from: Some(m.account),
            to: None,
            currency: m.currency,
            scale: m.scale,
            amount: m.amount,
        }
    }
}

impl From<&Transfer> for Movement {
    fn from(m: &Transfer) -> Self {
        Self {
            business: m.business,
            business_id: m.business_id,
            from: Some(m.from),
            to: Some(m.to),
            currency: m.currency,
            scale: m.scale,
            amount: m.amount,
        }
    }
}

impl Movement {
    const fn key(&self) -> FundingKey {
        FundingKey {
            business: self.business.0,
            business_id: self.business_id,
        }
    }
}

impl FundingRecord {
    fn is_of(&self, m: &Movement) -> bool {
        self.from == m.from
            && self.to == m.to
            && self.currency == m.currency
            && self.scale == m.scale
            && self.amount == m.amount
    }
}

impl Control {
    /// A repeat is known before anything else is looked at: it gets the first answer, whatever has
    /// changed since.
    pub(super) fn fund(
        &mut self,
        m: &Movement,
        funds: &mut impl Funds,
    ) -> Result<Effect, RejectReason> {
        if let Some(record) = self.fundings.get(&m.key()) {
            return if record.is_of(m) {
                Ok(Effect::Repeated {
                    movement: *m,
                    control_seq: record.control_seq,
                })
            } else {
                Err(RejectReason::BusinessIdReused)
            };
        }
        let supply = self.check_funding(m)?;
        if self.fundings.len() >= self.fundings_max {
            return Err(RejectReason::TenantLimitReached);
        }
        if let Some(from) = m.from {
            funds.take(from, m.currency, m.amount)?;
        }
        if let Some(currency) = self.currencies.get_mut(&m.currency.0) {
            currency.supply = supply;
        }
        self.fundings.insert(
            m.key(),
            FundingRecord {
                from: m.from,
                to: m.to,
                currency: m.currency,
                scale: m.scale,
                amount: m.amount,
                control_seq: self.seq + 1,
            },
        );
        Ok(Effect::Moved(*m))
    }

    /// Gives the currency's supply after the movement.
    fn check_funding(&self, m: &Movement) -> Result<Amount, RejectReason> {
        if self.custody == Custody::External {
            return Err(RejectReason::ExternalCustody);
        }
        if !m.business.is_name() {
            return Err(RejectReason::NameNotLegal);
        }
        if m.business_id == 0 {
            return Err(RejectReason::IdMustNotBeZero);
        }
        let currency = self.currency(m.currency)?;
        for account in [m.from, m.to].into_iter().flatten() {
            if self.account(account)?.status == AccountStatus::Frozen {
                return Err(RejectReason::AccountFrozen);
            }
        }
        if m.from == m.to {
            return Err(RejectReason::SameAccount);
        }
        let definition = &currency.definition;
        if m.scale != definition.scale {
            return Err(RejectReason::WrongScale);
        }
        if m.amount.0 == 0 {
            return Err(RejectReason::AmountMustNotBeZero);
        }
        if m.amount > AMOUNT_MAX {
            return Err(RejectReason::AmountTooLarge);
        }
        let (min, max) = (definition.amount_min, definition.amount_max);
        if m.amount < min || (max.0 != 0 && m.amount > max) {
            return Err(RejectReason::AmountOutOfRange);
        }
        match (m.from, m.to) {
            (None, _) if definition.status == CurrencyStatus::Delisting => {
                Err(RejectReason::CurrencyNotListed)
            }
            (None, _) => currency
                .supply
                .0
                .checked_add(m.amount.0)
                .map(Amount)
                .filter(|supply| *supply <= AMOUNT_MAX)
                .ok_or(RejectReason::SupplyExceeded),
            (_, None) => {
                let left = currency.supply.0.checked_sub(m.amount.0);
                left.map(Amount).ok_or(RejectReason::InsufficientFunds)
            }
            _ => Ok(currency.supply),
        }
    }
}

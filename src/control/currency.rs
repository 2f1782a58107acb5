//! Currencies of a tenant.

use souk_protocol::message::{CreateCurrency, CurrencyDefinition, UpdateCurrency};
use souk_protocol::{AMOUNT_MAX, Amount, RejectReason, Reserved, SCALE_MAX};

use super::{CURRENCIES_MAX, Control, Effect};

/// A currency, and how much of it there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Currency {
    pub definition: CurrencyDefinition,
    /// Credits less debits: what the balances of all accounts add up to.
    pub supply: Amount,
}

impl Control {
    pub(super) fn create_currency(&mut self, m: &CreateCurrency) -> Result<Effect, RejectReason> {
        if !m.code.is_currency_code() {
            return Err(RejectReason::NameNotLegal);
        }
        if m.scale > SCALE_MAX {
            return Err(RejectReason::ScaleOutOfRange);
        }
        if self.currencies.contains_key(&m.code.0) {
            return Err(RejectReason::CurrencyExists);
        }
        if self.currencies.len() >= CURRENCIES_MAX {
            return Err(RejectReason::TenantLimitReached);
        }
        self.define(CurrencyDefinition {
            code: m.code,
            scale: m.scale,
            display_scale: m.display_scale,
            status: m.status,
            reserved: Reserved,
            amount_min: m.amount_min,
            amount_max: m.amount_max,
        })
    }

    pub(super) fn update_currency(&mut self, m: &UpdateCurrency) -> Result<Effect, RejectReason> {
        let scale = self.currency(m.code)?.definition.scale;
        self.define(CurrencyDefinition {
            code: m.code,
            scale,
            display_scale: m.display_scale,
            status: m.status,
            reserved: Reserved,
            amount_min: m.amount_min,
            amount_max: m.amount_max,
        })
    }

    fn define(&mut self, definition: CurrencyDefinition) -> Result<Effect, RejectReason> {
        if definition.display_scale > definition.scale {
            return Err(RejectReason::ScaleOutOfRange);
        }
        let (min, max) = (definition.amount_min, definition.amount_max);
        let bounded = max.0 != 0;
        if min > AMOUNT_MAX || max > AMOUNT_MAX || (bounded && min > max) {
            return Err(RejectReason::LimitsOutOfRange);
        }
        let currency = self
            .currencies
            .entry(definition.code.0)
            .or_insert(Currency {
                definition,
                supply: Amount(0),
            });
        currency.definition = definition;
        Ok(Effect::Currency(definition))
    }
}

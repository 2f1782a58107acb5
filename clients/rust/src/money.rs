//! Money as people write it and as the wire carries it, and what moves it.
//!
//! Must never: use a float, or round.

use souk_protocol::message::{Credit, CurrencyDefinition, Debit, StatementEntry, Transfer};
use souk_protocol::{AMOUNT_MAX, AccountId, Amount, Reserved, Text};

use crate::market::{DecimalError, Step};
use crate::request::Request;

/// A currency of the tenant, as the server defined it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    definition: CurrencyDefinition,
    unit: Step,
}

impl Currency {
    /// The currency with this definition.
    ///
    /// # Errors
    /// When its scale is above 18.
    pub fn new(definition: CurrencyDefinition) -> Result<Self, DecimalError> {
        let unit = Step::new("unit", 1, definition.scale)?;
        Ok(Self { definition, unit })
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> &str {
        self.definition.code.as_str()
    }

    /// Everything the server says about it.
    #[must_use]
    pub const fn definition(&self) -> &CurrencyDefinition {
        &self.definition
    }

    /// A decimal amount such as `1250.75` of it.
    ///
    /// # Errors
    /// When the text is no decimal, no whole number of units, negative, or above what a balance
    /// can have.
    pub fn money(&self, text: &str) -> Result<Money, DecimalError> {
        let units = u64::try_from(self.unit.count(text)?).map(Amount);
        match units {
            Ok(amount) if amount <= AMOUNT_MAX => Ok(self.units(amount)),
            _ => Err(DecimalError::OutOfRange {
                what: "amount",
                text: text.trim().to_owned(),
                min: self.text(Amount(0)),
                max: self.text(AMOUNT_MAX),
            }),
        }
    }

    /// An amount of it in units.
    #[must_use]
    pub const fn units(&self, amount: Amount) -> Money {
        Money {
            currency: self.definition.code,
            scale: self.definition.scale,
            amount,
        }
    }

    /// The decimal text of an amount in units, with all digits.
    #[must_use]
    pub fn text(&self, amount: Amount) -> String {
        self.unit.text(i128::from(amount.0))
    }

    /// The decimal text of a change in units, with all digits.
    #[must_use]
    pub fn change_text(&self, change: i64) -> String {
        self.unit.text(i128::from(change))
    }
}

/// An amount of a currency, with the scale it is meant in. Made by [`Currency::money`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// Code of the currency.
    pub currency: Text<8>,
    /// Digits after the point of the unit.
    pub scale: u8,
    /// How many units.
    pub amount: Amount,
}

/// What names a movement of money for ever. The server carries out each key once: the same
/// request under the same key is answered as the first time, another one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BusinessKey {
    /// What kind of business it is, such as `deposit`.
    pub business: Text<16>,
    /// Which piece of that business; not 0.
    pub id: u64,
}

impl BusinessKey {
    /// The key of one piece of business; `None` when the name is not 1 to 16 printable ASCII
    /// characters without spaces, or the id is 0.
    #[must_use]
    pub fn new(business: &str, id: u64) -> Option<Self> {
        let business = Text::new(business).filter(Text::is_name)?;
        (id != 0).then_some(Self { business, id })
    }
}

/// Money for an account from outside, or from an account to outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// What names it.
    pub key: BusinessKey,
    /// The account.
    pub account: AccountId,
    /// How much.
    pub money: Money,
}

impl Funding {
    pub(crate) fn credit(&self) -> Request {
        let credit = Credit {
            request_id: 0,
            business: self.key.business,
            business_id: self.key.id,
            account: self.account,
            scale: self.money.scale,
            reserved: Reserved,
            currency: self.money.currency,
            amount: self.money.amount,
        };
        Request::new(&credit.frame(0))
    }

    pub(crate) fn debit(&self) -> Request {
        let debit = Debit {
            request_id: 0,
            business: self.key.business,
            business_id: self.key.id,
            account: self.account,
            scale: self.money.scale,
            reserved: Reserved,
            currency: self.money.currency,
            amount: self.money.amount,
        };
        Request::new(&debit.frame(0))
    }
}

/// Money from one account of the tenant to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// What names it.
    pub key: BusinessKey,
    /// The account that gives.
    pub from: AccountId,
    /// The account that gets.
    pub to: AccountId,
    /// How much.
    pub money: Money,
}

impl Movement {
    pub(crate) fn transfer(&self) -> Request {
        let transfer = Transfer {
            request_id: 0,
            business: self.key.business,
            business_id: self.key.id,
            from: self.from,
            to: self.to,
            scale: self.money.scale,
            reserved: Reserved,
            currency: self.money.currency,
            amount: self.money.amount,
        };
        Request::new(&transfer.frame(0))
    }
}

/// What changed a balance, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// The changes.
    pub entries: Vec<StatementEntry>,
    /// Whether there are later ones: ask for those after the last one's `sequence`.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use souk_protocol::CurrencyStatus;

    fn usdt() -> Currency {
        Currency::new(CurrencyDefinition {
            code: Text::new("USDT").unwrap(),
            scale: 6,
            display_scale: 2,
            status: CurrencyStatus::Listed,
            reserved: Reserved,
            amount_min: Amount(0),
            amount_max: Amount(0),
        })
        .unwrap()
    }

    #[test]
    fn decimals_become_units_exactly_and_units_the_same_decimals() {
        let money = usdt().money("1250.75").unwrap();
        assert_eq!((money.scale, money.amount), (6, Amount(1_250_750_000)));
        assert_eq!(usdt().text(money.amount), "1250.750000");
        assert_eq!(usdt().change_text(-1_628_086), "-1.628086");
        assert_eq!(
            usdt().money("9223372036854.775807").unwrap().amount,
            AMOUNT_MAX
        );
    }

    #[test]
    fn what_no_balance_can_have_is_refused() {
        for text in ["0.0000001", "-1", "9223372036854.775808", "1e6", ""] {
            assert!(usdt().money(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_business_key_has_a_name_and_a_number() {
        assert!(BusinessKey::new("deposit", 1).is_some());
        for (name, id) in [
            ("", 1),
            ("deposit", 0),
            ("two words", 1),
            ("seventeen-letters", 1),
        ] {
            assert_eq!(BusinessKey::new(name, id), None, "{name} {id}");
        }
    }
}

//! What an audit finds: where two ways to the same number do not meet.

use std::fmt;

use souk_protocol::{AccountId, MarketId, RejectReason, TenantId};

use crate::control::CurrencyCode;

/// Differences that are kept; of more than that only their number is.
const KEPT_MAX: usize = 200;

/// An amount with the scale of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// In smallest units.
    pub units: i128,
    /// Digits after the point.
    pub scale: u8,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, part) = digits.split_at(digits.len() - scale);
        let sign = if self.units < 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        f.pad(&format!("{sign}{whole}{point}{part}"))
    }
}

/// Which number of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// All of it.
    Total,
    /// What open orders hold.
    Held,
    /// What may be held or debited.
    Available,
    /// The total that the running node had at its end.
    FinalTotal,
    /// What was held in the running node at its end.
    FinalHeld,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "total",
            Self::Held => "held",
            Self::Available => "available",
            Self::FinalTotal => "final total",
            Self::FinalHeld => "final held",
        })
    }
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A balance.
    Balance {
        /// Whose tenant.
        tenant: TenantId,
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyCode,
        /// Which number of it.
        quantity: Quantity,
        /// What the streams give.
        expected: Money,
        /// What is there instead.
        found: Money,
    },
    /// A number of a balance is below zero.
    Negative {
        /// Whose tenant.
        tenant: TenantId,
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyCode,
        /// Which number of it.
        quantity: Quantity,
        /// What it is.
        found: Money,
    },
    /// The totals of a currency are not credits less debits.
    Sum {
        /// Whose tenant.
        tenant: TenantId,
        /// The currency.
        currency: CurrencyCode,
        /// Credits less debits.
        expected: Money,
        /// The totals.
        found: Money,
    },
    /// A record of a stream.
    Record {
        /// Whose stream.
        tenant: TenantId,
        /// Which; 0 is the control stream.
        market: MarketId,
        /// Its number.
        stream_seq: u64,
        /// What of it.
        what: &'static str,
        /// What the replay gives.
        expected: String,
        /// What the record says.
        found: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balance {
                tenant,
                account,
                currency,
                quantity,
                expected,
                found,
            } => write!(
                f,
                "tenant {tenant}, account {account}, {}: {quantity}: expected {expected}, found {found}",
                currency.as_str()
            ),
            Self::Negative {
                tenant,
                account,
                currency,
                quantity,
                found,
            } => write!(
                f,
                "tenant {tenant}, account {account}, {}: {quantity}: expected at least 0, found {found}",
                currency.as_str()
            ),
            Self::Sum {
                tenant,
                currency,
                expected,
                found,
            } => write!(
                f,
                "tenant {tenant}, {}: sum of totals: expected {expected} (credits less debits), found {found}",
                currency.as_str()
            ),
            Self::Record {
                tenant,
                market,
                stream_seq,
                what,
                expected,
                found,
            } => {
                write!(f, "tenant {tenant}, ")?;
                match market.0 {
                    0 => write!(f, "control stream")?,
                    id => write!(f, "market {id}")?,
                }
                write!(
                    f,
                    ", stream_seq {stream_seq}: {what}: expected {expected}, found {found}"
                )
            }
        }
    }
}

/// The differences of an audit.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub kept: Vec<Difference>,
    pub count: u64,
}

impl Findings {
    pub(super) fn add(&mut self, difference: Difference) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(difference);
        }
    }
}

/// The place of a record, for what is found there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub tenant: TenantId,
    pub market: MarketId,
    pub stream_seq: u64,
}

impl Place {
    /// Adds a difference unless both are the same.
    pub(super) fn compare<T: PartialEq + fmt::Display>(
        self,
        what: &'static str,
        expected: &T,
        found: &T,
        findings: &mut Findings,
    ) {
        if expected != found {
            self.differ(what, expected.to_string(), found.to_string(), findings);
        }
    }

    pub(super) fn differ(
        self,
        what: &'static str,
        expected: String,
        found: String,
        findings: &mut Findings,
    ) {
        findings.add(Difference::Record {
            tenant: self.tenant,
            market: self.market,
            stream_seq: self.stream_seq,
            what,
            expected,
            found,
        });
    }

    /// Compares what was refused.
    pub(super) fn compare_refusals(
        self,
        expected: Option<RejectReason>,
        found: Option<RejectReason>,
        findings: &mut Findings,
    ) {
        if expected != found {
            let text = |refused: Option<RejectReason>| match refused {
                Some(reason) => format!("refused with {} ({})", reason.name(), reason.code()),
                None => "applied".to_owned(),
            };
            self.differ("verdict", text(expected), text(found), findings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_with_all_digits_of_its_currency() {
        let text = |units, scale| Money { units, scale }.to_string();
        assert_eq!(text(123_456, 2), "1234.56");
        assert_eq!(text(-5, 8), "-0.00000005");
        assert_eq!(text(7, 0), "7");
        assert_eq!(text(0, 3), "0.000");
    }
}

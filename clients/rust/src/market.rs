//! What a market is, and the way between the decimals people write and the integers the wire
//! carries.
//!
//! Must never: use a float, or round.

use souk_protocol::message::MarketDefinition;
use souk_protocol::{MarketId, Price, Qty};

/// A market of the tenant, as the server defined it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    definition: MarketDefinition,
    tick: Step,
    lot: Step,
}

impl Market {
    /// The market with this definition.
    ///
    /// # Errors
    /// When tick or lot of the definition are zero or too fine to be counted in 128 bits.
    pub fn new(definition: MarketDefinition) -> Result<Self, DecimalError> {
        Ok(Self {
            tick: Step::new("tick", definition.tick_mantissa, definition.tick_scale)?,
            lot: Step::new("lot", definition.lot_mantissa, definition.lot_scale)?,
            definition,
        })
    }

    /// The market's id.
    #[must_use]
    pub const fn id(&self) -> MarketId {
        self.definition.market
    }

    /// The market's name.
    #[must_use]
    pub fn symbol(&self) -> &str {
        self.definition.symbol.as_str()
    }

    /// Everything the server says about it.
    #[must_use]
    pub const fn definition(&self) -> &MarketDefinition {
        &self.definition
    }

    /// The ticks of a decimal price such as `61234.5`.
    ///
    /// # Errors
    /// When the text is no decimal, no multiple of the tick, or outside the market's prices.
    pub fn price(&self, text: &str) -> Result<Price, DecimalError> {
        let ticks = self.tick.count(text)?;
        let (min, max) = (self.definition.price_min.0, self.definition.price_max.0);
        match i64::try_from(ticks) {
            Ok(ticks) if (min..=max).contains(&ticks) => Ok(Price(ticks)),
            _ => Err(DecimalError::OutOfRange {
                what: "price",
                text: text.trim().to_owned(),
                min: self.tick.text(i128::from(min)),
                max: self.tick.text(i128::from(max)),
            }),
        }
    }

    /// The lots of a decimal quantity such as `0.25`.
    ///
    /// # Errors
    /// When the text is no decimal, no multiple of the lot, or outside the market's quantities.
    pub fn qty(&self, text: &str) -> Result<Qty, DecimalError> {
        let lots = self.lot.count(text)?;
        let (min, max) = (self.definition.qty_min.0, self.definition.qty_max.0);
        match u64::try_from(lots) {
            Ok(lots) if (min..=max).contains(&lots) => Ok(Qty(lots)),
            _ => Err(DecimalError::OutOfRange {
                what: "quantity",
                text: text.trim().to_owned(),
                min: self.lot.text(i128::from(min)),
                max: self.lot.text(i128::from(max)),
            }),
        }
    }

    /// The decimal text of a price in ticks, with all digits of the tick.
    #[must_use]
    pub fn price_text(&self, price: Price) -> String {
        self.tick.text(i128::from(price.0))
    }

    /// The decimal text of a quantity in lots, with all digits of the lot.
    #[must_use]
    pub fn qty_text(&self, qty: Qty) -> String {
        self.lot.text(i128::from(qty.0))
    }
}

/// Why a decimal is not a price, quantity or amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// Not a decimal number.
    #[error("{text:?} is not a decimal number: write digits, optionally a point and digits")]
    NotADecimal {
        /// The text.
        text: String,
    },
    /// More digits than 128 bits hold.
    #[error("{text:?} has too many digits")]
    TooLong {
        /// The text.
        text: String,
    },
    /// Between two ticks, lots or units.
    #[error("{text} is not a multiple of {what} {step}: nearest {below}, {above}")]
    NotAMultiple {
        /// The text.
        text: String,
        /// `tick`, `lot` or `unit`.
        what: &'static str,
        /// Its size.
        step: String,
        /// The next lower multiple.
        below: String,
        /// The next higher multiple.
        above: String,
    },
    /// Outside the market's limits, or those of money.
    #[error("{what} {text} is out of range: {min} to {max}")]
    OutOfRange {
        /// `price`, `quantity` or `amount`.
        what: &'static str,
        /// The text.
        text: String,
        /// The lowest.
        min: String,
        /// The highest.
        max: String,
    },
    /// The definition of the market or currency makes no sense.
    #[error(
        "{what} of {mantissa} x 10^-{scale} is out of range: a positive mantissa, a scale of 0 to 18"
    )]
    StepOutOfRange {
        /// `tick`, `lot` or `unit`.
        what: &'static str,
        /// Its mantissa.
        mantissa: u64,
        /// Its scale.
        scale: u8,
    },
}

/// A tick, a lot or a currency's unit: `mantissa` x 10^-`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    what: &'static str,
    /// Invariant: positive.
    mantissa: i128,
    /// Invariant: at most `SCALE_MAX`.
    scale: u8,
}

/// Most digits after the point of a tick or lot: 10^18 times 2^64 fits an `i128`.
const SCALE_MAX: u8 = 18;

impl Step {
    pub(crate) fn new(what: &'static str, mantissa: u64, scale: u8) -> Result<Self, DecimalError> {
        if mantissa == 0 || scale > SCALE_MAX {
            return Err(DecimalError::StepOutOfRange {
                what,
                mantissa,
                scale,
            });
        }
        Ok(Self {
            what,
            mantissa: i128::from(mantissa),
            scale,
        })
    }

    /// How many steps `text` is, exactly.
    pub(crate) fn count(&self, text: &str) -> Result<i128, DecimalError> {
        let text = text.trim();
        let (value, digits) = parse(text)?;
        let too_long = || DecimalError::TooLong {
            text: text.to_owned(),
        };
        // value / 10^digits = count * mantissa / 10^scale, both sides times 10^max(digits, scale)
        let common = u32::from(self.scale).max(digits);
        let scaled = value.checked_mul(power_of_ten(common - digits).ok_or_else(too_long)?);
        let step = power_of_ten(common - u32::from(self.scale))
            .and_then(|power| self.mantissa.checked_mul(power));
        let (Some(scaled), Some(step)) = (scaled, step) else {
            return Err(too_long());
        };
        let below = scaled.div_euclid(step);
        if below * step == scaled {
            return Ok(below);
        }
        Err(DecimalError::NotAMultiple {
            text: text.to_owned(),
            what: self.what,
            step: self.text(1),
            below: self.text(below),
            above: self.text(below + 1),
        })
    }

    /// The decimal text of `count` steps, with `scale` digits after the point.
    pub(crate) fn text(&self, count: i128) -> String {
        let Some(value) = count.checked_mul(self.mantissa) else {
            return format!("{count} x {}", self.text(1));
        };
        let scale = usize::from(self.scale);
        let sign = if value < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// The integer that the digits of `text` make, and how many of them are after the point.
pub(crate) fn parse(text: &str) -> Result<(i128, u32), DecimalError> {
    let not_a_decimal = || DecimalError::NotADecimal {
        text: text.to_owned(),
    };
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) || unsigned.ends_with('.')
    {
        return Err(not_a_decimal());
    }
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit - b'0')))
            .ok_or_else(|| DecimalError::TooLong {
                text: text.to_owned(),
            })?;
    }
    let digits = u32::try_from(fraction.len()).map_err(|_| not_a_decimal())?;
    Ok((if negative { -value } else { value }, digits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn step(mantissa: u64, scale: u8) -> Step {
        Step::new("tick", mantissa, scale).unwrap()
    }

    fn counts(step: Step, text: &str, count: i128) {
        assert_eq!(step.count(text), Ok(count), "{text}");
    }

    #[test]
    fn decimals_become_ticks_exactly() {
        counts(step(1, 2), "61234.5", 6_123_450);
        counts(step(1, 2), "0.01", 1);
        counts(step(1, 2), " 7 ", 700);
        counts(step(1, 2), "7.000000", 700);
        counts(step(25, 2), "5210.75", 20_843);
        counts(step(100, 0), "1200", 12);
        counts(
            step(1, 8),
            "184467440737.09551615",
            18_446_744_073_709_551_615,
        );
    }

    #[test]
    fn a_price_between_two_ticks_is_refused_with_its_neighbours() {
        let error = step(1, 2).count("0.005").unwrap_err();
        assert_eq!(
            error.to_string(),
            "0.005 is not a multiple of tick 0.01: nearest 0.00, 0.01"
        );
        let error = step(25, 2).count("-0.10").unwrap_err();
        assert_eq!(
            error.to_string(),
            "-0.10 is not a multiple of tick 0.25: nearest -0.25, 0.00"
        );
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in [
            "", "-", ".5", "5.", "1e3", "1,5", "0x1", "1.2.3", "+1", "--1", "1.-5",
        ] {
            let error = step(1, 2).count(text).unwrap_err();
            assert!(
                matches!(error, DecimalError::NotADecimal { .. }),
                "{text}: {error}"
            );
        }
        let error = step(1, 2).count(&"9".repeat(60)).unwrap_err();
        assert!(matches!(error, DecimalError::TooLong { .. }), "{error}");
        let error = step(1, 2)
            .count(&format!("0.{}1", "0".repeat(60)))
            .unwrap_err();
        assert!(matches!(error, DecimalError::TooLong { .. }), "{error}");
    }

    #[test]
    fn ticks_become_text_and_text_the_same_ticks() {
        for (mantissa, scale) in [(1, 0), (1, 2), (25, 2), (5, 8), (1, 18), (100, 0)] {
            let step = step(mantissa, scale);
            for count in [
                0,
                1,
                9,
                10,
                99,
                12_345,
                i128::from(i64::MAX),
                i128::from(u64::MAX),
            ] {
                let text = step.text(count);
                assert_eq!(step.count(&text), Ok(count), "{text} of {step:?}");
            }
        }
    }
}

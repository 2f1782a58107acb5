//! Draws what has to do with money: how much there is, who gets it, fees, limits.

use super::generate::Generator;
use super::profile::Sizes;
use super::rng::Rng;
use crate::oracle::Oracle;
use crate::oracle::ledger::Funding;
use souk_engine::{FeeRates, FeeTier, MarketLimits, MarketSpec, PairCurrency};
use souk_protocol::{AMOUNT_MAX, AccountId, Amount, PRICE_MAX, Price, QTY_MAX, Qty};

/// How much money there is in a run with holds.
#[derive(Clone, Copy, Debug)]
pub struct Wealth {
    /// What a usual order costs: base currency, quote currency.
    usual: [u64; 2],
    /// What each account begins with, in tenths of that.
    tenths: u64,
    /// One in so many commands comes with a credit or a debit.
    funding_every: u64,
}

impl Wealth {
    pub fn draw(rng: &mut Rng, spec: &MarketSpec, mid: i64, sizes: Sizes) -> Self {
        let (low, high) = (u128::from(spec.qty_min.0), u128::from(spec.qty_max.0));
        let qty = match sizes {
            Sizes::One => low,
            Sizes::UpTo(most) => low + u128::from(most) / 2,
            Sizes::Magnitudes => (low * high).isqrt(),
            Sizes::Bounds => low + high / 2,
        };
        let price = u128::try_from(mid).expect("a mid is positive");
        let cost = (qty.min(high) * price).saturating_mul(u128::from(spec.notional_unit));
        let lots = qty.min(high) * u128::from(spec.lot_units);
        let most = u128::from(AMOUNT_MAX.0 / 64);
        let usual = [lots, cost].map(|amount| u64::try_from(amount.min(most)).expect("bounded"));
        Self {
            usual,
            tenths: rng.pick(&[5, 20, 100, 300, 1_000, 10_000, 10_000]),
            funding_every: rng.pick(&[5, 20, 100, 1_000]),
        }
    }

    fn usual_of(&self, currency: PairCurrency) -> u64 {
        match currency {
            PairCurrency::Base => self.usual[0],
            PairCurrency::Quote => self.usual[1],
        }
    }
}

/// Market properties with which most orders cost a legal amount.
pub fn tame(rng: &mut Rng, spec: MarketSpec) -> MarketSpec {
    let (price_min, price_max) = rng.pick(&[(1, 10), (95, 105), (1, 1 << 20), (1 << 19, 1 << 20)]);
    let (qty_min, qty_max) = rng.pick(&[(1, 1 << 20), (1, 100), (7, 20), (3, 1_000)]);
    MarketSpec {
        price_min: Price(price_min),
        price_max: Price(price_max),
        qty_min: Qty(qty_min),
        qty_max: Qty(qty_max),
        notional_unit: rng.pick(&[1, 1, 3, 1_000, 999_983]),
        ..spec
    }
}

/// Rates, notional bounds and the size of a lot.
pub fn with_money_terms(rng: &mut Rng, mut spec: MarketSpec) -> MarketSpec {
    spec.lot_units = rng.pick(&[1, 1, 10, 1_000, 1 << 20, u64::MAX]);
    if rng.percent(60) {
        spec.lot_units = rng.pick(&[1, 10, 1_000]);
    }
    if rng.percent(60) {
        spec.fees = rates(rng);
    }
    if rng.percent(10) {
        (spec.notional_min, spec.notional_max) = notional_bounds(rng, &spec);
    }
    spec
}

/// Legal rates, of all sizes.
fn rates(rng: &mut Rng) -> FeeRates {
    let size = rng.pick(&[10, 3_000, 3_000, 100_000, 1_000_000]);
    let draw = |rng: &mut Rng, low: i64, high: i64| {
        i32::try_from(rng.within(low, high)).expect("at most a million")
    };
    let taker_ppm = draw(rng, 0, size);
    let maker_ppm = draw(rng, -i64::from(taker_ppm), size);
    FeeRates {
        maker_ppm,
        taker_ppm,
    }
}

/// Bounds that some orders meet and some do not.
fn notional_bounds(rng: &mut Rng, spec: &MarketSpec) -> (Amount, Amount) {
    let units = spec.units();
    let least = units.notional(spec.price_min, spec.qty_min);
    let most = units.notional(spec.price_max, spec.qty_max);
    let (least, most) = (least.unwrap_or(AMOUNT_MAX), most.unwrap_or(AMOUNT_MAX));
    let between = |rng: &mut Rng| least.0 + rng.magnitude(most.0 - least.0 + 1) - 1;
    let (a, b) = (between(rng), between(rng));
    let max = rng.pick(&[0, a.max(b)]);
    (Amount(rng.pick(&[0, a.min(b)])), Amount(max))
}

impl Generator {
    /// The credit or debit that comes before the next command.
    pub(super) fn funding(&mut self, oracle: &Oracle) -> Option<Funding> {
        let wealth = self.profile.wealth?;
        let accounts = usize::try_from(self.accounts()).expect("few accounts");
        let currencies = [PairCurrency::Base, PairCurrency::Quote];
        if self.funded < 2 * accounts {
            let account = AccountId(u32::try_from(1 + self.funded / 2).expect("few accounts"));
            let currency = currencies[self.funded % 2];
            self.funded += 1;
            let amount = u128::from(wealth.usual_of(currency)) * u128::from(wealth.tenths) / 10;
            return Some(Funding {
                account,
                currency,
                amount: i64::try_from(amount).unwrap_or(i64::MAX / 16),
            });
        }
        if self.rng.below(wealth.funding_every) != 0 {
            return None;
        }
        let account = self.account();
        let currency = self.rng.pick(&currencies);
        let usual = wealth.usual_of(currency);
        let available = oracle.balance(account, currency).available;
        let available = i64::try_from(available).expect("a balance is a legal amount");
        let amount = match self.rng.below(10) {
            0 => -available,
            1 => (-available).saturating_sub(1),
            // What is left is what one usual order costs, or one unit less or more.
            2 | 3 => usual.cast_signed() + self.rng.within(-1, 1) - available,
            4 => (-i64::MAX).max(
                0_i64.saturating_sub_unsigned(self.rng.magnitude(available.unsigned_abs() + 1)),
            ),
            5 => self.rng.pick(&[i64::MAX, i64::MIN + 1, 1, -1]),
            _ => self.rng.magnitude(1 + usual * 4).cast_signed(),
        };
        Some(Funding {
            account,
            currency,
            amount,
        })
    }

    /// The tier that the account has at the time: mostly the last one, which changes as tiers are
    /// added.
    pub(super) fn fee_tier(&mut self, oracle: &Oracle) -> FeeTier {
        let last = oracle.fees.len() - 1;
        let tier = if self.rng.percent(50) {
            last
        } else {
            self.rng.index(last + 1)
        };
        FeeTier(u8::try_from(tier).expect("at most 256"))
    }

    pub(super) fn fee_rates(&mut self, oracle: &Oracle) -> FeeRates {
        if self.profile.fee_flood {
            // Always new and always legal, until the table is full.
            let (maker_ppm, taker_ppm) = (self.rng.below(1_000), 1_000 + self.rng.below(1_000));
            return FeeRates {
                maker_ppm: i32::try_from(maker_ppm).expect("small"),
                taker_ppm: i32::try_from(taker_ppm).expect("small"),
            };
        }
        let mut drawn = rates(&mut self.rng);
        match self.rng.below(10) {
            0 => drawn.taker_ppm = self.rng.pick(&[-1, 1_000_001, i32::MIN, i32::MAX]),
            1 => drawn.maker_ppm = self.rng.pick(&[-1_000_001, 1_000_001, i32::MIN, i32::MAX]),
            2 => drawn = self.rng.pick(&oracle.fees),
            3 => {
                // The largest rebate that the table bears, or one more.
                let pays = oracle.fees.iter().map(|rates| rates.taker_ppm).min();
                drawn.taker_ppm = pays.expect("there is tier 0");
                drawn.maker_ppm = -drawn.taker_ppm - self.rng.pick(&[0, 1]);
            }
            _ => {}
        }
        drawn
    }

    /// Mostly what the run began with; else one thing changed, at times to something illegal.
    pub(super) fn limits(&mut self) -> MarketLimits {
        let spec = self.profile.spec;
        let mut limits = spec.limits();
        if self.rng.percent(40) {
            return limits;
        }
        let illegal = self.rng.percent(20);
        match self.rng.below(6) {
            0 if illegal => limits.price_min = Price(self.rng.pick(&[0, -1, PRICE_MAX.0])),
            0 => limits.price_min = Price(self.rng.within(spec.price_min.0, self.mid)),
            1 if illegal => limits.price_max = Price(self.rng.pick(&[0, PRICE_MAX.0 + 1])),
            1 => limits.price_max = Price(self.rng.within(self.mid, spec.price_max.0)),
            2 if illegal => limits.qty_min = Qty(self.rng.pick(&[0, spec.qty_max.0 + 1])),
            2 => limits.qty_min.0 += self.rng.below(3).min(spec.qty_max.0 - spec.qty_min.0),
            3 if illegal => limits.qty_max = Qty(self.rng.pick(&[0, QTY_MAX.0 + 1, u64::MAX])),
            3 => limits.qty_max.0 -= self.rng.below(limits.qty_max.0 - limits.qty_min.0 + 1),
            4 if illegal => limits.notional_max = Amount(self.rng.pick(&[u64::MAX, 1 << 63])),
            4 => (limits.notional_min, limits.notional_max) = notional_bounds(&mut self.rng, &spec),
            _ if illegal => limits.orders_max = self.rng.pick(&[0, u32::MAX]),
            _ => limits.account_orders_max = self.rng.pick(&[1, 3, 20]),
        }
        limits
    }
}

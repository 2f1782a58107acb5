//! What one run is like. Each run draws a profile of its own, with features switched off at
//! random, so that what two features do together is not drowned by all the others.

use super::Setting;
use super::money::{self, Wealth};
use super::rng::Rng;
use souk_engine::{FeeRates, MarketSpec};
use souk_protocol::{Amount, PRICE_MAX, Price, QTY_MAX, Qty, StpMode, StpScope};

/// What a step does, before its details are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gtc,
    PostOnly,
    Ioc,
    Fok,
    MarketIoc,
    MarketFok,
    Cancel,
    Replace,
    MassCancel,
    Status,
    SetState,
    AddFees,
    SetLimits,
    Garbage,
}

/// How client order ids are chosen.
#[derive(Clone, Copy, Debug)]
pub enum ClOrdIds {
    None,
    Counted,
    /// One of so many, so that ids come again and are often taken.
    Pool(u64),
}

/// Which sizes orders have.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    One,
    UpTo(u64),
    Magnitudes,
    Bounds,
}

/// When level updates are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    Never,
    Always,
    Sometimes,
}

/// What one run is like.
#[derive(Clone, Debug)]
pub struct Profile {
    pub spec: MarketSpec,
    pub commands: usize,
    pub levels: Levels,
    /// The whole state is compared after one in so many commands.
    pub state_every: u64,
    pub kinds: Vec<(Kind, u64)>,
    /// The group of account 1, 2 ...
    pub groups: Vec<u16>,
    pub regroup: bool,
    pub sessions: u64,
    pub stp_modes: Vec<StpMode>,
    pub stp_scopes: Vec<StpScope>,
    pub cl_ord_ids: ClOrdIds,
    pub sizes: Sizes,
    /// The run tries to keep about so many orders open.
    pub open_target: usize,
    pub mid: i64,
    /// Most prices are so near to the mid.
    pub band: u64,
    /// The mid moves at most so much in a step.
    pub drift: u64,
    pub drift_percent: u64,
    /// One in so many commands takes the mid somewhere else ...
    pub jump_every: u64,
    /// ... at most so far away.
    pub jump_reach: u64,
    pub outlier_percent: u64,
    pub crossing_percent: u64,
    pub stale_percent: u64,
    pub broken_percent: u64,
    /// None without holds.
    pub wealth: Option<Wealth>,
    /// Whether tiers are added until the table is full.
    pub fee_flood: bool,
}

impl Profile {
    pub fn setting(&self) -> Setting {
        Setting {
            spec: self.spec,
            holds: self.wealth.is_some(),
        }
    }

    pub fn draw(rng: &mut Rng) -> Self {
        let profile = Self::draw_usual(rng);
        if rng.percent(1) {
            profile.with_a_big_book(rng)
        } else {
            profile
        }
    }

    /// Thousands of open orders on up to thousands of levels, in clusters with gaps between them,
    /// so that whatever grows or slides in a market has to.
    fn with_a_big_book(mut self, rng: &mut Rng) -> Self {
        self.kinds.retain(|(kind, _)| *kind != Kind::MassCancel);
        Self {
            spec: MarketSpec {
                qty_max: Qty(1_000),
                ..MarketSpec::WIDE
            },
            commands: 12_000,
            levels: Levels::Never,
            state_every: 512,
            cl_ord_ids: ClOrdIds::Counted,
            sizes: Sizes::Magnitudes,
            open_target: rng.pick(&[1_000, 2_000, 6_000]),
            mid: 1 << 39,
            band: rng.pick(&[3, 300, 3_000, 20_000]),
            drift: 3,
            drift_percent: rng.pick(&[0, 10]),
            jump_every: rng.pick(&[500, 2_000, u64::MAX]),
            jump_reach: 40_000,
            outlier_percent: rng.pick(&[0, 1]),
            crossing_percent: rng.pick(&[1, 5]),
            wealth: None,
            ..self
        }
    }

    fn draw_usual(rng: &mut Rng) -> Self {
        let holds = rng.percent(70);
        let mut spec = draw_spec(rng);
        if holds && rng.percent(80) {
            spec = money::tame(rng, spec);
        }
        let spec = money::with_money_terms(rng, spec).check();
        let spec = spec.expect("every drawn market is legal");
        let open_target = rng.pick(&[2, 5, 12, 12, 25, 25, 40, 40, 80, 80, 150, 300, 600]);
        let accounts: u32 = rng.pick(&[1, 2, 2, 3, 4, 6]);
        let room = spec
            .orders_max
            .min(spec.account_orders_max.saturating_mul(accounts));
        let open_target = open_target.min(room as usize + 1);
        let groups = (0..accounts).map(|_| rng.pick(&[0, 1, 1, 1, 2])).collect();
        let all = [StpScope::Account, StpScope::Group];
        let (low, high) = (spec.price_min.0, spec.price_max.0);
        let near_low = low
            + rng
                .magnitude((high - low).cast_unsigned().max(1))
                .cast_signed()
            - 1;
        let mid = rng.pick(&[low, high, near_low, near_low, low + (high - low) / 2]);
        let sizes = match rng.below(6) {
            0 => Sizes::One,
            1 => Sizes::UpTo(10),
            2 | 3 => Sizes::UpTo(1_000),
            4 => Sizes::Magnitudes,
            _ => Sizes::Bounds,
        };
        let wealth = holds.then(|| Wealth::draw(rng, &spec, mid, sizes));
        let fee_flood = rng.percent(2);
        let mut commands = 1_000 + rng.index(5_000);
        if rng.percent(10) {
            commands += 14_000;
        }
        Self {
            spec,
            commands,
            levels: rng.pick(&[
                Levels::Never,
                Levels::Never,
                Levels::Always,
                Levels::Sometimes,
            ]),
            state_every: rng.pick(&[2, 8, 32, 64, 64, 64, 128]),
            kinds: draw_kinds(rng, fee_flood),
            groups,
            regroup: rng.percent(20),
            sessions: rng.pick(&[1, 3, 1_000, 1 << 32]),
            stp_modes: subset(rng, StpMode::ALL),
            stp_scopes: subset(rng, &all),
            cl_ord_ids: match rng.below(4) {
                0 => ClOrdIds::None,
                1 => ClOrdIds::Counted,
                2 => ClOrdIds::Pool(4 + open_target as u64),
                _ => ClOrdIds::Pool(10 * open_target as u64),
            },
            sizes,
            open_target,
            mid,
            band: rng.pick(&[1, 2, 5, 20, 20, 100, 1_000, 50_000]),
            drift: rng.pick(&[1, 1, 3, 50, 1_000]),
            drift_percent: rng.pick(&[0, 0, 5, 30, 100]),
            jump_reach: rng.pick(&[300, 10_000, 1 << 62, 1 << 62]),
            jump_every: rng.pick(&[100, 1_000, 5_000, u64::MAX]),
            outlier_percent: rng.pick(&[0, 0, 1, 5, 20]),
            crossing_percent: rng.pick(&[2, 10, 25, 50]),
            stale_percent: rng.pick(&[0, 2, 10, 40]),
            broken_percent: rng.pick(&[0, 1, 3, 10]),
            wealth,
            fee_flood,
        }
    }
}

/// Market properties: narrow and wide, low and at the upper bounds, with room and without.
fn draw_spec(rng: &mut Rng) -> MarketSpec {
    let (price_min, price_max) = match rng.below(8) {
        0 => (1, 10),
        1 => (95, 105),
        2 => (1, 1 << 20),
        3 => (PRICE_MAX.0 - 50, PRICE_MAX.0),
        4 => (1, PRICE_MAX.0),
        5 => (1 << 32, 1 << 33),
        _ => (1, 1 << 40),
    };
    let (qty_min, qty_max) = match rng.below(20) {
        0..3 => (1, QTY_MAX.0),
        3 => (QTY_MAX.0 - 3, QTY_MAX.0),
        4 => (7, 20),
        5..8 => (3, 1_000),
        _ => (1, 1 << 40),
    };
    let room = i128::MAX / (i128::from(price_max) * i128::from(qty_max));
    let unit = rng.pick(&[1, 1, 2, 1_000, 999_983, 1 << 40]);
    MarketSpec {
        price_min: Price(price_min),
        price_max: Price(price_max),
        qty_min: Qty(qty_min),
        qty_max: Qty(qty_max),
        notional_unit: unit.min(u64::try_from(room).unwrap_or(u64::MAX)),
        lot_units: 1,
        notional_min: Amount(0),
        notional_max: Amount(0),
        fees: FeeRates::NONE,
        orders_max: if rng.percent(80) {
            1_000_000
        } else {
            rng.pick(&[60, 30, 7, 1])
        },
        account_orders_max: if rng.percent(80) {
            1_000_000
        } else {
            rng.pick(&[20, 12, 3, 1])
        },
    }
    .check()
    .expect("every drawn market is legal")
}

/// The mix of commands; each kind but the first is left out now and then.
fn draw_kinds(rng: &mut Rng, fee_flood: bool) -> Vec<(Kind, u64)> {
    let mut kinds = vec![(Kind::Gtc, 30 + rng.below(30))];
    let others = [
        (Kind::PostOnly, 15),
        (Kind::Ioc, 10),
        (Kind::Fok, 6),
        (Kind::MarketIoc, 8),
        (Kind::MarketFok, 5),
        (Kind::Cancel, 25),
        (Kind::Replace, 25),
        (Kind::MassCancel, 1),
        (Kind::Status, 3),
        (Kind::SetState, 1),
        (Kind::AddFees, 1),
        (Kind::SetLimits, 1),
        (Kind::Garbage, 2),
    ];
    for (kind, weight) in others {
        if rng.percent(70) {
            kinds.push((kind, 1 + rng.below(2 * weight)));
        }
    }
    if fee_flood {
        kinds.push((Kind::AddFees, 50));
    }
    kinds
}

fn subset<T: Copy>(rng: &mut Rng, of: &[T]) -> Vec<T> {
    let mut some: Vec<T> = of.iter().copied().filter(|_| rng.percent(50)).collect();
    if some.is_empty() {
        some.push(rng.pick(of));
    }
    some
}

//! Puts driver threads together: sessions become connections, connections are dealt out to
//! threads one by one.

use std::sync::Arc;

use crate::driver::{Control, Driver, Published};
use crate::lane::{Lane, LaneStart, Pace};
use crate::load::{LoadConfig, Pacing, Target};
use crate::model::{Model, zipf_weights};
use crate::money::Terms;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::session::{KEEPALIVE, Plan, SessionSocket};
use crate::stats::{Latency, Tally};
use crate::stream::{Common, MarketView, Stream, StreamStart};
use crate::venue::Venue;
use crate::verify::{Faults, Matches};

/// When things happen, in nanoseconds of the run's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunTimes {
    /// The first message may be due.
    pub(crate) begin: u64,
    /// Messages planned from here on are measured.
    pub(crate) measure_from: u64,
    /// Until here.
    pub(crate) measure_until: u64,
}

/// The drivers of a run.
pub(crate) fn make(
    config: &LoadConfig,
    plan: &Plan,
    sessions: Vec<SessionSocket>,
    times: RunTimes,
    control: &Arc<Control>,
) -> std::io::Result<Vec<Driver>> {
    let new_driver = |_| Driver {
        lanes: Vec::new(),
        views: Vec::new(),
        common: common(config, times),
        wait: config.wait,
        control: Arc::clone(control),
        published: Arc::new(Published::default()),
        used_ns: 0,
    };
    let mut drivers: Vec<_> = (0..config.threads).map(new_driver).collect();
    // Which market of the plan each view of a driver is of.
    let mut seen = vec![Vec::new(); config.threads];
    let weights = lane_weights(config, plan);
    for (index, session) in sessions.into_iter().enumerate() {
        let thread = index % config.threads;
        let mut rng = Rng::new(config.seed, index as u64);
        let pace = match config.pacing {
            Pacing::Open { rate, arrivals } => {
                let rate = rate * weights[index];
                Pace::Open(Schedule::new(arrivals, rate, times.begin, &mut rng))
            }
            Pacing::Closed { outstanding } => Pace::Closed(outstanding),
        };
        let driver = &mut drivers[thread];
        driver.lanes.push(Lane::new(LaneStart {
            socket: session.socket,
            received: session.received,
            streams: streams(config, plan, index, &mut driver.views, &mut seen[thread]),
            skew: config.skew,
            pace,
            inflight_max: plan.sessions[index].inflight_max,
            keepalive: KEEPALIVE,
            rng,
        })?);
    }
    Ok(drivers)
}

fn common(config: &LoadConfig, times: RunTimes) -> Common {
    Common {
        model: Model::new(&config.profile, config.mix),
        stp_mode: config.stp_mode,
        rates: config.rates,
        strict: config.target == Target::Souk,
        faults: Faults::default(),
        tally: Tally::default(),
        latency: match config.pacing {
            Pacing::Open { .. } => Latency::default(),
            Pacing::Closed { .. } => Latency::of_closed_loop(),
        },
        measure_from: times.measure_from,
        measure_until: times.measure_until,
    }
}

/// The share of the rate that each connection gets: tenants by Zipf's law, connections of one
/// tenant the same.
fn lane_weights(config: &LoadConfig, plan: &Plan) -> Vec<f64> {
    let mut tenants: Vec<_> = plan.sessions.iter().map(|s| s.tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let of_rank = zipf_weights(tenants.len(), config.skew);
    let sum: f64 = of_rank.iter().sum();
    let lanes_of = |tenant| plan.sessions.iter().filter(|s| s.tenant == tenant).count();
    plan.sessions
        .iter()
        .map(|session| {
            let rank = tenants.partition_point(|tenant| *tenant < session.tenant);
            of_rank[rank] / sum / lanes_of(session.tenant) as f64
        })
        .collect()
}

/// The streams of connection `index`; adds the views they need.
fn streams(
    config: &LoadConfig,
    plan: &Plan,
    index: usize,
    views: &mut Vec<MarketView>,
    seen: &mut Vec<usize>,
) -> Vec<Stream> {
    let session = &plan.sessions[index];
    session
        .joined
        .iter()
        .map(|joined| {
            let view = seen
                .iter()
                .position(|market| *market == joined.market)
                .unwrap_or_else(|| {
                    views.push(MarketView {
                        venue: Venue::new(&plan.markets[joined.market].definition),
                        matches: Matches::default(),
                    });
                    seen.push(joined.market);
                    seen.len() - 1
                });
            Stream::new(StreamStart {
                market: plan.markets[joined.market].definition.market,
                view,
                plan_market: joined.market,
                lane: index,
                accounts: session.accounts.clone(),
                terms: Terms::from(&plan.markets[joined.market].definition),
                skew: config.skew,
                sharers: plan.sharers(joined.market),
                inflight_max: session.inflight_max,
                last_client_seq: joined.last_client_seq,
                last_report_seq: joined.last_report_seq,
            })
        })
        .collect()
}

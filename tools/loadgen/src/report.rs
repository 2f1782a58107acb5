//! The end of a load: everything is added up and verified.

use std::collections::BTreeMap;
use std::time::Duration;

use souk_protocol::{AccountId, RejectReason, TenantId};

use crate::connection::{Connection, ConnectionError};
use crate::driver::Driver;
use crate::load::{LoadConfig, LoadError, Pacing, Target};
use crate::session::{KEEPALIVE, Plan, clear};
use crate::stats::{Latency, Percentiles, Tally};
use crate::stream::Stream;
use crate::verify::{
    BookCheck, Fault, Faults, Matches, MoneyCheck, OwnBook, check_book, check_money,
};

/// What came out of a load.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// What was asked for.
    pub config: LoadConfig,
    /// What the server said at logon, and which markets were used.
    pub plan: Plan,
    /// Numbers of messages, warm-up included.
    pub tally: Tally,
    /// Latencies of the measured time.
    pub latency: Latency,
    /// The measured time.
    pub measured: Duration,
    /// Messages that were due and never sent, because the time was over: more than a handful
    /// means that the rate was not kept.
    pub never_sent: u64,
    /// Processor time that the driver threads used, in nanoseconds.
    pub driver_ns: u64,
    /// What was verified, and what was found.
    pub verified: Verified,
}

/// What was verified.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Whether the end was verified at all.
    pub done: bool,
    /// Everything that was found to be wrong.
    pub faults: Faults,
    /// Executions with both sides in one tenant.
    pub matches: u64,
    /// Executions with one own side, where others may trade.
    pub matches_with_others: u64,
    /// Books that are level by level what the own orders make.
    pub books_equal: usize,
    /// Books that hold all own orders and more, where others may trade.
    pub books_with_others: usize,
    /// Books that could not be looked at, for want of permission.
    pub books_unseen: usize,
    /// What was verified of the money.
    pub money: MoneyCheck,
    /// Open orders at the end.
    pub open_orders: u64,
}

impl Verified {
    /// Whether nothing was found to be wrong.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.faults.total() == 0
    }
}

/// What to do about orders that were rejected for lack of money.
const HINT: &str = "the accounts lack money: give them more `credit` in the server's configuration, or use \
                    --credit COINS with keys that have the permission `funding`";
/// Later than this, at the 99th percentile, a sender did not keep its schedule.
const LATENESS_MAX_NS: u64 = 1_000_000;

impl LoadReport {
    /// Processor time of this program for each message, in nanoseconds.
    #[must_use]
    pub fn driver_ns_per_message(&self) -> u64 {
        self.driver_ns / self.tally.answered.max(1)
    }

    /// Answered messages per second of the measured time.
    #[must_use]
    pub fn achieved_rate(&self) -> f64 {
        self.latency.answered as f64 / self.measured.as_secs_f64().max(1e-9)
    }

    /// What to do about orders that were rejected for lack of money, if there are any.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let mut codes = self.tally.rejected.iter();
        let poor = codes.any(|(code, _)| code.reason() == Some(RejectReason::InsufficientFunds));
        poor.then_some(HINT)
    }

    /// Why the asked rate was not kept, in words; `None` when it was, or in a closed loop.
    #[must_use]
    pub fn missed_rate(&self) -> Option<String> {
        let Pacing::Open { rate, .. } = self.config.pacing else {
            return None;
        };
        let lateness = Percentiles::of(&self.latency.lateness);
        if self.never_sent as f64 > rate * 0.001 + 10.0 {
            return Some(format!(
                "{} messages that were due were never sent",
                self.never_sent
            ));
        }
        (lateness.p99 > LATENESS_MAX_NS).then(|| {
            format!(
                "1 % of the messages were sent more than {} us late",
                lateness.p99 / 1_000
            )
        })
    }
}

/// Adds up and verifies.
pub(crate) fn finish(
    config: LoadConfig,
    plan: Plan,
    mut drivers: Vec<Driver>,
    measured: Duration,
    stop_at: u64,
) -> Result<LoadReport, LoadError> {
    let mut tally = Tally::default();
    let mut latency = Latency::default();
    let (mut never_sent, mut driver_ns) = (0, 0);
    let mut verified = Verified::default();
    let mut matches: BTreeMap<usize, Matches> = BTreeMap::new();
    let (mut streams, mut sockets) = (Vec::new(), Vec::new());
    if config.target == Target::Souk {
        drivers.iter_mut().for_each(Driver::settle);
    }
    for driver in drivers {
        driver_ns += driver.used_ns;
        tally.merge(&driver.common.tally);
        latency.merge(&driver.common.latency);
        verified.faults.merge(&driver.common.faults);
        let mut view_of = BTreeMap::new();
        for (index, lane) in driver.lanes.into_iter().enumerate() {
            never_sent += lane.overdue(stop_at);
            let ended = lane.ended();
            let (of_lane, socket, received) = lane.into_parts();
            view_of.extend(of_lane.iter().map(|s| (s.view, s.plan_market)));
            socket.set_nonblocking(false)?;
            let connection = Connection::from_parts(socket, received, KEEPALIVE);
            sockets.push((index, connection, ended));
            streams.push(of_lane);
        }
        for (view, seen) in driver.views.into_iter().enumerate() {
            let Some(market) = view_of.get(&view) else {
                continue;
            };
            let twice = matches.entry(*market).or_default().merge(seen.matches);
            if twice > 0 {
                let particulars = format_args!("{twice} in two driver threads");
                verified.faults.note(Fault::MatchTwice, particulars);
            }
        }
    }
    latency.close();
    let mut connections = Connections::new(sockets);
    if config.target == Target::Souk && config.verify {
        verified.done = true;
        check_matches(&config, &plan, &matches, &mut verified);
        check_books(&config, &plan, &streams, &mut connections, &mut verified)?;
        let money = check_money(&config, &plan, &streams, &mut connections.0, &mut verified);
        money.map_err(no_balances)?;
    }
    if config.target == Target::Souk {
        connections.leave(&config, &plan);
    }
    Ok(LoadReport {
        config,
        plan,
        tally,
        latency,
        measured,
        never_sent,
        driver_ns,
        verified,
    })
}

fn no_balances(error: ConnectionError) -> LoadError {
    LoadError::Session {
        what: "balances at the end".to_owned(),
        error,
    }
}

fn check_matches(
    config: &LoadConfig,
    plan: &Plan,
    matches: &BTreeMap<usize, Matches>,
    verified: &mut Verified,
) {
    for (index, seen) in matches {
        let market = &plan.markets[*index];
        let check = seen.check();
        verified.matches += check.matched;
        let name = format!(
            "tenant {} market {}",
            market.tenant, market.definition.market
        );
        match check.one_sided {
            (0, _) => {}
            (count, _) if config.shared => verified.matches_with_others += count,
            (count, one) => verified.faults.note(
                Fault::OneSidedMatch,
                format_args!("{name}: {count} executions, one of them {one}"),
            ),
        }
        if check.differ {
            verified
                .faults
                .note(Fault::SidesDiffer, format_args!("{name}"));
        }
    }
}

fn check_books(
    config: &LoadConfig,
    plan: &Plan,
    streams: &[Vec<Stream>],
    connections: &mut Connections,
    verified: &mut Verified,
) -> Result<(), LoadError> {
    for (index, market) in plan.markets.iter().enumerate() {
        let mut own = OwnBook::default();
        for stream in streams.iter().flatten().filter(|s| s.plan_market == index) {
            for order in stream.orders.live() {
                own.add(order.side, order.price, order.leaves);
                verified.open_orders += 1;
            }
        }
        if !market.visible {
            verified.books_unseen += 1;
            continue;
        }
        let id = market.definition.market;
        let name = format!("tenant {} market {id}", market.tenant);
        // What a session that was ended missed is not known here.
        let Some(connection) = connections.of_tenant(plan, market.tenant) else {
            verified.books_unseen += 1;
            continue;
        };
        let depth = connection.depth(id).map_err(|error| LoadError::Session {
            what: format!("book of {name}"),
            error,
        })?;
        match check_book(&own, &depth) {
            BookCheck::Equal => verified.books_equal += 1,
            BookCheck::Contains if config.shared || market.others => {
                verified.books_with_others += 1;
            }
            BookCheck::Contains => verified.faults.note(
                Fault::BookDiffers,
                format_args!("{name}: the server has more than the own open orders"),
            ),
            BookCheck::Differs(how) => verified
                .faults
                .note(Fault::BookDiffers, format_args!("{name}: {how}")),
        }
    }
    Ok(())
}

/// The connections after the run, by number; those that the server ended are gone.
struct Connections(Vec<Option<Connection>>);

impl Connections {
    /// `sockets` comes thread by thread, and connections were dealt out to threads one by one.
    fn new(sockets: Vec<(usize, Connection, bool)>) -> Self {
        let threads = sockets.iter().filter(|(index, _, _)| *index == 0).count();
        let mut by_number = BTreeMap::new();
        let mut thread = 0;
        for (position, (index, connection, ended)) in sockets.into_iter().enumerate() {
            if index == 0 && position > 0 {
                thread += 1;
            }
            by_number.insert(index * threads + thread, (!ended).then_some(connection));
        }
        Self(by_number.into_values().collect())
    }

    /// A connection of a tenant of which no session was ended.
    fn of_tenant(&mut self, plan: &Plan, tenant: TenantId) -> Option<&mut Connection> {
        let of_all = plan.sessions.iter().zip(&mut self.0);
        let of_tenant = of_all.filter(|(session, _)| session.tenant == tenant);
        let mut open: Vec<_> = of_tenant
            .map(|(_, connection)| connection.as_mut())
            .collect();
        if open.iter().any(Option::is_none) {
            return None;
        }
        open.pop().flatten()
    }

    /// Cancels what is open, unless it is to stay, and logs out. What fails here was measured
    /// and verified before; the next run clears the books again.
    fn leave(&mut self, config: &LoadConfig, plan: &Plan) {
        let mut done = std::collections::BTreeSet::new();
        for (session, connection) in plan.sessions.iter().zip(&mut self.0) {
            let (Some(mut connection), Some(ack)) = (connection.take(), session.ack) else {
                continue;
            };
            for joined in session.joined.iter().filter(|_| !config.leave_orders) {
                let market = plan.markets[joined.market].definition.market;
                let todo: Vec<AccountId> = session
                    .accounts
                    .iter()
                    .copied()
                    .filter(|account| done.insert((session.tenant, market, *account)))
                    .collect();
                if clear(&mut connection, &ack, market, &todo).is_err() {
                    break;
                }
            }
            let _: Result<(), ConnectionError> = connection.logout();
        }
    }
}

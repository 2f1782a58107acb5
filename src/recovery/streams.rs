//! Which stream is where, and what control streams decided of markets that is not in their own streams yet.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use souk_protocol::{MarketId, SessionId, TenantId};

use super::RecoveryError;
use crate::config::Config;
use crate::directory::Route;
use crate::handoff::{Link, MarketChange, Seat, SessionTerms, TenantIndex};
use crate::journal::StreamRecord;

/// The streams of a node.
#[derive(Debug)]
pub(crate) struct Streams {
    routes: HashMap<(TenantId, MarketId), (TenantIndex, Route)>,
    /// The stream asked for last: records of one come in runs.
    last: Option<((TenantId, MarketId), (TenantIndex, Route))>,
    /// By matcher and seat.
    names: Vec<Vec<(TenantId, MarketId)>>,
    /// Tenants that the journal has.
    known: Vec<bool>,
    /// Changes that a market's own stream does not have yet.
    decided: HashMap<(TenantId, MarketId), VecDeque<MarketChange>>,
    /// Links of sessions that are not connected.
    links: HashMap<SessionId, Arc<Link>>,
}

impl Streams {
    pub(super) fn new(config: &Config, matchers: usize) -> Self {
        Self {
            routes: HashMap::new(),
            last: None,
            names: (0..matchers).map(|_| Vec::new()).collect(),
            known: config.tenants.iter().map(|_| false).collect(),
            decided: HashMap::new(),
            links: HashMap::new(),
        }
    }

    /// Gives a stream the next seat of a matcher.
    pub(super) fn add(
        &mut self,
        tenant: TenantIndex,
        id: TenantId,
        market: MarketId,
        matcher: usize,
    ) -> Route {
        let names = &mut self.names[matcher];
        let seat = Seat(names.len() as u32);
        names.push((id, market));
        let route = Route { matcher, seat };
        self.routes.insert((id, market), (tenant, route));
        route
    }

    #[inline]
    pub(super) fn find(
        &mut self,
        record: &StreamRecord,
    ) -> Result<(TenantIndex, Route), RecoveryError> {
        let StreamRecord {
            tenant,
            market,
            stream_seq,
            ..
        } = *record;
        match self.last {
            Some((name, found)) if name == (tenant, market) => return Ok(found),
            _ => {}
        }
        let found = self.routes.get(&(tenant, market)).copied();
        let found = found.ok_or(RecoveryError::UnknownStream {
            tenant,
            market,
            stream_seq,
        })?;
        self.last = Some(((tenant, market), found));
        Ok(found)
    }

    /// All streams; market 0 is a control stream.
    pub(super) fn all(&self) -> impl Iterator<Item = (TenantIndex, MarketId, Route)> {
        let all = self.routes.iter();
        all.map(|((_, market), (tenant, route))| (*tenant, *market, *route))
    }

    /// Where a tenant's market is.
    pub(super) fn route(&self, tenant: TenantIndex, market: MarketId) -> Option<Route> {
        let mut all = self.all();
        all.find(|(its, known, _)| *its == tenant && *known == market)
            .map(|(_, _, route)| route)
    }

    pub(super) fn name(&self, matcher: usize, seat: Seat) -> (TenantId, MarketId) {
        self.names[matcher][seat.0 as usize]
    }

    pub(super) fn is_known(&self, tenant: TenantIndex) -> bool {
        self.known[tenant.0 as usize]
    }

    pub(super) fn know(&mut self, tenant: TenantIndex) {
        self.known[tenant.0 as usize] = true;
    }

    pub(super) fn link(&mut self, session: SessionId) -> Arc<Link> {
        let link = self.links.entry(session);
        let away = || Arc::new(Link::away(session, SessionTerms::plain(0)));
        Arc::clone(link.or_insert_with(away))
    }

    /// A control stream decided a change of a market.
    pub(super) fn decided(&mut self, tenant: TenantId, market: MarketId, change: MarketChange) {
        let decided = self.decided.entry((tenant, market)).or_default();
        decided.push_back(change);
    }

    /// A market's stream has a change: the oldest that was decided.
    pub(super) fn carried(
        &mut self,
        record: &StreamRecord,
        change: &MarketChange,
    ) -> Result<(), RecoveryError> {
        let decided = self.decided.get_mut(&(record.tenant, record.market));
        let oldest = decided.and_then(VecDeque::pop_front);
        if oldest.as_ref() == Some(change) {
            return Ok(());
        }
        Err(RecoveryError::Difference {
            tenant: record.tenant,
            market: record.market,
            stream_seq: record.stream_seq,
            what: format!("the control stream decided {oldest:?}, the market has {change:?}"),
        })
    }

    /// Takes what was decided and not carried, in the order of each market.
    pub(crate) fn take_decided(&mut self) -> Vec<(TenantIndex, Route, MarketChange)> {
        let mut left = Vec::new();
        for (name, changes) in self.decided.drain() {
            let (tenant, route) = self.routes[&name];
            left.extend(changes.into_iter().map(|change| (tenant, route, change)));
        }
        left.sort_by_key(|(tenant, route, _)| (*tenant, route.matcher, route.seat.0));
        left
    }

    /// The streams of each matcher, by seat.
    pub(crate) fn take_names(&mut self) -> Vec<Vec<(TenantId, MarketId)>> {
        std::mem::take(&mut self.names)
    }

    /// The next free seat of each matcher.
    pub(crate) fn next_seats(&self) -> Vec<Seat> {
        let next = |names: &Vec<_>| Seat(names.len() as u32);
        self.names.iter().map(next).collect()
    }

    pub(super) fn has(&self, tenant: TenantId, market: MarketId) -> bool {
        self.routes.contains_key(&(tenant, market))
    }

    /// The market streams, sorted.
    pub(super) fn markets(&self) -> Vec<((TenantId, MarketId), Route)> {
        let is_market = |(name, _): &(&(TenantId, MarketId), _)| name.1 != MarketId(0);
        let markets = self.routes.iter().filter(is_market);
        let mut markets: Vec<_> = markets.map(|(name, (_, route))| (*name, *route)).collect();
        markets.sort_unstable_by_key(|(name, _)| *name);
        markets
    }

    /// What was decided of a market and is not in its stream yet.
    pub(super) fn decided_of(&self, tenant: TenantId, market: MarketId) -> Vec<MarketChange> {
        let decided = self.decided.get(&(tenant, market));
        decided.into_iter().flatten().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }
}

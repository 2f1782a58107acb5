//! What a node begins with: its tenants, their markets on their matchers, and the money of their accounts.

use std::sync::Arc;

use crate::config::{Config, HistoryConfig, TenantConfig};
use crate::control::{Control, Custody, Effect, FEE_ACCOUNT, MarketTerms};
use crate::directory::{Directory, Route, TenantEntry};
use crate::handoff::{ControlSeat, MarketChange, MarketSeat, Seat, SeatConfig, TenantIndex};
use crate::routing::{market_hash, matcher_of};
use crate::treasury::{Moved, Touched, Treasury};

/// The name under which a tenant's control stream is hashed to its matcher.
const CONTROL: &str = "$control";

/// Everything a node's threads begin with.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    pub directory: Arc<Directory>,
    pub treasury: Arc<Treasury>,
    /// By matcher.
    pub seats: Vec<Vec<SeatConfig>>,
}

impl Bootstrap {
    /// The beginning of a node with `matchers` matchers.
    pub(crate) fn new(config: &Config, matchers: usize) -> Self {
        let mut seats: Vec<Vec<SeatConfig>> = (0..matchers).map(|_| Vec::new()).collect();
        let mut controls = Vec::new();
        for (index, tenant) in config.tenants.iter().enumerate() {
            let matcher = matcher_of(market_hash(&tenant.name, CONTROL), matchers);
            let seat = Seat(seats[matcher].len() as u32);
            controls.push(Route { matcher, seat });
            seats[matcher].push(SeatConfig::Control(ControlSeat {
                tenant: TenantIndex(index as u32),
                control: tenant.control.clone(),
            }));
        }
        let directory = Directory::new(config, |tenant| controls[tenant.0 as usize]);
        let history = config.history;
        let treasury = Treasury::new(config.tenants.len(), history.statement_entries_max);
        for (tenant, entry) in config.tenants.iter().zip(&directory.tenants) {
            let mut founding = Founding {
                entry,
                treasury: &treasury,
                seats: &mut seats,
                history,
            };
            founding.found(tenant);
        }
        Self {
            directory: Arc::new(directory),
            treasury: Arc::new(treasury),
            seats,
        }
    }
}

/// One tenant while it is made.
struct Founding<'a> {
    entry: &'a TenantEntry,
    treasury: &'a Treasury,
    seats: &'a mut [Vec<SeatConfig>],
    history: HistoryConfig,
}

impl Founding<'_> {
    fn found(&mut self, config: &TenantConfig) {
        let tenant = self.entry.index;
        for (account, terms) in config.control.accounts() {
            self.treasury.set_account(tenant, account, terms);
            if account != FEE_ACCOUNT {
                self.entry.add_account(account);
            }
        }
        for (index, effect) in config.effects.iter().enumerate() {
            match effect {
                Effect::Currency(definition) => {
                    self.treasury.define_currency(tenant, definition.code);
                    self.entry.set_currency(*definition);
                }
                Effect::MarketCreated(terms) => self.open_market(&config.control, terms),
                Effect::Fees {
                    market,
                    fee_group,
                    rates,
                } => {
                    let route = self
                        .entry
                        .route(*market)
                        .expect("a market comes before its fees");
                    let seats = &mut self.seats[route.matcher];
                    if let SeatConfig::Market(seat) = &mut seats[route.seat.0 as usize] {
                        seat.changes.push(MarketChange::Fees {
                            fee_group: *fee_group,
                            rates: *rates,
                        });
                    }
                }
                Effect::Moved(movement) => {
                    let moved = Moved {
                        movement,
                        control_seq: index as u64 + 1,
                        transact_time: 0,
                    };
                    let mut nobody = Touched::default();
                    self.treasury.move_money(tenant, &moved, &mut nobody);
                }
                Effect::Limits { .. }
                | Effect::State { .. }
                | Effect::Account { .. }
                | Effect::Repeated { .. } => {}
            }
        }
    }

    fn open_market(&mut self, control: &Control, terms: &MarketTerms) {
        let hash = market_hash(&self.entry.name, terms.definition.symbol.as_str());
        let matcher = matcher_of(hash, self.seats.len());
        let seat = Seat(self.seats[matcher].len() as u32);
        let config = market_seat(
            self.treasury,
            self.entry.index,
            control.custody(),
            terms,
            self.history,
        );
        self.seats[matcher].push(SeatConfig::Market(config));
        self.entry
            .add_market(Route { matcher, seat }, terms.definition);
    }
}

/// What the seat of a market is made with. Its currencies exist.
pub(crate) fn market_seat(
    treasury: &Treasury,
    tenant: TenantIndex,
    custody: Custody,
    terms: &MarketTerms,
    history: HistoryConfig,
) -> MarketSeat {
    let currency = |code| {
        let index = treasury.currency(tenant, code);
        index.expect("a market is made between currencies that exist")
    };
    MarketSeat {
        tenant,
        market: terms.id(),
        spec: terms.spec,
        state: terms.definition.state,
        base: currency(terms.definition.base),
        quote: currency(terms.definition.quote),
        custody,
        changes: Vec::new(),
        settlements_max: history.settlements_max,
        reports_bytes_max: history.reports_bytes_max,
    }
}

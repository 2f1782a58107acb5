//! Takes down what a follower's publisher and ledger tell, until the store takes it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use souk_engine::{Command, Event, Trade, TradeMoney};
use souk_protocol::message::StatementEntry;
use souk_protocol::{AccountId, FeeGroup, MarketId};

use super::rows::{Happened, Row};
use crate::control::{CurrencyCode, Effect};
use crate::handoff::{Request, TenantIndex};

/// Rows in the order in which they happened. One thread adds and takes them: the follower's.
#[derive(Debug, Default)]
pub struct Recorder {
    rows: Mutex<Vec<Row>>,
}

/// A committed record of a market.
#[derive(Clone, Copy, Debug)]
pub struct MarketRecord<'a> {
    /// Whose it is.
    pub tenant: TenantIndex,
    /// The market.
    pub market: MarketId,
    /// Its number.
    pub stream_seq: u64,
    /// When it was applied.
    pub at: u64,
    /// What was asked.
    pub request: &'a Request,
    /// What came of it.
    pub events: &'a [Event],
}

impl Recorder {
    /// Takes down what a record of a market led to; `money` says what a trade is.
    pub fn market(&self, record: &MarketRecord<'_>, money: impl Fn(&Trade) -> TradeMoney) {
        let order = match record.request {
            Request::Command(numbered) => match numbered.command {
                Command::New(order) => Some(order),
                _ => None,
            },
            _ => None,
        };
        let mut rows = self.lock();
        for event in record.events {
            let happened = match (*event, order) {
                (Event::Accepted(accepted), Some(order)) => Happened::Entered { order, accepted },
                (Event::Rejected(reason), Some(order)) => Happened::Refused { order, reason },
                (Event::Trade(trade), _) => Happened::Traded {
                    trade,
                    money: money(&trade),
                },
                (Event::Canceled(canceled), _) => Happened::Canceled(canceled),
                (Event::Replaced(replaced), _) => Happened::Replaced(replaced),
                (Event::SelfTradePrevented(prevented), _) => Happened::Prevented(prevented),
                (Event::StateChanged(state), _) => Happened::State(state),
                _ => continue,
            };
            rows.push(Row::Market {
                tenant: record.tenant,
                market: record.market,
                stream_seq: record.stream_seq,
                at: record.at,
                happened,
            });
        }
    }

    /// Takes down what a control stream decided.
    pub fn control(&self, tenant: TenantIndex, control_seq: u64, at: u64, effect: &Effect) {
        let mut rows = self.lock();
        match effect {
            Effect::Account { account, terms } => rows.push(Row::Account {
                tenant,
                account: *account,
                terms: *terms,
                at,
            }),
            Effect::Fees {
                market,
                fee_group,
                rates,
            } => rows.push(Row::Fees {
                tenant,
                market: *market,
                fee_group: *fee_group,
                rates: *rates,
            }),
            Effect::Limits { market, limits } => rows.push(Row::OrdersMax {
                tenant,
                market: *market,
                orders_max: limits.orders_max,
            }),
            Effect::MarketCreated(terms) => {
                rows.push(Row::OrdersMax {
                    tenant,
                    market: terms.id(),
                    orders_max: terms.spec.orders_max,
                });
                rows.push(Row::Fees {
                    tenant,
                    market: terms.id(),
                    fee_group: FeeGroup(0),
                    rates: terms.spec.fees,
                });
                rows.push(Row::Market {
                    tenant,
                    market: terms.id(),
                    stream_seq: control_seq,
                    at,
                    happened: Happened::State(terms.definition.state),
                });
            }
            _ => {}
        }
    }

    /// Takes down an entry of a statement.
    pub fn statement(
        &self,
        tenant: TenantIndex,
        account: AccountId,
        currency: CurrencyCode,
        entry: &StatementEntry,
    ) {
        self.lock().push(Row::Statement {
            tenant,
            account,
            currency,
            entry: *entry,
        });
    }

    /// Moves what was taken down to the end of `rows`.
    pub fn take(&self, rows: &mut Vec<Row>) {
        rows.append(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

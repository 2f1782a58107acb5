//! What a history that has a gap is told of the state behind the gap: accounts, fees and bounds, and the orders that rest. What
//! happened to other orders that it knew as open is not known to anybody.

use souk_protocol::{FeeGroup, MarketId, Side};

use super::Recovery;
use crate::control::{FEE_ACCOUNT, MarketTerms};
use crate::directory::Route;
use crate::handoff::TenantIndex;
use crate::history::{Happened, Row};

impl Recovery {
    /// The state as rows, as of `at` (nanoseconds since 1970-01-01 UTC).
    pub(crate) fn state_rows(&self, at: u64) -> Vec<Row> {
        let mut rows = Vec::new();
        for (tenant, market, route) in self.streams.all() {
            if market != MarketId(0) {
                continue;
            }
            let matcher = &self.matchers[route.matcher];
            let Some(control) = matcher.control(route.seat) else {
                continue;
            };
            for (account, terms) in control.accounts() {
                if account != FEE_ACCOUNT {
                    let terms = *terms;
                    rows.push(Row::Account {
                        tenant,
                        account,
                        terms,
                        at,
                    });
                }
            }
            for terms in control.market_terms() {
                let route = self.streams.route(tenant, terms.id());
                self.market_rows(tenant, terms, route, at, &mut rows);
            }
        }
        rows
    }

    fn market_rows(
        &self,
        tenant: TenantIndex,
        terms: &MarketTerms,
        route: Option<Route>,
        at: u64,
        rows: &mut Vec<Row>,
    ) {
        let market = terms.id();
        rows.push(Row::OrdersMax {
            tenant,
            market,
            orders_max: terms.spec.orders_max,
        });
        rows.push(Row::Fees {
            tenant,
            market,
            fee_group: FeeGroup(0),
            rates: terms.spec.fees,
        });
        let Some(route) = route else {
            return;
        };
        let matcher = &self.matchers[route.matcher];
        for (fee_group, rates) in matcher.fees(route.seat) {
            rows.push(Row::Fees {
                tenant,
                market,
                fee_group,
                rates,
            });
        }
        let mut happens = |happened| {
            rows.push(Row::Market {
                tenant,
                market,
                stream_seq: 0,
                at,
                happened,
            });
        };
        happens(Happened::State(terms.definition.state));
        happens(Happened::Gap);
        let Some(book) = matcher.book(route.seat) else {
            return;
        };
        for side in [Side::Buy, Side::Sell] {
            for (order, price) in book.orders(side) {
                happens(Happened::Rests { order, price });
            }
        }
    }
}

//! Writes rows, and how far they go, in one transaction.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use souk_engine::{NewOrder, OrderView, Trade, TradeMoney};
use souk_protocol::message::StatementEntry;
use souk_protocol::{AccountId, CancelReason, Code, MarketId, Price, Qty, Side, TenantId};

use super::HistoryError;
use super::rows::{Happened, Row};
use super::schema::{CANCELED, FILLED, OPEN, PRAGMAS, REJECTED, TABLES, VERSION};
use crate::control::{AccountTerms, CurrencyCode};

/// Nanoseconds of a minute.
const MINUTE_NS: u64 = 60_000_000_000;
/// Statements that are kept compiled.
const STATEMENTS_MAX: usize = 64;

/// The tables, as their writer has them.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    connection: Connection,
    /// The ids of the configuration's tenants, by index.
    tenants: Vec<TenantId>,
    /// The number of the first batch that is not in the tables.
    next_batch: u64,
}

/// Sums of one currency of a tenant, for [`Store::commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoneyChecked {
    /// Whose it is.
    pub tenant: TenantId,
    /// The currency.
    pub currency: CurrencyCode,
    /// Credits less debits.
    pub supply: i128,
    /// Sum of all balances.
    pub balances: i128,
    /// Sum of what open orders hold.
    pub held: i128,
    /// What the fee account has.
    pub fees: i128,
    /// When, nanoseconds since 1970-01-01 UTC.
    pub at: u64,
}

impl Store {
    /// Opens the tables in `file`, or makes them.
    ///
    /// # Errors
    /// When that cannot be done, or another version made them.
    pub fn open(file: &Path, tenants: Vec<TenantId>) -> Result<Self, HistoryError> {
        let opened = Connection::open(file).and_then(|connection| {
            connection.execute_batch(PRAGMAS)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if found == 0 {
                let made = format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
                connection.execute_batch(&made)?;
            }
            let next: Option<i64> = connection
                .query_row(
                    "SELECT value FROM meta WHERE name = 'next_batch'",
                    [],
                    |row| row.get(0),
                )
                .optional()?;
            Ok((connection, found, next.unwrap_or(1)))
        });
        let (connection, found, next) = opened.map_err(|error| HistoryError::Store {
            file: file.to_owned(),
            error,
        })?;
        if found != 0 && found != VERSION {
            return Err(HistoryError::Version {
                file: file.to_owned(),
                found,
                known: VERSION,
            });
        }
        Ok(Self {
            file: file.to_owned(),
            connection,
            tenants,
            next_batch: next.cast_unsigned(),
        })
    }

    /// The number of the first batch that is not in the tables.
    #[must_use]
    pub const fn next_batch(&self) -> u64 {
        self.next_batch
    }

    /// Writes `rows` and `money`, which reach up to batch `next_batch`, or nothing of them.
    ///
    /// # Errors
    /// What the store says.
    pub fn commit(
        &mut self,
        rows: &[Row],
        money: &[MoneyChecked],
        next_batch: u64,
    ) -> Result<(), HistoryError> {
        let tenants = &self.tenants;
        let written = self.connection.transaction().and_then(|transaction| {
            let mut writer = Writer {
                transaction: &transaction,
            };
            for row in rows {
                writer.row(tenants, row)?;
            }
            for checked in money {
                writer.money(checked)?;
            }
            writer.run(
                "INSERT INTO meta (name, value) VALUES ('next_batch', ?1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                params![next_batch.cast_signed()],
            )?;
            transaction.commit()
        });
        written.map_err(|error| HistoryError::Store {
            file: self.file.clone(),
            error,
        })?;
        self.next_batch = next_batch;
        Ok(())
    }
}

/// Writes into one transaction.
struct Writer<'a> {
    transaction: &'a Transaction<'a>,
}

/// Where and when something happened to orders.
#[derive(Clone, Copy)]
struct At {
    tenant: i64,
    market: i64,
    seq: i64,
    at: i64,
}

/// A line of an order's story.
struct Line {
    id: i64,
    what: i64,
    price: Price,
    qty: Qty,
    leaves: Qty,
    reason: i64,
}

/// What a line of an order's story tells.
pub(super) mod what {
    pub const ENTERED: i64 = 1;
    pub const TRADED: i64 = 2;
    pub const CANCELED: i64 = 3;
    pub const REPLACED: i64 = 4;
    pub const PREVENTED: i64 = 5;
}

type Written = Result<(), rusqlite::Error>;

impl Writer<'_> {
    fn run(&mut self, sql: &str, values: impl rusqlite::Params) -> Written {
        let mut statement = self.transaction.prepare_cached(sql)?;
        statement.execute(values).map(|_| ())
    }

    fn row(&mut self, tenants: &[TenantId], row: &Row) -> Written {
        let id = |index: &crate::handoff::TenantIndex| i64::from(tenants[index.0 as usize].0);
        match row {
            Row::Market {
                tenant,
                market,
                stream_seq,
                at,
                happened,
            } => {
                let at = At {
                    tenant: id(tenant),
                    market: market.0.into(),
                    seq: stream_seq.cast_signed(),
                    at: at.cast_signed(),
                };
                self.happened(at, happened)
            }
            Row::Statement {
                tenant,
                account,
                currency,
                entry,
            } => self.statement(id(tenant), *account, *currency, entry),
            Row::Account {
                tenant,
                account,
                terms,
                at,
            } => self.account(id(tenant), *account, terms, at.cast_signed()),
            Row::Fees {
                tenant,
                market,
                fee_group,
                rates,
            } => self.run(
                "INSERT INTO fees VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
                 SET maker_ppm = excluded.maker_ppm, taker_ppm = excluded.taker_ppm",
                params![
                    id(tenant),
                    market.0,
                    fee_group.0,
                    rates.maker_ppm,
                    rates.taker_ppm
                ],
            ),
        }
    }

    fn happened(&mut self, at: At, happened: &Happened) -> Written {
        match happened {
            Happened::Entered { order, accepted } => {
                let id = accepted.order_id.0.cast_signed();
                self.order(at, id, order, accepted.price, OPEN, 0)?;
                self.line(
                    at,
                    &line(id, what::ENTERED, accepted.price, order.qty, order.qty),
                )
            }
            Happened::Refused { order, reason } => {
                let reason = i64::from(Code::from(*reason).0);
                self.order(at, 0, order, order.price, REJECTED, reason)
            }
            Happened::Traded { trade, money } => self.traded(at, trade, money),
            Happened::Canceled(canceled) => {
                let order = &canceled.order;
                let reason = canceled.reason as i64;
                self.left(at, order, Qty(0), CANCELED, reason)?;
                let id = order.order_id.0.cast_signed();
                let line = line(id, what::CANCELED, canceled.price, order.leaves, Qty(0));
                self.line(at, &Line { reason, ..line })
            }
            Happened::Replaced(replaced) => {
                let order = &replaced.order;
                let id = order.order_id.0.cast_signed();
                self.run(
                    "UPDATE orders SET price = ?4, leaves = ?5, qty = executed + ?5, cl_ord_id = ?6, session = ?7,
                     updated_at = ?8 WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
                    params![
                        at.tenant,
                        at.market,
                        id,
                        replaced.price.0,
                        order.leaves.0.cast_signed(),
                        order.cl_ord_id.0.cast_signed(),
                        order.session.0,
                        at.at
                    ],
                )?;
                let total = Qty(order.cum.0 + order.leaves.0);
                self.line(
                    at,
                    &line(id, what::REPLACED, replaced.price, total, order.leaves),
                )
            }
            Happened::Prevented(prevented) => {
                for order in [&prevented.maker, &prevented.taker] {
                    let id = order.order_id.0.cast_signed();
                    let gone = order.leaves == Qty(0);
                    let state = if gone { CANCELED } else { OPEN };
                    let reason = CancelReason::SelfTrade as i64;
                    self.left(at, order, order.leaves, state, reason)?;
                    let line = line(
                        id,
                        what::PREVENTED,
                        prevented.price,
                        prevented.qty,
                        order.leaves,
                    );
                    self.line(at, &Line { reason, ..line })?;
                }
                Ok(())
            }
            Happened::State(state) => self.run(
                "INSERT INTO states (tenant, market, state, at) VALUES (?1, ?2, ?3, ?4)",
                params![at.tenant, at.market, *state as u8, at.at],
            ),
        }
    }

    fn order(
        &mut self,
        at: At,
        id: i64,
        order: &NewOrder,
        price: Price,
        state: i64,
        reason: i64,
    ) -> Written {
        let qty = order.qty.0.cast_signed();
        let leaves = if state == OPEN { qty } else { 0 };
        self.run(
            "INSERT INTO orders (tenant, market, id, cl_ord_id, account, session, side, type, time_in_force, price, qty, budget,
             executed, leaves, value_high, value_low, state, reason, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, 0, 0, ?14, ?15, ?16, ?16)",
            params![
                at.tenant,
                at.market,
                id,
                order.cl_ord_id.0.cast_signed(),
                order.account.0,
                order.session.0,
                order.side as u8,
                order.order_type as u8,
                order.time_in_force as u8,
                price.0,
                qty,
                order.budget.0.cast_signed(),
                leaves,
                state,
                reason,
                at.at
            ],
        )
    }

    /// An order has this many lots left, for another reason than a trade.
    fn left(&mut self, at: At, order: &OrderView, leaves: Qty, state: i64, reason: i64) -> Written {
        self.run(
            "UPDATE orders SET leaves = ?4, state = ?5, reason = iif(?5 = 3, ?6, reason), updated_at = ?7
             WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
            params![
                at.tenant,
                at.market,
                order.order_id.0.cast_signed(),
                leaves.0.cast_signed(),
                state,
                reason,
                at.at
            ],
        )
    }

    fn traded(&mut self, at: At, trade: &Trade, money: &TradeMoney) -> Written {
        for order in [&trade.maker, &trade.taker] {
            self.filled(at, trade, order)?;
        }
        let (maker, taker) = (
            (&trade.maker, money.maker_fee),
            (&trade.taker, money.taker_fee),
        );
        let (buyer, seller) = match trade.taker.side {
            Side::Buy => (taker, maker),
            Side::Sell => (maker, taker),
        };
        let (qty, notional) = (saturated(trade.qty.0), saturated(money.notional.0));
        self.run(
            "INSERT INTO trades (tenant, market, id, at, price, qty, notional, taker_side, buyer, seller, buyer_order,
             seller_order, buyer_fee, seller_fee) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                at.tenant,
                at.market,
                trade.match_id.0.cast_signed(),
                at.at,
                trade.price.0,
                qty,
                notional,
                trade.taker.side as u8,
                buyer.0.account.0,
                seller.0.account.0,
                buyer.0.order_id.0.cast_signed(),
                seller.0.order_id.0.cast_signed(),
                buyer.1,
                seller.1
            ],
        )?;
        // A sum that does not fit stays at the highest value, and never becomes a float.
        self.run(
            "INSERT INTO minutes VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?6, ?6, ?6) ON CONFLICT DO UPDATE SET
             trades = trades + 1,
             qty = iif(qty > 9223372036854775807 - ?4, 9223372036854775807, qty + ?4),
             notional = iif(notional > 9223372036854775807 - ?5, 9223372036854775807, notional + ?5),
             high = max(high, ?6), low = min(low, ?6), last_price = ?6",
            params![
                at.tenant,
                at.market,
                (at.at.cast_unsigned() / MINUTE_NS).cast_signed(),
                qty,
                notional,
                trade.price.0
            ],
        )
    }

    fn filled(&mut self, at: At, trade: &Trade, order: &OrderView) -> Written {
        let id = order.order_id.0.cast_signed();
        let value = i128::from(trade.price.0) * i128::from(trade.qty.0);
        let (high, low) = (value >> 32, value & 0xffff_ffff);
        // -1 from the first trade on that is too large to be added up.
        let high = i64::try_from(high).ok().filter(|high| *high < 1 << 58);
        self.run(
            "UPDATE orders SET executed = ?4, leaves = ?5, state = iif(?5 = 0, ?6, state),
             value_high = iif(value_high < 0 OR ?7 < 0 OR value_high >= 1 << 61, -1, value_high + ?7 + ((value_low + ?8) >> 32)),
             value_low = (value_low + ?8) & 4294967295, updated_at = ?9
             WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
            params![
                at.tenant,
                at.market,
                id,
                order.cum.0.cast_signed(),
                order.leaves.0.cast_signed(),
                FILLED,
                high.unwrap_or(-1),
                low as i64,
                at.at
            ],
        )?;
        self.line(
            at,
            &line(id, what::TRADED, trade.price, trade.qty, order.leaves),
        )
    }

    fn line(&mut self, at: At, line: &Line) -> Written {
        self.run(
            "INSERT INTO order_events (tenant, market, id, stream_seq, at, what, price, qty, leaves, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                at.tenant,
                at.market,
                line.id,
                at.seq,
                at.at,
                line.what,
                line.price.0,
                line.qty.0.cast_signed(),
                line.leaves.0.cast_signed(),
                line.reason
            ],
        )
    }

    fn statement(
        &mut self,
        tenant: i64,
        account: AccountId,
        currency: CurrencyCode,
        entry: &StatementEntry,
    ) -> Written {
        let MarketId(market) = entry.market;
        self.run(
            "INSERT INTO statements VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                tenant,
                account.0,
                currency.as_str(),
                entry.sequence.cast_signed(),
                entry.transact_time.cast_signed(),
                entry.kind as u8,
                entry.change,
                entry.total.0.cast_signed(),
                market,
                entry.reference.cast_signed()
            ],
        )
    }

    fn account(
        &mut self,
        tenant: i64,
        account: AccountId,
        terms: &AccountTerms,
        at: i64,
    ) -> Written {
        self.run(
            "INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
             status = excluded.status, fee_group = excluded.fee_group, stp_group = excluded.stp_group",
            params![
                tenant,
                account.0,
                terms.external_id.as_str(),
                terms.status as u8,
                terms.fee_group.0,
                terms.stp_group.0,
                at
            ],
        )
    }

    fn money(&mut self, checked: &MoneyChecked) -> Written {
        self.run(
            "INSERT INTO money VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET supply = excluded.supply,
             balances = excluded.balances, held = excluded.held, fees = excluded.fees, at = excluded.at",
            params![
                checked.tenant.0,
                checked.currency.as_str(),
                checked.supply.to_string(),
                checked.balances.to_string(),
                checked.held.to_string(),
                checked.fees.to_string(),
                checked.at.cast_signed()
            ],
        )
    }
}

const fn line(id: i64, what: i64, price: Price, qty: Qty, leaves: Qty) -> Line {
    Line {
        id,
        what,
        price,
        qty,
        leaves,
        reason: 0,
    }
}

/// A count that tables can keep: 2^63 - 1 stands for that or more.
fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

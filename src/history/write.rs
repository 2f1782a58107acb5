//! Rows as statements, the same for a file and a cluster's database.

mod orders;

use souk_protocol::message::StatementEntry;
use souk_protocol::{AccountId, TenantId};

use super::rows::Row;
use crate::control::{AccountTerms, CurrencyCode};
use crate::handoff::TenantIndex;
use crate::tables::{Bulk, Dialect, Session, TablesError, Value, values};
pub(in crate::history) use orders::what;

/// Sums of one currency of a tenant.
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

/// Writes into one transaction. What only ever is added goes there many rows at a time, with [`Writer::finish`].
pub(super) struct Writer<'a> {
    session: &'a mut dyn Session,
    dialect: Dialect,
    /// The number of the next row that people read in order; none: the tables give them.
    next_number: Option<u64>,
    events: Bulk,
    trades: Bulk,
    statements: Bulk,
}

/// Where and when something happened to orders.
#[derive(Clone, Copy)]
struct At {
    tenant: i64,
    market: i64,
    seq: i64,
    at: i64,
}

type Written = Result<(), TablesError>;

impl<'a> Writer<'a> {
    pub(super) fn new(session: &'a mut dyn Session, next_number: Option<u64>) -> Self {
        let dialect = session.dialect();
        let (events, trades, statements) = (
            "INSERT INTO order_events (number, tenant, market, id, stream_seq, at, what, price, qty, leaves, reason)",
            "INSERT INTO trades (number, tenant, market, id, at, price, qty, notional, taker_side, buyer, seller, \
             buyer_order, seller_order, buyer_fee, seller_fee)",
            "statements (tenant, account, currency, sequence, at, kind, `change`, total, market, reference)",
        );
        let statements = format!("{} {statements}", dialect.insert_ignore());
        Self {
            session,
            dialect,
            next_number,
            events: Bulk::new(events.to_owned(), 11),
            trades: Bulk::new(trades.to_owned(), 15),
            statements: Bulk::new(statements, 10),
        }
    }

    /// Writes what happened, and what was found of the money. `tenants`: their ids, by index.
    pub(super) fn all(
        &mut self,
        tenants: &[TenantId],
        rows: &[Row],
        money: &[MoneyChecked],
    ) -> Written {
        for row in rows {
            self.row(tenants, row)?;
        }
        for checked in money {
            self.money(checked)?;
        }
        Ok(())
    }

    /// Sends what waits. Gives the number of the next row.
    pub(super) fn finish(mut self) -> Result<Option<u64>, TablesError> {
        for bulk in [&mut self.events, &mut self.trades, &mut self.statements] {
            bulk.flush(self.session)?;
        }
        Ok(self.next_number)
    }

    fn run(&mut self, sql: &str, values: &[Value]) -> Written {
        self.session.execute(sql, values).map(|_| ())
    }

    fn number(&mut self) -> Value {
        let Some(next) = &mut self.next_number else {
            return Value::Null;
        };
        let number = *next;
        *next += 1;
        Value::Int(number.cast_signed())
    }

    fn row(&mut self, tenants: &[TenantId], row: &Row) -> Written {
        let id = |index: &TenantIndex| i64::from(tenants[index.0 as usize].0);
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
            } => {
                self.statement(id(tenant), *account, *currency, entry);
                Ok(())
            }
            Row::Account {
                tenant,
                account,
                terms,
                at,
            } => self.account(id(tenant), *account, terms, at.cast_signed()),
            Row::OrdersMax {
                tenant,
                market,
                orders_max,
            } => {
                let replace = self.dialect.replace("tenant, id", &["orders_max"]);
                let sql = format!(
                    "INSERT INTO markets (tenant, id, orders_max) VALUES (?1, ?2, ?3) {replace}"
                );
                self.run(&sql, values![id(tenant), market.0, *orders_max])
            }
            Row::Fees {
                tenant,
                market,
                fee_group,
                rates,
            } => {
                let key = "tenant, market, fee_group";
                let replace = self.dialect.replace(key, &["maker_ppm", "taker_ppm"]);
                let sql = format!(
                    "INSERT INTO fees (tenant, market, fee_group, maker_ppm, taker_ppm) VALUES (?1, ?2, ?3, ?4, ?5) {replace}"
                );
                let (maker, taker) = (rates.maker_ppm, rates.taker_ppm);
                self.run(
                    &sql,
                    values![id(tenant), market.0, fee_group.0, maker, taker],
                )
            }
        }
    }

    fn statement(
        &mut self,
        tenant: i64,
        account: AccountId,
        currency: CurrencyCode,
        entry: &StatementEntry,
    ) {
        self.statements.add(values![
            tenant,
            account.0,
            currency.as_str(),
            entry.sequence.cast_signed(),
            entry.transact_time.cast_signed(),
            entry.kind as u8,
            entry.change,
            entry.total.0.cast_signed(),
            entry.market.0,
            entry.reference.cast_signed()
        ]);
    }

    fn account(
        &mut self,
        tenant: i64,
        account: AccountId,
        terms: &AccountTerms,
        at: i64,
    ) -> Written {
        let changed = ["status", "fee_group", "stp_group"];
        let sql = format!(
            "INSERT INTO accounts (tenant, id, external_id, status, fee_group, stp_group, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) {}",
            self.dialect.replace("tenant, id", &changed)
        );
        self.run(
            &sql,
            values![
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
        let changed = ["supply", "balances", "held", "fees", "at"];
        let sql = format!(
            "INSERT INTO money (tenant, currency, supply, balances, held, fees, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) {}",
            self.dialect.replace("tenant, currency", &changed)
        );
        self.run(
            &sql,
            values![
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

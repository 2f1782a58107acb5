//! Writes rows, and how far they go, in one transaction.

mod orders;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use souk_protocol::message::StatementEntry;
use souk_protocol::{AccountId, MarketId, TenantId};

use super::HistoryError;
use super::rows::Row;
use super::schema::{PRAGMAS, TABLES, VERSION};
use crate::control::{AccountTerms, CurrencyCode};
use crate::storage;
pub(in crate::history) use orders::what;

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
        storage::make_secret(file).map_err(|error| HistoryError::File {
            file: file.to_owned(),
            error,
        })?;
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
            Row::OrdersMax {
                tenant,
                market,
                orders_max,
            } => self.run(
                "INSERT INTO markets VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET orders_max = excluded.orders_max",
                params![id(tenant), market.0, orders_max],
            ),
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

    fn statement(
        &mut self,
        tenant: i64,
        account: AccountId,
        currency: CurrencyCode,
        entry: &StatementEntry,
    ) -> Written {
        let MarketId(market) = entry.market;
        self.run(
            "INSERT INTO statements VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
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

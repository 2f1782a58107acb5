//! What can be asked of the tables. Every question names its tenant, and no answer has a row of another.

mod rows;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use souk_protocol::{AccountId, AccountStatus, MarketId, OrderId, TenantId};

use super::schema::{CANCELED, FILLED, OPEN, REJECTED};
use super::{HistoryError, Reach};
use crate::tables::{Row, Session, Sqlite, TablesError, Value, row, values};
use rows::{ACCOUNT, ORDER, STATEMENT, TRADE};
pub use rows::{
    AccountRow, EventRow, FeesRow, Happening, MoneyRow, OrderRow, Standing, StateRow, StatementRow,
    TradeRow, Volume,
};

/// Reads the tables, while they are written.
#[derive(Debug)]
pub struct HistoryReader {
    session: Mutex<Box<dyn Session>>,
    /// Who writes a file is told here if it is damaged.
    reach: Option<Arc<Reach>>,
}

/// Which orders or trades are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this market.
    pub market: Option<MarketId>,
    /// Of this account.
    pub account: Option<AccountId>,
    /// Where they stand; orders only.
    pub standing: Option<Standing>,
    /// Not before this, nanoseconds since 1970-01-01 UTC.
    pub from: Option<u64>,
    /// Before this.
    pub to: Option<u64>,
    /// Older than the one with this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Conditions of a question, and their values.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(tenant: TenantId) -> Self {
        let mut conditions = Self::default();
        conditions.add("tenant =", i64::from(tenant.0));
        conditions
    }

    fn add(&mut self, condition: &str, value: impl Into<Value>) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.values.push(value.into());
        self.text
            .push_str(&format!("{condition} ?{}", self.values.len()));
    }

    fn bounded(mut self, time: &str, filter: &Filter) -> Self {
        let signed = u64::cast_signed;
        if let Some(market) = filter.market {
            self.add("market =", i64::from(market.0));
        }
        if let Some(from) = filter.from {
            self.add(&format!("{time} >="), signed(from));
        }
        if let Some(to) = filter.to {
            self.add(&format!("{time} <"), signed(to));
        }
        if let Some(before) = filter.before {
            self.add("number <", signed(before));
        }
        self
    }
}

impl HistoryReader {
    /// Reads the tables in `file`, as soon as their writer has made them; it is told through `reach` if they are damaged.
    #[must_use]
    pub fn new(file: PathBuf, reach: Arc<Reach>) -> Self {
        Self {
            session: Mutex::new(Box::new(Sqlite::reading(file))),
            reach: Some(reach),
        }
    }

    /// Reads the tables that `session` speaks to.
    #[must_use]
    pub const fn over(session: Box<dyn Session>) -> Self {
        Self {
            session: Mutex::new(session),
            reach: None,
        }
    }

    /// Orders, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn orders(&self, tenant: TenantId, filter: &Filter) -> Result<Vec<OrderRow>, HistoryError> {
        let mut conditions = Conditions::of(tenant).bounded("created_at", filter);
        if let Some(account) = filter.account {
            conditions.add("account =", i64::from(account.0));
        }
        if let Some(standing) = filter.standing {
            // A constant, so that the index of open orders is taken.
            let state = state_of(standing);
            conditions.text.push_str(&format!(" AND state = {state}"));
        }
        let sql = format!(
            "SELECT {ORDER} FROM orders WHERE {} ORDER BY number DESC LIMIT {}",
            conditions.text, filter.limit
        );
        self.all(&sql, &conditions.values, OrderRow::read)
    }

    /// One order.
    ///
    /// # Errors
    /// What the store says.
    pub fn order(
        &self,
        tenant: TenantId,
        market: MarketId,
        id: OrderId,
    ) -> Result<Option<OrderRow>, HistoryError> {
        let sql = format!(
            "SELECT {ORDER} FROM orders WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0"
        );
        self.one(
            &sql,
            values![tenant.0, market.0, id.0.cast_signed()],
            OrderRow::read,
        )
    }

    /// What happened to an order, the oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn order_events(
        &self,
        tenant: TenantId,
        market: MarketId,
        id: OrderId,
        limit: usize,
    ) -> Result<Vec<EventRow>, HistoryError> {
        let mut conditions = Conditions::of(tenant);
        conditions.add("market =", i64::from(market.0));
        conditions.add("id =", id.0.cast_signed());
        let sql = format!(
            "SELECT stream_seq, at, what, price, qty, leaves, reason FROM order_events WHERE {} ORDER BY number LIMIT {limit}",
            conditions.text
        );
        self.all(&sql, &conditions.values, EventRow::read)
    }

    /// Trades, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn trades(&self, tenant: TenantId, filter: &Filter) -> Result<Vec<TradeRow>, HistoryError> {
        let conditions = Conditions::of(tenant).bounded("at", filter);
        let limit = filter.limit;
        let page = |more: &str| {
            let text = &conditions.text;
            format!(
                "SELECT {TRADE} FROM trades WHERE {text}{more} ORDER BY number DESC LIMIT {limit}"
            )
        };
        let Some(account) = filter.account else {
            return self.all(&page(""), &conditions.values, TradeRow::read);
        };
        // Each side has an index of its own.
        let (place, account) = (conditions.values.len() + 1, i64::from(account.0));
        let bought = page(&format!(" AND buyer = ?{place}"));
        let sold = page(&format!(" AND seller = ?{place}"));
        let sql = format!(
            "SELECT * FROM (SELECT * FROM ({bought}) AS bought UNION SELECT * FROM ({sold}) AS sold) AS both_sides ORDER BY number DESC LIMIT {limit}"
        );
        let mut values = conditions.values;
        values.push(account.into());
        self.all(&sql, &values, TradeRow::read)
    }

    /// What changed a balance: after the number `cursor`, the oldest first; or before it, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn statement(
        &self,
        tenant: TenantId,
        account: AccountId,
        currency: &str,
        newest_first: bool,
        cursor: Option<u64>,
        filter: &Filter,
    ) -> Result<Vec<StatementRow>, HistoryError> {
        let mut conditions = Conditions::of(tenant);
        conditions.add("account =", i64::from(account.0));
        conditions.add("currency =", currency.to_owned());
        let (compared, order) = if newest_first {
            ("sequence <", "sequence DESC")
        } else {
            ("sequence >", "sequence")
        };
        if let Some(cursor) = cursor {
            conditions.add(compared, cursor.cast_signed());
        }
        let conditions = conditions.bounded("at", filter);
        let sql = format!(
            "SELECT {STATEMENT} FROM statements WHERE {} ORDER BY {order} LIMIT {}",
            conditions.text, filter.limit
        );
        self.all(&sql, &conditions.values, StatementRow::read)
    }

    /// Accounts with an id above `after`, by id.
    ///
    /// # Errors
    /// What the store says.
    pub fn accounts(
        &self,
        tenant: TenantId,
        after: AccountId,
        external_id: Option<&str>,
        status: Option<AccountStatus>,
        limit: usize,
    ) -> Result<Vec<AccountRow>, HistoryError> {
        let mut conditions = Conditions::of(tenant);
        conditions.add("id >", i64::from(after.0));
        if let Some(external_id) = external_id {
            conditions.text.push_str(" AND external_id != ''");
            conditions.add("external_id =", external_id.to_owned());
        }
        if let Some(status) = status {
            conditions.add("status =", i64::from(status as u8));
        }
        let sql = format!(
            "SELECT {ACCOUNT} FROM accounts WHERE {} ORDER BY id LIMIT {limit}",
            conditions.text
        );
        self.all(&sql, &conditions.values, AccountRow::read)
    }

    /// One account.
    ///
    /// # Errors
    /// What the store says.
    pub fn account(
        &self,
        tenant: TenantId,
        account: AccountId,
    ) -> Result<Option<AccountRow>, HistoryError> {
        let before = AccountId(account.0.saturating_sub(1));
        let found = self.accounts(tenant, before, None, None, 1)?;
        Ok(found.into_iter().find(|found| found.account == account))
    }

    /// The highest account id there is.
    ///
    /// # Errors
    /// What the store says.
    pub fn last_account(&self, tenant: TenantId) -> Result<AccountId, HistoryError> {
        let sql = "SELECT max(id) FROM accounts WHERE tenant = ?1";
        let last = self.number(sql, values![tenant.0])?;
        Ok(AccountId(last as u32))
    }

    /// The accounts that have open orders in a market.
    ///
    /// # Errors
    /// What the store says.
    pub fn accounts_with_orders(
        &self,
        tenant: TenantId,
        market: MarketId,
    ) -> Result<Vec<AccountId>, HistoryError> {
        let sql =
            "SELECT DISTINCT account FROM orders WHERE tenant = ?1 AND state = 1 AND market = ?2";
        self.all(sql, values![tenant.0, market.0], |row| {
            row.small(0).map(AccountId)
        })
    }

    /// How many open orders a market holds at most.
    ///
    /// # Errors
    /// What the store says.
    pub fn orders_max(
        &self,
        tenant: TenantId,
        market: MarketId,
    ) -> Result<Option<u32>, HistoryError> {
        let sql = "SELECT orders_max FROM markets WHERE tenant = ?1 AND id = ?2";
        self.one(sql, values![tenant.0, market.0], |row| row.small(0))
    }

    /// What the fee groups of a market pay, by group.
    ///
    /// # Errors
    /// What the store says.
    pub fn fees(&self, tenant: TenantId, market: MarketId) -> Result<Vec<FeesRow>, HistoryError> {
        let sql = "SELECT fee_group, maker_ppm, taker_ppm FROM fees WHERE tenant = ?1 AND market = ?2 ORDER BY fee_group";
        self.all(sql, values![tenant.0, market.0], FeesRow::read)
    }

    /// What a market accepted when, the newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn states(
        &self,
        tenant: TenantId,
        market: MarketId,
        limit: usize,
    ) -> Result<Vec<StateRow>, HistoryError> {
        let sql = format!(
            "SELECT state, at FROM states WHERE tenant = ?1 AND market = ?2 ORDER BY number DESC LIMIT {limit}"
        );
        self.all(&sql, values![tenant.0, market.0], StateRow::read)
    }

    /// The last check of each currency's money.
    ///
    /// # Errors
    /// What the store says.
    pub fn money(&self, tenant: TenantId) -> Result<Vec<MoneyRow>, HistoryError> {
        let sql = "SELECT currency, supply, balances, held, fees, at FROM money WHERE tenant = ?1 ORDER BY currency";
        self.all(sql, values![tenant.0], MoneyRow::read)
    }

    /// What was traded in each market from a minute on (counted since 1970-01-01 UTC), for markets that ever traded.
    ///
    /// # Errors
    /// What the store says.
    pub fn volumes(
        &self,
        tenant: TenantId,
        minute: u64,
    ) -> Result<BTreeMap<MarketId, Volume>, HistoryError> {
        let minute = minute.cast_signed();
        self.ask(|session| {
            let mut volumes: BTreeMap<MarketId, Volume> = BTreeMap::new();
            let rows = session.rows(
                "SELECT trades, qty, notional, high, low, first_price, last_price, market FROM minutes
                 WHERE tenant = ?1 AND minute >= ?2 ORDER BY minute",
                values![tenant.0, minute],
            )?;
            for row in rows {
                let volume = volumes.entry(MarketId(row.small(7)?)).or_default();
                volume.add(&row)?;
            }
            // The last price before, of each market: one step in the index.
            let rows = session.rows(
                "SELECT markets.id, (SELECT last_price FROM minutes WHERE minutes.tenant = ?1 AND minutes.market = markets.id
                 AND minute < ?2 ORDER BY minute DESC LIMIT 1) AS price FROM markets WHERE markets.tenant = ?1",
                values![tenant.0, minute],
            )?;
            for row in rows {
                if let Some(price) = row.optional(1)? {
                    let volume = volumes.entry(MarketId(row.small(0)?)).or_default();
                    volume.price_before = Some(price);
                }
            }
            Ok(volumes)
        })
    }

    /// How many accounts, open orders, and trades since a time there are.
    ///
    /// # Errors
    /// What the store says.
    pub fn counts(&self, tenant: TenantId, minute: u64) -> Result<[u64; 3], HistoryError> {
        let accounts = self.number(
            "SELECT count(*) FROM accounts WHERE tenant = ?1",
            values![tenant.0],
        )?;
        let open = "SELECT count(*) FROM orders WHERE tenant = ?1 AND state = 1";
        let open = self.number(open, values![tenant.0])?;
        let trades = self.number(
            "SELECT coalesce(sum(trades), 0) FROM minutes WHERE tenant = ?1 AND minute >= ?2",
            values![tenant.0, minute.cast_signed()],
        )?;
        Ok([accounts, open, trades])
    }

    /// How many markets there are.
    ///
    /// # Errors
    /// What the store says.
    pub fn markets(&self, tenant: TenantId) -> Result<u64, HistoryError> {
        let sql = "SELECT count(*) FROM markets WHERE tenant = ?1";
        self.number(sql, values![tenant.0])
    }

    /// How many orders an account has open.
    ///
    /// # Errors
    /// What the store says.
    pub fn open_orders(&self, tenant: TenantId, account: AccountId) -> Result<u64, HistoryError> {
        let sql = "SELECT count(*) FROM orders WHERE tenant = ?1 AND account = ?2 AND state = 1";
        self.number(sql, values![tenant.0, account.0])
    }

    /// A number; nothing counts as 0.
    fn number(&self, sql: &str, values: &[Value]) -> Result<u64, HistoryError> {
        let number = self.one(sql, values, |row| row.optional(0))?;
        Ok(number.flatten().unwrap_or(0).cast_unsigned())
    }

    fn one<T>(
        &self,
        sql: &str,
        values: &[Value],
        read: impl Fn(&Row) -> Result<T, TablesError>,
    ) -> Result<Option<T>, HistoryError> {
        self.ask(|session| row(session, sql, values)?.as_ref().map(read).transpose())
    }

    fn all<T>(
        &self,
        sql: &str,
        values: &[Value],
        read: impl Fn(&Row) -> Result<T, TablesError>,
    ) -> Result<Vec<T>, HistoryError> {
        self.ask(|session| session.rows(sql, values)?.iter().map(read).collect())
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&mut dyn Session) -> Result<T, TablesError>,
    ) -> Result<T, HistoryError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let set_aside = self.reach.as_ref().map(|reach| reach.set_aside());
        let answer = question(&mut **session);
        let answer = answer.map_err(|error| HistoryError::of(&**session, error));
        if let (Some(reach), Some(set_aside), Err(error)) = (&self.reach, set_aside, &answer)
            && error.is_damaged()
        {
            reach.found_damaged(set_aside);
        }
        answer
    }
}

const fn state_of(standing: Standing) -> i64 {
    match standing {
        Standing::Open => OPEN,
        Standing::Filled => FILLED,
        Standing::Canceled => CANCELED,
        Standing::Rejected => REJECTED,
    }
}

//! Users and tokens.

use std::time::Duration;

use souk_protocol::{AccountId, TenantId};

use super::{OfficeError, OfficeStore, now, number_of, tenant_of};
use crate::office::access::{Caller, Role};
use crate::office::secrets::Digest;
use crate::tables::{Dialect, Row, TablesError, row, values};

/// How often the last use of a token is written down, in nanoseconds.
const USED_PERIOD_NS: i64 = 60_000_000_000;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUser {
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// PHC string of its password.
    pub password: String,
    /// When it was made, nanoseconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// When it logged on last; 0: never.
    pub last_login_at: u64,
}

/// A token as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// Its number.
    pub id: u64,
    /// What its owner calls it.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// When it was made.
    pub created_at: u64,
    /// When it ends.
    pub expires_at: u64,
    /// When it was used last, to the minute; 0: never.
    pub last_used_at: u64,
}

/// What a new token is good for.
#[derive(Clone, Debug)]
pub struct TokenTerms {
    /// Who has it.
    pub caller: Caller,
    /// The user that logged on, and the hash of the password it had then; none: it is for a program.
    pub login: Option<(String, String)>,
    /// When it is made.
    pub created_at: u64,
}

/// The role of a one-time code: nobody has it.
const CODE: &str = "code";
const USER: &str = "name, role, password, created_at, last_login_at";

impl OfficeStore {
    /// A user, by tenant and name.
    ///
    /// # Errors
    /// What the store says.
    pub fn user(
        &self,
        tenant: Option<TenantId>,
        name: &str,
    ) -> Result<Option<StoredUser>, OfficeError> {
        let sql = format!("SELECT {USER} FROM users WHERE tenant = ?1 AND name = ?2");
        self.ask(|session| {
            let found = row(session, &sql, values![number_of(tenant), name])?;
            found.as_ref().map(read_user).transpose()
        })
    }

    /// The users of a tenant.
    ///
    /// # Errors
    /// What the store says.
    pub fn users(&self, tenant: Option<TenantId>) -> Result<Vec<StoredUser>, OfficeError> {
        let sql = format!("SELECT {USER} FROM users WHERE tenant = ?1 ORDER BY name");
        self.ask(|session| {
            let rows = session.rows(&sql, values![number_of(tenant)])?;
            rows.iter().map(read_user).collect()
        })
    }

    /// Adds a user, or gives an existing one another role and password. A new one if `must_be_new`: gives whether it was.
    ///
    /// # Errors
    /// What the store says.
    pub fn put_user(
        &self,
        tenant: Option<TenantId>,
        user: &StoredUser,
        must_be_new: bool,
    ) -> Result<bool, OfficeError> {
        self.ask(|session| {
            let dialect = session.dialect();
            let (insert, conflict) = if must_be_new {
                (dialect.insert_ignore(), String::new())
            } else {
                let replace = dialect.replace("tenant, name", &["role", "password"]);
                ("INSERT INTO", replace)
            };
            let sql = format!(
                "{insert} users (tenant, name, role, password, created_at, last_login_at) VALUES (?1, ?2, ?3, ?4, ?5, 0) {conflict}"
            );
            let values = values![
                number_of(tenant),
                &user.name,
                user.role.name(),
                &user.password,
                user.created_at.cast_signed()
            ];
            Ok(session.execute(&sql, values)? > 0)
        })
    }

    /// Gives a user another password, and ends its other logins than the one with this digest. Gives whether it is there.
    ///
    /// # Errors
    /// What the store says.
    pub fn set_password(
        &self,
        tenant: Option<TenantId>,
        name: &str,
        password: &str,
        login: &Digest,
    ) -> Result<bool, OfficeError> {
        self.change(|session| {
            let sql = "UPDATE users SET password = ?3 WHERE tenant = ?1 AND name = ?2";
            let values = values![number_of(tenant), name, password];
            if session.execute(sql, values)? == 0 {
                return Ok(false);
            }
            let sql = "DELETE FROM tokens WHERE tenant = ?1 AND user = ?2 AND digest != ?3";
            let values = values![number_of(tenant), name, login.as_ref()];
            session.execute(sql, values)?;
            Ok(true)
        })
    }

    /// Notes that a user has logged on.
    ///
    /// # Errors
    /// What the store says.
    pub fn logged_on(
        &self,
        tenant: Option<TenantId>,
        name: &str,
        at: u64,
    ) -> Result<(), OfficeError> {
        let sql = "UPDATE users SET last_login_at = ?3 WHERE tenant = ?1 AND name = ?2";
        let values = values![number_of(tenant), name, at.cast_signed()];
        self.ask(|session| session.execute(sql, values).map(|_| ()))
    }

    /// Removes a user and ends its logins. Gives whether it was there, and not the last owner.
    ///
    /// # Errors
    /// What the store says.
    pub fn remove_user(&self, tenant: Option<TenantId>, name: &str) -> Result<bool, OfficeError> {
        self.change(|session| {
            // All owners are locked: two that remove each other do so one after the other.
            let owners = format!(
                "SELECT name FROM users WHERE tenant = ?1 AND role = 'owner' ORDER BY name{}",
                session.dialect().for_update()
            );
            let owners = session.rows(&owners, values![number_of(tenant)])?;
            let names = owners.iter().map(|row| row.text(0));
            let names = names.collect::<Result<Vec<_>, _>>()?;
            if names == [name] {
                return Ok(false);
            }
            let sql = "DELETE FROM users WHERE tenant = ?1 AND name = ?2";
            Ok(session.execute(sql, values![number_of(tenant), name])? == 1)
        })
    }

    /// Ends the tokens of a user's logins.
    ///
    /// # Errors
    /// What the store says.
    pub fn end_logins(&self, tenant: Option<TenantId>, user: &str) -> Result<(), OfficeError> {
        let sql = "DELETE FROM tokens WHERE tenant = ?1 AND user = ?2 AND user != ''";
        let values = values![number_of(tenant), user];
        self.ask(|session| session.execute(sql, values).map(|_| ()))
    }

    /// Keeps the digest of a new token, and forgets those that have ended. Gives its number; nothing if the user that logs on is
    /// gone, or has another password by now.
    ///
    /// # Errors
    /// What the store says.
    pub fn add_token(
        &self,
        digest: &Digest,
        terms: &TokenTerms,
    ) -> Result<Option<u64>, OfficeError> {
        let caller = &terms.caller;
        let now = terms.created_at.cast_signed();
        self.change(|session| {
            let dialect = session.dialect();
            session.execute("DELETE FROM tokens WHERE expires_at < ?1", values![now])?;
            if let Some((user, password)) = &terms.login {
                let sql = format!(
                    "SELECT 1 FROM users WHERE tenant = ?1 AND name = ?2 AND password = ?3{}",
                    dialect.for_update()
                );
                let values = values![number_of(caller.tenant), user, password];
                if row(session, &sql, values)?.is_none() {
                    return Ok(None);
                }
            }
            let id = new_id(dialect);
            let sql = format!(
                "INSERT INTO tokens (digest, id, tenant, name, role, account, user, created_at, expires_at, last_used_at)
                 VALUES (?1, {id}, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)"
            );
            let user = terms.login.as_ref().map_or("", |(user, _)| user.as_str());
            let values = values![
                digest.as_ref(),
                number_of(caller.tenant),
                &caller.name,
                caller.role.name(),
                caller.account.map_or(0, |account| account.0),
                user,
                now,
                caller.expires_at.cast_signed()
            ];
            session.execute(&sql, values)?;
            let sql = "SELECT id FROM tokens WHERE digest = ?1";
            let id = row(session, sql, values![digest.as_ref()])?;
            id.map(|row| row.unsigned(0)).transpose()
        })
    }

    /// Keeps the digest of a one-time code, which is good for an account for some time. It is a token that nobody can log on with.
    ///
    /// # Errors
    /// What the store says.
    pub fn keep_code(
        &self,
        digest: &Digest,
        tenant: TenantId,
        account: AccountId,
        time: Duration,
    ) -> Result<(), OfficeError> {
        self.change(|session| {
            let (now, dialect) = (now(session)?, session.dialect());
            let sql = format!(
                "INSERT INTO tokens (digest, id, tenant, name, role, account, user, created_at, expires_at, last_used_at)
                 VALUES (?1, {}, ?2, '', '{CODE}', ?3, '', ?4, ?5, 0)",
                new_id(dialect)
            );
            let ends = now + time.as_nanos() as u64;
            let (now, ends) = (now.cast_signed(), ends.cast_signed());
            let values = values![digest.as_ref(), tenant.0, account.0, now, ends];
            session.execute(&sql, values).map(|_| ())
        })
    }

    /// Uses a one-time code up. Gives whose it was, and the account.
    ///
    /// # Errors
    /// What the store says.
    pub fn use_code(&self, digest: &Digest) -> Result<Option<(TenantId, AccountId)>, OfficeError> {
        let sql = format!(
            "SELECT tenant, account, expires_at FROM tokens WHERE digest = ?1 AND role = '{CODE}'"
        );
        self.ask(|session| {
            let Some(code) = row(session, &sql, values![digest.as_ref()])? else {
                return Ok(None);
            };
            // Whoever removes it has it.
            let used = "DELETE FROM tokens WHERE digest = ?1";
            let is_first = session.execute(used, values![digest.as_ref()])? == 1;
            let is_good = is_first && code.unsigned(2)? > now(session)?;
            let whose = (TenantId(code.small(0)?), AccountId(code.small(1)?));
            Ok(is_good.then_some(whose))
        })
    }

    /// Who has the token with this digest, if it is good at `now`.
    ///
    /// # Errors
    /// What the store says.
    pub fn caller(&self, digest: &Digest, now: u64) -> Result<Option<Caller>, OfficeError> {
        let now = now.cast_signed();
        self.ask(|session| {
            let sql = "SELECT tenant, name, role, account, expires_at, last_used_at FROM tokens WHERE digest = ?1 AND expires_at > ?2
                       AND (user = '' OR EXISTS (SELECT 1 FROM users WHERE users.tenant = tokens.tenant AND users.name = tokens.user))";
            let Some(found) = row(session, sql, values![digest.as_ref(), now])? else {
                return Ok(None);
            };
            if now - found.int(5)? > USED_PERIOD_NS {
                let sql = "UPDATE tokens SET last_used_at = ?2 WHERE digest = ?1";
                session.execute(sql, values![digest.as_ref(), now])?;
            }
            read_caller(&found)
        })
    }

    /// Ends a token. Gives whether it was there.
    ///
    /// # Errors
    /// What the store says.
    pub fn end_token(&self, digest: &Digest) -> Result<bool, OfficeError> {
        let sql = "DELETE FROM tokens WHERE digest = ?1";
        self.ask(|session| Ok(session.execute(sql, values![digest.as_ref()])? == 1))
    }

    /// The tokens of a tenant that are for programs.
    ///
    /// # Errors
    /// What the store says.
    pub fn tokens(&self, tenant: TenantId) -> Result<Vec<StoredToken>, OfficeError> {
        let sql = "SELECT id, name, role, created_at, expires_at, last_used_at FROM tokens
                   WHERE tenant = ?1 AND user = '' AND account = 0 ORDER BY id";
        let read = |row: &Row| {
            Ok(StoredToken {
                id: row.unsigned(0)?,
                name: row.text(1)?.trim_start_matches("token ").to_owned(),
                role: row.parsed(2, Role::of)?,
                created_at: row.unsigned(3)?,
                expires_at: row.unsigned(4)?,
                last_used_at: row.unsigned(5)?,
            })
        };
        self.ask(|session| {
            let rows = session.rows(sql, values![tenant.0])?;
            rows.iter().map(read).collect()
        })
    }

    /// Ends a program's token of a tenant. Gives whether it was there.
    ///
    /// # Errors
    /// What the store says.
    pub fn remove_token(&self, tenant: TenantId, id: u64) -> Result<bool, OfficeError> {
        let sql = "DELETE FROM tokens WHERE tenant = ?1 AND id = ?2 AND user = '' AND account = 0";
        let values = values![tenant.0, id.cast_signed()];
        self.ask(|session| Ok(session.execute(sql, values)? == 1))
    }
}

/// The number of the next token, in an `INSERT`.
const fn new_id(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "(SELECT coalesce(max(id), 0) + 1 FROM tokens)",
        Dialect::MySql => "NULL",
    }
}

fn read_user(row: &Row) -> Result<StoredUser, TablesError> {
    Ok(StoredUser {
        name: row.text(0)?,
        role: row.parsed(1, Role::of)?,
        password: row.text(2)?,
        created_at: row.unsigned(3)?,
        last_login_at: row.unsigned(4)?,
    })
}

/// Nobody, if the row says what this version does not know.
fn read_caller(row: &Row) -> Result<Option<Caller>, TablesError> {
    let account: u32 = row.small(3)?;
    let Some(role) = Role::of(&row.text(2)?) else {
        return Ok(None);
    };
    Ok(Some(Caller {
        tenant: tenant_of(row.small(0)?),
        name: row.text(1)?,
        role,
        account: (account != 0).then_some(AccountId(account)),
        expires_at: row.unsigned(4)?,
    }))
}

//! Users and tokens.

use rusqlite::{OptionalExtension, Row, params};
use souk_protocol::{AccountId, TenantId};

use super::{OfficeError, OfficeStore, number_of, tenant_of};
use crate::office::access::{Caller, Role};
use crate::office::secrets::Digest;

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
        let sql = "SELECT name, role, password, created_at, last_login_at FROM users WHERE tenant = ?1 AND name = ?2";
        self.ask(|connection| {
            let values = params![number_of(tenant), name];
            connection.query_row(sql, values, read_user).optional()
        })
    }

    /// The users of a tenant.
    ///
    /// # Errors
    /// What the store says.
    pub fn users(&self, tenant: Option<TenantId>) -> Result<Vec<StoredUser>, OfficeError> {
        let sql = "SELECT name, role, password, created_at, last_login_at FROM users WHERE tenant = ?1 ORDER BY name";
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([number_of(tenant)], read_user)?;
            rows.collect()
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
        let conflict = if must_be_new {
            "DO NOTHING"
        } else {
            "DO UPDATE SET role = excluded.role, password = excluded.password"
        };
        let sql =
            format!("INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5, 0) ON CONFLICT {conflict}");
        self.ask(|connection| {
            let values = params![
                number_of(tenant),
                user.name,
                user.role.name(),
                user.password,
                user.created_at.cast_signed()
            ];
            Ok(connection.execute(&sql, values)? == 1)
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
        self.ask(|connection| {
            let sql = "UPDATE users SET password = ?3 WHERE tenant = ?1 AND name = ?2";
            let values = params![number_of(tenant), name, password];
            if connection.execute(sql, values)? == 0 {
                return Ok(false);
            }
            let sql = "DELETE FROM tokens WHERE tenant = ?1 AND user = ?2 AND digest != ?3";
            let values = params![number_of(tenant), name, login.as_ref()];
            connection.execute(sql, values)?;
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
        self.ask(|connection| {
            let values = params![number_of(tenant), name, at.cast_signed()];
            connection.execute(sql, values).map(|_| ())
        })
    }

    /// Removes a user and ends its logins. Gives whether it was there, and not the last owner.
    ///
    /// # Errors
    /// What the store says.
    pub fn remove_user(&self, tenant: Option<TenantId>, name: &str) -> Result<bool, OfficeError> {
        let sql = "DELETE FROM users WHERE tenant = ?1 AND name = ?2 AND (role != 'owner' OR
                   EXISTS (SELECT 1 FROM users WHERE tenant = ?1 AND name != ?2 AND role = 'owner'))";
        self.ask(|connection| Ok(connection.execute(sql, params![number_of(tenant), name])? == 1))
    }

    /// Ends the tokens of a user's logins.
    ///
    /// # Errors
    /// What the store says.
    pub fn end_logins(&self, tenant: Option<TenantId>, user: &str) -> Result<(), OfficeError> {
        let sql = "DELETE FROM tokens WHERE tenant = ?1 AND user = ?2 AND user != ''";
        self.ask(|connection| {
            let values = params![number_of(tenant), user];
            connection.execute(sql, values).map(|_| ())
        })
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
        self.ask(|connection| {
            let now = terms.created_at.cast_signed();
            connection.execute("DELETE FROM tokens WHERE expires_at < ?1", [now])?;
            let sql = "INSERT INTO tokens SELECT ?1, (SELECT coalesce(max(id), 0) + 1 FROM tokens), ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0
                       WHERE ?6 = '' OR EXISTS (SELECT 1 FROM users WHERE tenant = ?2 AND name = ?6 AND password = ?9)
                       RETURNING id";
            let (user, password) = match &terms.login {
                Some((user, password)) => (user.as_str(), password.as_str()),
                None => ("", ""),
            };
            let values = params![
                digest.as_ref(),
                number_of(caller.tenant),
                caller.name,
                caller.role.name(),
                caller.account.map_or(0, |account| account.0),
                user,
                now,
                caller.expires_at.cast_signed(),
                password
            ];
            let id = connection.query_row(sql, values, |row| row.get::<_, i64>(0));
            id.map(i64::cast_unsigned).optional()
        })
    }

    /// Who has the token with this digest, if it is good at `now`.
    ///
    /// # Errors
    /// What the store says.
    pub fn caller(&self, digest: &Digest, now: u64) -> Result<Option<Caller>, OfficeError> {
        let now = now.cast_signed();
        self.ask(|connection| {
            let sql = "SELECT tenant, name, role, account, expires_at, last_used_at FROM tokens WHERE digest = ?1 AND expires_at > ?2
                       AND (user = '' OR EXISTS (SELECT 1 FROM users WHERE users.tenant = tokens.tenant AND users.name = tokens.user))";
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement
                .query_row(params![digest.as_ref(), now], |row| {
                    Ok((read_caller(row)?, row.get::<_, i64>(5)?))
                })
                .optional()?;
            let Some((caller, used)) = found else {
                return Ok(None);
            };
            if now - used > USED_PERIOD_NS {
                let sql = "UPDATE tokens SET last_used_at = ?2 WHERE digest = ?1";
                connection.execute(sql, params![digest.as_ref(), now])?;
            }
            Ok(caller)
        })
    }

    /// Ends a token. Gives whether it was there.
    ///
    /// # Errors
    /// What the store says.
    pub fn end_token(&self, digest: &Digest) -> Result<bool, OfficeError> {
        let sql = "DELETE FROM tokens WHERE digest = ?1";
        self.ask(|connection| Ok(connection.execute(sql, params![digest.as_ref()])? == 1))
    }

    /// The tokens of a tenant that are for programs.
    ///
    /// # Errors
    /// What the store says.
    pub fn tokens(&self, tenant: TenantId) -> Result<Vec<StoredToken>, OfficeError> {
        let sql = "SELECT id, name, role, created_at, expires_at, last_used_at FROM tokens
                   WHERE tenant = ?1 AND user = '' AND account = 0 ORDER BY id";
        self.ask(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([tenant.0], |row| {
                Ok(StoredToken {
                    id: unsigned(row, 0)?,
                    name: row
                        .get::<_, String>(1)?
                        .trim_start_matches("token ")
                        .to_owned(),
                    role: read_role(row, 2)?,
                    created_at: unsigned(row, 3)?,
                    expires_at: unsigned(row, 4)?,
                    last_used_at: unsigned(row, 5)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Ends a program's token of a tenant. Gives whether it was there.
    ///
    /// # Errors
    /// What the store says.
    pub fn remove_token(&self, tenant: TenantId, id: u64) -> Result<bool, OfficeError> {
        let sql = "DELETE FROM tokens WHERE tenant = ?1 AND id = ?2 AND user = '' AND account = 0";
        self.ask(|connection| {
            Ok(connection.execute(sql, params![tenant.0, id.cast_signed()])? == 1)
        })
    }
}

fn read_user(row: &Row<'_>) -> Result<StoredUser, rusqlite::Error> {
    Ok(StoredUser {
        name: row.get(0)?,
        role: read_role(row, 1)?,
        password: row.get(2)?,
        created_at: unsigned(row, 3)?,
        last_login_at: unsigned(row, 4)?,
    })
}

/// Nobody, if the row says what this version does not know.
fn read_caller(row: &Row<'_>) -> Result<Option<Caller>, rusqlite::Error> {
    let account: u32 = row.get(3)?;
    let role: String = row.get(2)?;
    let Some(role) = Role::of(&role) else {
        return Ok(None);
    };
    Ok(Some(Caller {
        tenant: tenant_of(row.get(0)?),
        name: row.get(1)?,
        role,
        account: (account != 0).then_some(AccountId(account)),
        expires_at: unsigned(row, 4)?,
    }))
}

fn read_role(row: &Row<'_>, column: usize) -> Result<Role, rusqlite::Error> {
    let name: String = row.get(column)?;
    Role::of(&name).ok_or_else(|| {
        let text = format!("{name:?} is no role");
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, text.into())
    })
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

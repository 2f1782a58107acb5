//! The first users: made at the machine, by who may read the data directory.

use souk_protocol::TenantId;

use super::access::Role;
use super::routes::people::is_user_name;
use super::secrets::{hash_password, new_password};
use super::store::{Attempt, OfficeError, OfficeStore, StoredUser};
use crate::clock;
use crate::config::Config;

/// Why there is no such user now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeopleError {
    /// No such tenant.
    #[error("there is no tenant {name:?}: the configuration has {known}")]
    Tenant {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The name is none.
    #[error("{0:?} is no user's name: 1 to 32 letters, digits, '.', '-', '_' or '@'")]
    Name(String),
    /// The role does not fit.
    #[error("role {role}: the platform's people have the role platform, a tenant's another one")]
    Role {
        /// The role.
        role: &'static str,
    },
    /// The office's tables cannot be used.
    #[error(transparent)]
    Office(#[from] OfficeError),
}

/// Makes a user, or gives one another role and a new password. No tenant: one of those who run the nodes. Gives the
/// password, which is kept nowhere.
///
/// # Errors
/// What is wrong with it.
pub fn set_user(
    config: &Config,
    tenant: Option<&str>,
    name: &str,
    role: Role,
) -> Result<String, PeopleError> {
    let tenant = tenant
        .map(|tenant| tenant_named(config, tenant))
        .transpose()?;
    if !is_user_name(name) {
        return Err(PeopleError::Name(name.to_owned()));
    }
    let fits = match tenant {
        Some(_) => Role::OF_TENANT.contains(&role),
        None => role == Role::Platform,
    };
    if !fits {
        return Err(PeopleError::Role { role: role.name() });
    }
    let store = OfficeStore::of(config)?;
    let password = new_password()?;
    let user = StoredUser {
        name: name.to_owned(),
        role,
        password: hash_password(&password)?,
        created_at: clock::wall_ns(),
        last_login_at: 0,
    };
    let attempt = Attempt {
        tenant,
        user: "command line".to_owned(),
        role: Role::Platform.name().to_owned(),
        address: "local".to_owned(),
        action: "user.set".to_owned(),
        target: format!("user {name}"),
        reason: String::new(),
        request: format!("{{\"role\":\"{}\"}}", role.name()),
    };
    let begun = store.begin(&attempt, clock::wall_ns())?;
    store.put_user(tenant, &user, false)?;
    store.end_logins(tenant, name)?;
    store.end(&attempt, clock::wall_ns(), "done", begun)?;
    Ok(password)
}

fn tenant_named(config: &Config, name: &str) -> Result<TenantId, PeopleError> {
    let found = config.tenants.iter().find(|tenant| tenant.name == name);
    found.map(|tenant| tenant.id).ok_or_else(|| {
        let known: Vec<&str> = config.tenants.iter().map(|it| it.name.as_str()).collect();
        PeopleError::Tenant {
            name: name.to_owned(),
            known: known.join(", "),
        }
    })
}

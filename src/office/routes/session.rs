//! Coming in and going out: logins, one-time codes for the trading page, who one is.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use souk_protocol::{AccountId, TenantId};
use utoipa::ToSchema;

use super::brand::{Brand, brand_of};
use crate::clock;
use crate::office::access::{Caller, Role};
use crate::office::admission::{AtDesk, From, Someone, bearer};
use crate::office::answers::time;
use crate::office::error::ApiError;
use crate::office::requests::{Body, number};
use crate::office::secrets::{
    Digest, NewToken, PASSWORD_MAX, PASSWORD_MIN, hash_password, is_password,
};
use crate::office::state::{Deed, OfficeState, blocking};
use crate::office::store::TokenTerms;

/// How long a login lasts.
const LOGIN: Duration = Duration::from_secs(12 * 3_600);
/// How long a one-time code may wait.
const CODE: Duration = Duration::from_secs(60);

/// Who logs on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The tenant's name; empty for who runs the nodes.
    #[serde(default)]
    tenant: String,
    user: String,
    password: String,
}

/// A token, and whose it is.
#[derive(Serialize, ToSchema)]
pub struct LoggedOn {
    token: String,
    expires_at: String,
    #[serde(rename = "self")]
    who: Who,
}

/// Who one is.
#[derive(Serialize, ToSchema)]
pub struct Who {
    tenant: Option<String>,
    user: String,
    role: Role,
    account: Option<String>,
    brand: Brand,
    /// The server's time.
    time: String,
    /// What an acknowledgement is worth: `memory`, `local`, `mysql`.
    durability: &'static str,
    /// `internal`: the engine keeps the money; `external`: the platform does.
    custody: &'static str,
}

fn who_is(office: &OfficeState, caller: &Caller) -> Result<Who, ApiError> {
    let desk = caller.tenant.and_then(|tenant| office.desks.get(&tenant));
    Ok(Who {
        tenant: desk.map(|desk| desk.name.clone()),
        user: caller.name.clone(),
        role: caller.role,
        account: caller.account.map(|account| account.0.to_string()),
        brand: caller
            .tenant
            .map_or_else(|| Ok(Brand::default()), |tenant| brand_of(office, tenant))?,
        time: time(clock::wall_ns()),
        durability: match office.config.journal.durability {
            souk_protocol::Durability::Memory => "memory",
            souk_protocol::Durability::Local => "local",
            souk_protocol::Durability::Mysql => "mysql",
        },
        custody: match desk.map(|desk| desk.custody) {
            Some(crate::control::Custody::External) => "external",
            _ => "internal",
        },
    })
}

fn log_on(
    office: &OfficeState,
    caller: Caller,
    login: Option<(String, String)>,
) -> Result<Json<LoggedOn>, ApiError> {
    let token = NewToken::make()?;
    let who = who_is(office, &caller)?;
    let expires_at = time(caller.expires_at);
    let terms = TokenTerms {
        caller,
        login,
        created_at: clock::wall_ns(),
    };
    let added = blocking(|| office.store.add_token(&token.digest, &terms))?;
    // The user was removed, or has another password now.
    added.ok_or_else(ApiError::wrong_password)?;
    Ok(Json(LoggedOn {
        token: token.text,
        expires_at,
        who,
    }))
}

fn in_time(span: Duration) -> u64 {
    clock::wall_ns() + span.as_nanos() as u64
}

/// Log on with a password.
#[utoipa::path(post, path = "/v1/login", request_body = Login, responses((status = 200, body = LoggedOn)))]
pub async fn login(
    State(office): State<Arc<OfficeState>>,
    From(address): From,
    Body(login): Body<Login>,
) -> Result<Json<LoggedOn>, ApiError> {
    let name = format!("{} {}", login.tenant, login.user);
    office.attempt(address, Some(&name))?;
    if login.password.len() > PASSWORD_MAX {
        return Err(ApiError::wrong_password());
    }
    let desk = office.desks.values().find(|it| it.name == login.tenant);
    let tenant: Option<TenantId> = desk.map(|desk| desk.tenant);
    let is_known = login.tenant.is_empty() || tenant.is_some();
    let user = blocking(|| office.store.user(tenant, &login.user))?.filter(|_| is_known);
    let hash = user.as_ref().map(|user| user.password.as_str());
    // As much work for a name that does not exist.
    let check = || is_password(&login.password, hash);
    if !office.with_password(check).await? {
        return Err(ApiError::wrong_password());
    }
    let user = user.ok_or_else(ApiError::wrong_password)?;
    blocking(|| office.store.logged_on(tenant, &user.name, clock::wall_ns()))?;
    let caller = Caller {
        tenant,
        name: user.name.clone(),
        role: user.role,
        account: None,
        expires_at: in_time(LOGIN),
    };
    log_on(&office, caller, Some((user.name, user.password)))
}

/// End this token.
#[utoipa::path(post, path = "/v1/logout", responses((status = 204)))]
pub async fn logout(
    State(office): State<Arc<OfficeState>>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let token = bearer(&headers).ok_or_else(ApiError::unauthorized)?;
    let digest = Digest::of(token);
    blocking(|| office.store.end_token(&digest))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who one is.
#[utoipa::path(get, path = "/v1/self", responses((status = 200, body = Who)))]
pub async fn who(
    State(office): State<Arc<OfficeState>>,
    Someone { caller, .. }: Someone,
) -> Result<Json<Who>, ApiError> {
    who_is(&office, &caller).map(Json)
}

/// Two passwords.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    password: String,
    new_password: String,
}

/// Change one's own password; other logins end.
#[utoipa::path(put, path = "/v1/self/password", request_body = NewPassword, responses((status = 204)))]
pub async fn set_password(
    State(office): State<Arc<OfficeState>>,
    Someone { caller, address }: Someone,
    headers: HeaderMap,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    office.attempt(address, None)?;
    check_password(&body.new_password)?;
    let tenant = caller.tenant;
    let user = blocking(|| office.store.user(tenant, &caller.name))?;
    let user = user.ok_or_else(ApiError::not_found)?;
    let login = Digest::of(bearer(&headers).ok_or_else(ApiError::unauthorized)?);
    let check = || is_password(&body.password, Some(&user.password));
    if body.password.len() > PASSWORD_MAX || !office.with_password(check).await? {
        return Err(ApiError::wrong_password());
    }
    let deed = Deed::new("user.password", format!("user {}", user.name), "", &());
    office
        .audited(&caller, address, deed, async {
            let hash = || hash_password(&body.new_password);
            let password = office.with_password(hash).await??;
            let store = &office.store;
            let is_there = blocking(|| store.set_password(tenant, &user.name, &password, &login))?;
            let done = is_there.then_some(StatusCode::NO_CONTENT);
            done.ok_or_else(ApiError::not_found)
        })
        .await
}

/// Checks a new password.
pub fn check_password(password: &str) -> Result<(), ApiError> {
    let length = password.chars().count();
    if length >= PASSWORD_MIN && password.len() <= PASSWORD_MAX {
        return Ok(());
    }
    Err(ApiError::bad(
        "password",
        format!("has {length} characters, must be {PASSWORD_MIN} to {PASSWORD_MAX}"),
    ))
}

/// Whose code it shall be.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeFor {
    account: String,
}

/// A one-time code.
#[derive(Deserialize, Serialize, ToSchema)]
pub struct CodeMade {
    code: String,
    expires_at: String,
}

/// Make a one-time code that opens the trading page for an account.
#[utoipa::path(post, path = "/v1/codes", request_body = CodeFor, responses((status = 200, body = CodeMade)))]
pub async fn make_code(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<CodeFor>,
) -> Result<Json<CodeMade>, ApiError> {
    let account = AccountId(number("account", &body.account)?);
    let known = blocking(|| office.history.account(desk.tenant, account))?;
    known.ok_or_else(ApiError::not_found)?;
    let deed = Deed::new("code.make", format!("account {}", account.0), "", &body);
    office
        .audited(&caller, address, deed, async {
            let token = NewToken::make()?;
            let store = &office.store;
            blocking(|| store.keep_code(&token.digest, desk.tenant, account, CODE))?;
            Ok(Json(CodeMade {
                code: token.text,
                expires_at: time(in_time(CODE)),
            }))
        })
        .await
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeGiven {
    code: String,
}

/// Log on to the trading page with a one-time code.
#[utoipa::path(post, path = "/v1/codes/exchange", request_body = CodeGiven, responses((status = 200, body = LoggedOn)))]
pub async fn exchange_code(
    State(office): State<Arc<OfficeState>>,
    From(address): From,
    Body(body): Body<CodeGiven>,
) -> Result<Json<LoggedOn>, ApiError> {
    // Codes are 256 random bits: this is only against floods.
    let digest = Digest::of(&body.code);
    let Some((tenant, account)) = blocking(|| office.store.use_code(&digest))? else {
        office.attempt(address, None)?;
        return Err(ApiError::unauthorized());
    };
    let caller = Caller {
        tenant: Some(tenant),
        name: format!("account {}", account.0),
        role: Role::Holder,
        account: Some(account),
        expires_at: in_time(LOGIN),
    };
    log_on(&office, caller, None)
}

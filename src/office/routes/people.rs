//! Users of a tenant, and tokens for its programs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::orders::Why;
use super::session::check_password;
use crate::clock;
use crate::office::access::{Caller, Role};
use crate::office::admission::AtDesk;
use crate::office::answers::{Items, time};
use crate::office::error::ApiError;
use crate::office::requests::{Body, named, reason};
use crate::office::secrets::{NewToken, hash_password};
use crate::office::state::{Deed, OfficeState, blocking};
use crate::office::store::{StoredToken, StoredUser, TokenTerms};

/// Nanoseconds of a day.
const DAY_NS: u64 = 24 * 3_600 * 1_000_000_000;
/// Longest life of a token.
const DAYS_MAX: u64 = 400;

/// A user.
#[derive(Serialize, ToSchema)]
pub struct UserAnswer {
    user: String,
    role: Role,
    created_at: String,
    last_login_at: Option<String>,
}

impl From<&StoredUser> for UserAnswer {
    fn from(user: &StoredUser) -> Self {
        Self {
            user: user.name.clone(),
            role: user.role,
            created_at: time(user.created_at),
            last_login_at: (user.last_login_at != 0).then(|| time(user.last_login_at)),
        }
    }
}

/// The tenant's users.
#[utoipa::path(get, path = "/v1/users", responses((status = 200, body = Items<UserAnswer>)))]
pub async fn users(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
) -> Result<Json<Items<UserAnswer>>, ApiError> {
    let users = blocking(|| office.store.users(Some(desk.tenant)))?;
    Ok(Json(Items::all(users.iter().map(Into::into).collect())))
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    user: String,
    role: Role,
    password: String,
}

/// What the audit log says of a new user or token.
#[derive(Serialize)]
struct Logged<'a> {
    name: &'a str,
    role: Role,
}

/// Whether a text names a user: 1 to 32 letters, digits, `.`, `-`, `_`, `@`.
pub fn is_user_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_@".contains(&byte))
}

fn of_tenant(role: Role) -> Result<(), ApiError> {
    if Role::OF_TENANT.contains(&role) {
        return Ok(());
    }
    Err(ApiError::bad(
        "role",
        "must be owner, operator, support or auditor",
    ))
}

/// Add a user.
#[utoipa::path(post, path = "/v1/users", request_body = NewUser, responses((status = 200, body = UserAnswer)))]
pub async fn add_user(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<NewUser>,
) -> Result<Json<UserAnswer>, ApiError> {
    if !is_user_name(&body.user) {
        return Err(ApiError::bad(
            "user",
            "must be 1 to 32 letters, digits, '.', '-', '_' or '@'",
        ));
    }
    of_tenant(body.role)?;
    check_password(&body.password)?;
    let logged = Logged {
        name: &body.user,
        role: body.role,
    };
    let deed = Deed::new("user.add", format!("user {}", body.user), "", &logged);
    office
        .audited(&caller, address, deed, async {
            let user = StoredUser {
                name: body.user.clone(),
                role: body.role,
                password: office
                    .with_password(|| hash_password(&body.password))
                    .await??,
                created_at: clock::wall_ns(),
                last_login_at: 0,
            };
            let is_new = blocking(|| office.store.put_user(Some(desk.tenant), &user, true))?;
            if !is_new {
                return Err(ApiError::exists("a user of this name"));
            }
            Ok(Json((&user).into()))
        })
        .await
}

/// Remove a user; its logins end at once.
#[utoipa::path(delete, path = "/v1/users/{user}", request_body = Why, responses((status = 204)))]
pub async fn remove_user(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path(user): Path<String>,
    Body(body): Body<Why>,
) -> Result<StatusCode, ApiError> {
    let why = reason(&body.reason)?;
    blocking(|| office.store.user(Some(desk.tenant), &user))?.ok_or_else(ApiError::not_found)?;
    if user == caller.name {
        return Err(ApiError::bad(
            "user",
            "nobody removes the user that is logged on",
        ));
    }
    let deed = Deed::new("user.remove", format!("user {user}"), why, &body);
    office
        .audited(&caller, address, deed, async {
            let is_gone = blocking(|| office.store.remove_user(Some(desk.tenant), &user))?;
            let last = || ApiError::bad("user", "is the last owner: make another one first");
            is_gone.then_some(()).ok_or_else(last)?;
            blocking(|| office.store.end_logins(Some(desk.tenant), &user))?;
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}

/// A token for a program.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    id: String,
    name: String,
    role: Role,
    created_at: String,
    expires_at: String,
    /// To the minute.
    last_used_at: Option<String>,
    /// Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<&StoredToken> for TokenAnswer {
    fn from(token: &StoredToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.clone(),
            role: token.role,
            created_at: time(token.created_at),
            expires_at: time(token.expires_at),
            last_used_at: (token.last_used_at != 0).then(|| time(token.last_used_at)),
            token: None,
        }
    }
}

/// The tokens of the tenant's programs.
#[utoipa::path(get, path = "/v1/tokens", responses((status = 200, body = Items<TokenAnswer>)))]
pub async fn tokens(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
) -> Result<Json<Items<TokenAnswer>>, ApiError> {
    let tokens = blocking(|| office.store.tokens(desk.tenant))?;
    Ok(Json(Items::all(tokens.iter().map(Into::into).collect())))
}

/// A new token.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTokenBody {
    name: String,
    role: Role,
    expires_in_days: u64,
}

/// Make a token for a program.
#[utoipa::path(post, path = "/v1/tokens", request_body = NewTokenBody, responses((status = 200, body = TokenAnswer)))]
pub async fn add_token(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<NewTokenBody>,
) -> Result<Json<TokenAnswer>, ApiError> {
    if !is_user_name(&body.name) {
        return Err(ApiError::bad(
            "name",
            "must be 1 to 32 letters, digits, '.', '-', '_' or '@'",
        ));
    }
    of_tenant(body.role)?;
    if !(1..=DAYS_MAX).contains(&body.expires_in_days) {
        return Err(ApiError::bad(
            "expires_in_days",
            format!("must be 1 to {DAYS_MAX}"),
        ));
    }
    let deed = Deed::new("token.add", format!("token {}", body.name), "", &body);
    office
        .audited(&caller, address, deed, async {
            let token = NewToken::make()?;
            let now = clock::wall_ns();
            let terms = TokenTerms {
                caller: Caller {
                    tenant: Some(desk.tenant),
                    // No user's name has a space.
                    name: format!("token {}", body.name),
                    role: body.role,
                    account: None,
                    expires_at: now + body.expires_in_days * DAY_NS,
                },
                login: None,
                created_at: now,
            };
            let id = blocking(|| office.store.add_token(&token.digest, &terms))?;
            let id = id.ok_or_else(ApiError::not_found)?;
            Ok(Json(TokenAnswer {
                id: id.to_string(),
                name: body.name.clone(),
                role: body.role,
                created_at: time(now),
                expires_at: time(terms.caller.expires_at),
                last_used_at: None,
                token: Some(token.text),
            }))
        })
        .await
}

/// End a token of a program.
#[utoipa::path(delete, path = "/v1/tokens/{id}", request_body = Why, responses((status = 204)))]
pub async fn remove_token(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path(id): Path<String>,
    Body(body): Body<Why>,
) -> Result<StatusCode, ApiError> {
    let why = reason(&body.reason)?;
    let id = u64::from(named(&id)?);
    let deed = Deed::new("token.remove", format!("token {id}"), why, &body);
    office
        .audited(&caller, address, deed, async {
            let was_there = blocking(|| office.store.remove_token(desk.tenant, id))?;
            let gone = was_there.then_some(StatusCode::NO_CONTENT);
            gone.ok_or_else(ApiError::not_found)
        })
        .await
}

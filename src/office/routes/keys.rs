//! Keys that clients log on with over TCP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use souk_protocol::KeyId;
use utoipa::ToSchema;

use crate::clock;
use crate::config::{GIVEN_KEY_ID_MAX, KeyAccounts, KeyConfig, Permissions};
use crate::keys;
use crate::office::admission::AtDesk;
use crate::office::answers::{Items, time};
use crate::office::desk::Desk;
use crate::office::error::ApiError;
use crate::office::keys::highest;
use crate::office::requests::{Body, named, number, reason};
use crate::office::routes::orders::Why;
use crate::office::state::{Deed, OfficeState, blocking};
use crate::office::store::StoredKey;

/// Longest time that a rotated key works on.
const OVERLAP_MAX_S: u64 = 7 * 24 * 3_600;
/// Longest name.
const NAME_MAX: usize = 64;
/// Keys of one tenant that work: every node holds them all.
const KEYS_MAX: u64 = 1_000;
/// Accounts that a key may name.
const ACCOUNTS_MAX: usize = 1_024;

/// A key.
#[derive(Serialize, ToSchema)]
pub struct KeyAnswer {
    id: String,
    name: String,
    public_key: String,
    permissions: Vec<String>,
    /// `all`, or ids.
    accounts: Accounts,
    /// `active` or `revoked`.
    status: &'static str,
    /// When it stops working, if it was rotated or revoked.
    ends_at: Option<String>,
    created_at: Option<String>,
    created_by: Option<String>,
    /// `config`: only the configuration changes it; `office`.
    source: &'static str,
}

/// The accounts that a key may use.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Accounts {
    /// `all`.
    Word(String),
    /// Ids.
    Ids(Vec<String>),
}

impl KeyAnswer {
    fn of_config(key: &KeyConfig) -> Self {
        let accounts = match &key.accounts {
            KeyAccounts::All => Accounts::Word("all".to_owned()),
            KeyAccounts::Some(ids) => {
                Accounts::Ids(ids.iter().map(|id| id.0.to_string()).collect())
            }
        };
        Self {
            id: key.id.0.to_string(),
            name: String::new(),
            public_key: keys::hex(&key.public_key),
            permissions: key.permissions.words().map(str::to_owned).collect(),
            accounts,
            status: "active",
            ends_at: None,
            created_at: None,
            created_by: None,
            source: "config",
        }
    }

    fn of_office(key: &StoredKey) -> Self {
        let known = key.config(clock::wall_ns());
        Self {
            name: key.name.clone(),
            status: if known.works { "active" } else { "revoked" },
            ends_at: (key.revoked_at != 0).then(|| time(key.revoked_at)),
            created_at: Some(time(key.created_at)),
            created_by: Some(key.created_by.clone()),
            source: "office",
            ..Self::of_config(&known)
        }
    }
}

/// The tenant's keys.
#[utoipa::path(get, path = "/v1/keys", responses((status = 200, body = Items<KeyAnswer>)))]
pub async fn list(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
) -> Result<Json<Items<KeyAnswer>>, ApiError> {
    let given = blocking(|| office.store.keys(desk.tenant))?;
    let tenants = office.config.tenants.iter();
    let configured = tenants
        .filter(|tenant| tenant.id == desk.tenant)
        .flat_map(|tenant| &tenant.keys)
        .filter(|key| key.id <= GIVEN_KEY_ID_MAX)
        .filter(|key| given.iter().all(|given| given.id != key.id));
    let configured = configured.map(KeyAnswer::of_config);
    let items = configured.chain(given.iter().map(KeyAnswer::of_office));
    Ok(Json(Items::all(items.collect())))
}

/// A new key.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    name: String,
    /// Ed25519, 64 hex digits. The private key stays with the client.
    public_key: String,
    /// Of `trade`, `cancel`, `market-data`, `control`, `funding`, `drop-copy`.
    permissions: Vec<String>,
    /// `all`, or ids.
    accounts: Accounts,
}

fn public_key(text: &str) -> Result<[u8; 32], ApiError> {
    let rule = "must be 64 hex digits: an Ed25519 public key";
    keys::parse_hex32(text).ok_or_else(|| ApiError::bad("public_key", rule))
}

impl NewKey {
    fn stored(&self, desk: &Desk, by: &str) -> Result<StoredKey, ApiError> {
        let name = self.name.trim();
        if !(1..=NAME_MAX).contains(&name.chars().count()) {
            return Err(ApiError::bad(
                "name",
                format!("must be 1 to {NAME_MAX} characters"),
            ));
        }
        let mut permissions = Permissions::NONE;
        for word in &self.permissions {
            if !permissions.allow(word) {
                let rule = format!("{word:?} is none of {}", Permissions::WORDS.join(", "));
                return Err(ApiError::bad("permissions", rule));
            }
        }
        let accounts = match &self.accounts {
            Accounts::Word(word) if word == "all" => word.clone(),
            Accounts::Word(_) => return Err(ApiError::bad("accounts", "must be \"all\" or ids")),
            Accounts::Ids(ids) if ids.len() > ACCOUNTS_MAX => {
                let rule = format!("are {}, at most {ACCOUNTS_MAX}", ids.len());
                return Err(ApiError::bad("accounts", rule));
            }
            Accounts::Ids(ids) => {
                let ids: Result<Vec<u32>, _> =
                    ids.iter().map(|id| number("accounts", id)).collect();
                let ids: Vec<String> = ids?.into_iter().map(|id| id.to_string()).collect();
                if ids.is_empty() {
                    return Err(ApiError::bad(
                        "accounts",
                        "must be \"all\" or at least one id",
                    ));
                }
                ids.join(",")
            }
        };
        Ok(StoredKey {
            id: KeyId(0),
            tenant: desk.tenant,
            name: name.to_owned(),
            public_key: public_key(&self.public_key)?,
            permissions: permissions.words().collect::<Vec<_>>().join(","),
            accounts,
            created_at: clock::wall_ns(),
            created_by: by.to_owned(),
            revoked_at: 0,
        })
    }
}

impl OfficeState {
    /// Adds a key and lets it log on.
    fn admit_key(&self, mut key: StoredKey) -> Result<KeyAnswer, ApiError> {
        let id = blocking(|| self.store.add_key(&key, highest(&self.config)))?;
        key.id = id.ok_or_else(|| ApiError::exists("every key id"))?;
        let known = key.config(clock::wall_ns());
        self.node.admit_key(&self.config, key.tenant, &known);
        Ok(KeyAnswer::of_office(&key))
    }

    /// Whether a tenant may have one more key that works.
    fn has_room_for_key(&self, desk: &Desk) -> Result<(), ApiError> {
        let working = blocking(|| self.store.working_keys(desk.tenant, self.store.now()?))?;
        let has_room = working < KEYS_MAX;
        has_room
            .then_some(())
            .ok_or_else(|| ApiError::too_many_keys(KEYS_MAX))
    }

    /// A key that owners gave and that works.
    fn working_key(&self, desk: &Desk, id: &str) -> Result<StoredKey, ApiError> {
        let id = KeyId(named(id)?);
        let key = blocking(|| self.store.key(desk.tenant, id))?;
        let key = key.filter(|key| key.works(clock::wall_ns()));
        key.ok_or_else(ApiError::not_found)
    }
}

/// Add a key.
#[utoipa::path(post, path = "/v1/keys", request_body = NewKey, responses((status = 200, body = KeyAnswer)))]
pub async fn add(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<NewKey>,
) -> Result<Json<KeyAnswer>, ApiError> {
    let key = body.stored(&desk, &caller.name)?;
    // One after the other, so that none is more than there may be.
    let _alone = desk.changes.lock().await;
    office.has_room_for_key(&desk)?;
    let deed = Deed::new("key.add", format!("key {}", key.name), "", &body);
    office
        .audited(&caller, address, deed, async {
            office.admit_key(key).map(Json)
        })
        .await
}

/// A new public key for an old one.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    public_key: String,
    /// How long the old one works on, 0 to 604,800 s.
    overlap_s: u64,
}

/// Replace a key by a new one, which has an id of its own.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", request_body = Rotation, responses((status = 200, body = KeyAnswer)))]
pub async fn rotate(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path(id): Path<String>,
    Body(body): Body<Rotation>,
) -> Result<Json<KeyAnswer>, ApiError> {
    if body.overlap_s > OVERLAP_MAX_S {
        let rule = format!("{} is above {OVERLAP_MAX_S}", body.overlap_s);
        return Err(ApiError::bad("overlap_s", rule));
    }
    let _alone = desk.changes.lock().await;
    let old = office.working_key(&desk, &id)?;
    if body.overlap_s > 0 {
        office.has_room_for_key(&desk)?;
    }
    let new = StoredKey {
        public_key: public_key(&body.public_key)?,
        created_at: clock::wall_ns(),
        created_by: caller.name.clone(),
        revoked_at: 0,
        ..old.clone()
    };
    let deed = Deed::new("key.rotate", format!("key {}", old.id.0), "", &body);
    office
        .audited(&caller, address, deed, async {
            let ends_at = blocking(|| office.store.now())? + body.overlap_s * 1_000_000_000;
            let works = blocking(|| office.store.revoke_key(desk.tenant, old.id, ends_at))?;
            // Somebody has revoked it meanwhile, or rotated it to an earlier end.
            works.then_some(()).ok_or_else(ApiError::not_found)?;
            let answer = office.admit_key(new)?;
            if body.overlap_s == 0 {
                office.node.revoke_key(desk.tenant, old.id);
            }
            Ok(Json(answer))
        })
        .await
}

/// Revoke a key; its sessions end at once.
#[utoipa::path(delete, path = "/v1/keys/{id}", request_body = Why, responses((status = 204)))]
pub async fn revoke(
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
    let key = office.working_key(&desk, &id)?;
    let deed = Deed::new("key.revoke", format!("key {}", key.id.0), why, &body);
    office
        .audited(&caller, address, deed, async {
            blocking(|| {
                let now = office.store.now()?;
                office.store.revoke_key(desk.tenant, key.id, now)
            })?;
            office.node.revoke_key(desk.tenant, key.id);
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}

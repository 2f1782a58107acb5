//! Accounts, what they have, and what happened to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use souk_client::AccountTerms;
use souk_protocol::{AccountId, FeeGroup, StpGroup};
use utoipa::ToSchema;

use crate::control::{Custody, FEE_ACCOUNT};
use crate::history::{AccountRow, Filter};
use crate::office::access::{Caller, Need};
use crate::office::admission::AtDesk;
use crate::office::answers::{
    AccountAnswer, AccountDetail, AccountWord, BalanceAnswer, Items, StatementAnswer,
};
use crate::office::csv;
use crate::office::desk::Desk;
use crate::office::error::ApiError;
use crate::office::requests::{
    Ask, Body, LIMIT_MAX, Order, Page, account_named, number, reason, text,
};
use crate::office::routes::orders::{cut, items};
use crate::office::state::{Deed, OfficeState, blocking};

/// The tenant's accounts, by id.
#[utoipa::path(get, path = "/v1/accounts", params(Page), responses((status = 200, body = Items<AccountAnswer>)))]
pub async fn list(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Ask(page): Ask<Page>,
) -> Result<Json<Items<AccountAnswer>>, ApiError> {
    let limit = page.limit()?;
    let after = page.after()?.unwrap_or(0);
    let after = AccountId(u32::try_from(after).unwrap_or(u32::MAX));
    let external_id = page.external_id.as_deref();
    let status = page.status.map(Into::into);
    let rows = blocking(|| {
        office
            .history
            .accounts(desk.tenant, after, external_id, status, limit + 1)
    })?;
    let (rows, next) = cut(rows, limit, |row| row.account.0.into());
    Ok(items((rows.iter().map(Into::into).collect(), next)))
}

/// An account.
#[utoipa::path(get, path = "/v1/accounts/{id}", responses((status = 200, body = AccountDetail)))]
pub async fn one(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Path(id): Path<String>,
) -> Result<Json<AccountDetail>, ApiError> {
    let row = known(&office, &desk, &id)?;
    let balances = balances(&desk, row.account).await?;
    let open_orders = blocking(|| office.history.open_orders(desk.tenant, row.account))?;
    Ok(Json(AccountDetail {
        account: (&row).into(),
        balances,
        open_orders,
    }))
}

/// An account of the tenant: the fee account, too.
fn known(office: &OfficeState, desk: &Desk, id: &str) -> Result<AccountRow, ApiError> {
    let account = account_named(id)?;
    if account == FEE_ACCOUNT {
        return Ok(AccountRow {
            account,
            external_id: "fees".to_owned(),
            status: souk_protocol::AccountStatus::CancelOnly,
            fee_group: FeeGroup(0),
            stp_group: StpGroup(0),
        });
    }
    let row = blocking(|| office.history.account(desk.tenant, account))?;
    row.ok_or_else(ApiError::not_found)
}

/// What an account has; nothing where the platform keeps the money.
pub async fn balances(desk: &Desk, account: AccountId) -> Result<Vec<BalanceAnswer>, ApiError> {
    if desk.custody == Custody::External {
        return Ok(Vec::new());
    }
    let catalogue = desk.catalogue().await?;
    let entries = desk.client().await?.balances(account).await?;
    let entries = entries.iter();
    entries
        .map(|entry| BalanceAnswer::new(&catalogue, entry))
        .collect()
}

/// A new account.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// The next free one if absent.
    id: Option<String>,
    external_id: Option<String>,
    fee_group: Option<u16>,
    stp_group: Option<u16>,
    status: Option<AccountWord>,
}

/// Open an account.
#[utoipa::path(post, path = "/v1/accounts", request_body = NewAccount, responses((status = 200, body = AccountAnswer)))]
pub async fn create(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<NewAccount>,
) -> Result<Json<AccountAnswer>, ApiError> {
    let account = match body.id.as_deref() {
        None | Some("") => {
            office.history_is_up(desk.tenant).await?;
            let last = blocking(|| office.history.last_account(desk.tenant))?;
            let next = last.0.checked_add(1).filter(|next| *next != FEE_ACCOUNT.0);
            AccountId(next.ok_or_else(|| ApiError::bad("id", "give one: the next one is taken"))?)
        }
        Some(id) => AccountId(number("id", id)?),
    };
    let external_id = text("external_id", body.external_id.as_deref().unwrap_or(""))?;
    may_set_groups(&caller, body.fee_group.or(body.stp_group))?;
    let terms = AccountTerms {
        account,
        status: body.status.unwrap_or(AccountWord::Active).into(),
        fee_group: FeeGroup(body.fee_group.unwrap_or(0)),
        stp_group: StpGroup(body.stp_group.unwrap_or(0)),
    };
    let deed = Deed::new(
        "account.create",
        format!("account {}", account.0),
        "",
        &body,
    );
    office
        .audited(&caller, address, deed, async {
            let client = desk.client().await?;
            client.create_account(&terms, external_id).await?;
            answer(&office, &desk, account).await
        })
        .await
}

async fn answer(
    office: &OfficeState,
    desk: &Desk,
    account: AccountId,
) -> Result<Json<AccountAnswer>, ApiError> {
    office.is_listed(desk.tenant).await?;
    let row = known(office, desk, &account.0.to_string())?;
    Ok(Json((&row).into()))
}

/// Groups say what an account pays and whom it trades with: that is not for everybody who sees to accounts.
fn may_set_groups(caller: &Caller, group: Option<u16>) -> Result<(), ApiError> {
    if group.is_none_or(|group| group == 0) || caller.role.may(Need::Operate) {
        return Ok(());
    }
    Err(ApiError::forbidden())
}

/// What may be changed of an account.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    status: Option<AccountWord>,
    fee_group: Option<u16>,
    stp_group: Option<u16>,
    reason: String,
}

/// Freeze an account, let it trade again, change its groups; what is absent stays.
#[utoipa::path(put, path = "/v1/accounts/{id}", request_body = AccountChange, responses((status = 200, body = AccountAnswer)))]
pub async fn update(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path(id): Path<String>,
    Body(body): Body<AccountChange>,
) -> Result<Json<AccountAnswer>, ApiError> {
    let why = reason(&body.reason)?;
    may_set_groups(&caller, body.fee_group.or(body.stp_group))?;
    // What is absent stays as it is now, not as it was.
    let _alone = desk.changes.lock().await;
    office.history_is_up(desk.tenant).await?;
    let row = known(&office, &desk, &id)?;
    let terms = AccountTerms {
        account: row.account,
        status: body.status.map_or(row.status, Into::into),
        fee_group: body.fee_group.map_or(row.fee_group, FeeGroup),
        stp_group: body.stp_group.map_or(row.stp_group, StpGroup),
    };
    let target = format!("account {}", row.account.0);
    let deed = Deed::new("account.update", target, why, &body);
    office
        .audited(&caller, address, deed, async {
            desk.client().await?.update_account(&terms).await?;
            answer(&office, &desk, row.account).await
        })
        .await
}

const STATEMENT_COLUMNS: &[&str] = &[
    "currency",
    "sequence",
    "at",
    "kind",
    "change",
    "total",
    "market",
    "reference",
];

/// What changed what an account has in a currency, oldest first, or with `order=newest` newest first.
#[utoipa::path(get, path = "/v1/accounts/{id}/statement", params(Page), responses((status = 200, body = Items<StatementAnswer>)))]
pub async fn statement(
    State(office): State<Arc<OfficeState>>,
    AtDesk { desk, .. }: AtDesk,
    Path(id): Path<String>,
    Ask(page): Ask<Page>,
) -> Result<Response, ApiError> {
    let account = known(&office, &desk, &id)?.account;
    let code = page.currency.clone().unwrap_or_default();
    let currency = *desk.catalogue().await?.currency(&code)?;
    let mut filter = page.filter()?;
    filter.before = None;
    let newest = page.order == Some(Order::Newest);
    let tenant = desk.tenant;
    let rows = move |office: &OfficeState, cursor: Option<u64>, limit: usize| {
        let filter = Filter {
            limit: limit + 1,
            ..filter
        };
        let history = &office.history;
        let rows = history.statement(tenant, account, &code, newest, cursor, &filter)?;
        let (rows, last) = cut(rows, limit, |row| row.sequence);
        let answers = rows.iter().map(|row| StatementAnswer::new(&currency, row));
        Ok((answers.collect::<Vec<_>>(), last))
    };
    if page.is_csv() {
        let name = format!("statement-{}-{}", account.0, currency.code());
        let pages = move |after| rows(&office, after, LIMIT_MAX);
        return Ok(csv::file(&name, STATEMENT_COLUMNS, pages));
    }
    let page = blocking(|| rows(&office, page.after()?, page.limit()?))?;
    Ok(items(page).into_response())
}

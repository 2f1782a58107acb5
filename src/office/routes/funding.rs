//! Money in, money out, and between accounts. The caller names each movement; the engine carries out each name once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use souk_client::{Funding, Movement};
use souk_protocol::AccountId;
use souk_protocol::message::FundingResult;
use utoipa::ToSchema;

use crate::office::admission::AtDesk;
use crate::office::error::ApiError;
use crate::office::requests::{Body, business_key, number, reason};
use crate::office::state::{Deed, OfficeState};

/// Money that comes to an account, or leaves one.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FundingBody {
    account: String,
    currency: String,
    amount: String,
    business: String,
    business_id: String,
    reason: String,
}

/// Money that goes from one account to another.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    from: String,
    to: String,
    currency: String,
    amount: String,
    business: String,
    business_id: String,
    reason: String,
}

/// What was moved.
#[derive(Serialize, ToSchema)]
pub struct Funded {
    control_seq: String,
    /// It had been carried out before; nothing moved now.
    repeated: bool,
    currency: String,
    amount: String,
}

impl FundingBody {
    async fn carry_out(
        &self,
        office: &OfficeState,
        at: AtDesk,
        action: &'static str,
    ) -> Result<Json<Funded>, ApiError> {
        let AtDesk {
            caller,
            address,
            desk,
        } = at;
        let why = reason(&self.reason)?;
        let catalogue = desk.catalogue().await?;
        let currency = catalogue.currency(&self.currency)?;
        let funding = Funding {
            key: business_key(&self.business, &self.business_id)?,
            account: AccountId(number("account", &self.account)?),
            money: currency.money(&self.amount)?,
        };
        let target = format!("account {}", funding.account.0);
        let deed = Deed::new(action, target, why, self);
        office
            .audited(&caller, address, deed, async {
                let client = desk.client().await?;
                let done = match action {
                    "funding.credit" => client.credit(&funding).await?,
                    _ => client.debit(&funding).await?,
                };
                office.is_listed(desk.tenant).await?;
                Ok(funded(currency, &done))
            })
            .await
    }
}

fn funded(currency: &souk_client::Currency, done: &FundingResult) -> Json<Funded> {
    Json(Funded {
        control_seq: done.control_seq.to_string(),
        repeated: done.repeated,
        currency: currency.code().to_owned(),
        amount: currency.text(done.amount),
    })
}

/// Give money to an account.
#[utoipa::path(post, path = "/v1/funding/credit", request_body = FundingBody, responses((status = 200, body = Funded)))]
pub async fn credit(
    State(office): State<Arc<OfficeState>>,
    at: AtDesk,
    Body(body): Body<FundingBody>,
) -> Result<Json<Funded>, ApiError> {
    body.carry_out(&office, at, "funding.credit").await
}

/// Take available money out of an account.
#[utoipa::path(post, path = "/v1/funding/debit", request_body = FundingBody, responses((status = 200, body = Funded)))]
pub async fn debit(
    State(office): State<Arc<OfficeState>>,
    at: AtDesk,
    Body(body): Body<FundingBody>,
) -> Result<Json<Funded>, ApiError> {
    body.carry_out(&office, at, "funding.debit").await
}

/// Move available money from one account to another.
#[utoipa::path(post, path = "/v1/funding/transfer", request_body = TransferBody, responses((status = 200, body = Funded)))]
pub async fn transfer(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<TransferBody>,
) -> Result<Json<Funded>, ApiError> {
    let why = reason(&body.reason)?;
    let catalogue = desk.catalogue().await?;
    let currency = catalogue.currency(&body.currency)?;
    let movement = Movement {
        key: business_key(&body.business, &body.business_id)?,
        from: AccountId(number("from", &body.from)?),
        to: AccountId(number("to", &body.to)?),
        money: currency.money(&body.amount)?,
    };
    let target = format!("account {} to account {}", movement.from.0, movement.to.0);
    let deed = Deed::new("funding.transfer", target, why, &body);
    office
        .audited(&caller, address, deed, async {
            let done = desk.client().await?.transfer(&movement).await?;
            office.is_listed(desk.tenant).await?;
            Ok(funded(currency, &done))
        })
        .await
}

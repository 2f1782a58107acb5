//! Currencies.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use souk_client::{Currency, CurrencyTerms};
use souk_protocol::message::CurrencyDefinition;
use souk_protocol::{Amount, Reserved};
use utoipa::ToSchema;

use crate::office::admission::AtDesk;
use crate::office::answers::{CurrencyAnswer, CurrencyWord, Items};
use crate::office::desk::Desk;
use crate::office::error::ApiError;
use crate::office::requests::{Body, text};
use crate::office::state::{Deed, OfficeState};

/// A new currency.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCurrency {
    code: String,
    scale: u8,
    display_scale: Option<u8>,
    status: Option<CurrencyWord>,
    amount_min: Option<String>,
    amount_max: Option<String>,
}

/// What may be changed of a currency.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    display_scale: Option<u8>,
    status: Option<CurrencyWord>,
    amount_min: Option<String>,
    amount_max: Option<String>,
}

impl NewCurrency {
    fn terms(&self) -> Result<CurrencyTerms, ApiError> {
        let terms = Terms {
            display_scale: self.display_scale,
            status: self.status,
            amount_min: self.amount_min.clone(),
            amount_max: self.amount_max.clone(),
        };
        terms.of(&self.code, self.scale)
    }
}

impl Terms {
    fn of(&self, code: &str, scale: u8) -> Result<CurrencyTerms, ApiError> {
        let code = text("code", code)?;
        let status = self.status.unwrap_or(CurrencyWord::Listed);
        let definition = CurrencyDefinition {
            code,
            scale,
            display_scale: self.display_scale.unwrap_or(scale),
            status: status.into(),
            reserved: Reserved,
            amount_min: Amount(0),
            amount_max: Amount(0),
        };
        let currency = Currency::new(definition)?;
        let bound = |given: &Option<String>| match given.as_deref() {
            None | Some("") => Ok(Amount(0)),
            Some(given) => currency.money(given).map(|money| money.amount),
        };
        Ok(CurrencyTerms {
            code,
            scale,
            display_scale: definition.display_scale,
            status: definition.status,
            amount_min: bound(&self.amount_min)?,
            amount_max: bound(&self.amount_max)?,
        })
    }
}

async fn answer(desk: &Desk, code: &str) -> Result<Json<CurrencyAnswer>, ApiError> {
    desk.forget_catalogue();
    let catalogue = desk.catalogue().await?;
    Ok(Json(catalogue.currency(code)?.into()))
}

/// The tenant's currencies.
#[utoipa::path(get, path = "/v1/currencies", responses((status = 200, body = Items<CurrencyAnswer>)))]
pub async fn list(AtDesk { desk, .. }: AtDesk) -> Result<Json<Items<CurrencyAnswer>>, ApiError> {
    let catalogue = desk.catalogue().await?;
    let items = catalogue.currencies.values().map(Into::into).collect();
    Ok(Json(Items::all(items)))
}

/// List a currency.
#[utoipa::path(post, path = "/v1/currencies", request_body = NewCurrency, responses((status = 200, body = CurrencyAnswer)))]
pub async fn create(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(body): Body<NewCurrency>,
) -> Result<Json<CurrencyAnswer>, ApiError> {
    let terms = body.terms()?;
    let target = format!("currency {}", body.code);
    let deed = Deed::new("currency.create", target, "", &body);
    office
        .audited(&caller, address, deed, async {
            desk.client().await?.create_currency(&terms).await?;
            answer(&desk, &body.code).await
        })
        .await
}

/// Change a currency: everything but its code and its scale.
#[utoipa::path(put, path = "/v1/currencies/{code}", request_body = Terms, responses((status = 200, body = CurrencyAnswer)))]
pub async fn update(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Path(code): Path<String>,
    Body(body): Body<Terms>,
) -> Result<Json<CurrencyAnswer>, ApiError> {
    let _alone = desk.changes.lock().await;
    desk.forget_catalogue();
    let known = *desk.catalogue().await?.currency(&code)?;
    let definition = known.definition();
    let stays = |bound: Amount| (bound != Amount(0)).then(|| known.text(bound));
    let given = Terms {
        display_scale: body.display_scale.or(Some(definition.display_scale)),
        status: body.status.or(Some(definition.status.into())),
        amount_min: body.amount_min.or_else(|| stays(definition.amount_min)),
        amount_max: body.amount_max.or_else(|| stays(definition.amount_max)),
    };
    let terms = given.of(&code, definition.scale)?;
    let deed = Deed::new("currency.update", format!("currency {code}"), "", &given);
    office
        .audited(&caller, address, deed, async {
            desk.client().await?.update_currency(&terms).await?;
            answer(&desk, &code).await
        })
        .await
}

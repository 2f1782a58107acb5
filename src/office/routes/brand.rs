//! What a tenant's pages look like.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use souk_protocol::TenantId;
use utoipa::ToSchema;

use crate::keys;
use crate::office::admission::{AtDesk, Someone};
use crate::office::error::ApiError;
use crate::office::requests::Body;
use crate::office::state::{Deed, Embedders, OfficeState, blocking};

/// Longest logo, in bytes of its URL.
const LOGO_MAX: usize = 32 << 10;
/// Most origins that may embed the trading page.
const EMBEDDERS_MAX: usize = 16;

/// What a tenant's pages look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Brand {
    /// What the tenant calls itself.
    pub name: String,
    /// A `data:` URL of an image.
    pub logo: String,
    /// `#rrggbb` on light pages.
    pub color: String,
    /// `#rrggbb` on dark pages.
    pub color_dark: String,
    /// `en`, `zh`, or empty for the browser's.
    pub locale: String,
    /// Where users get help.
    pub support_url: String,
    /// Origins whose pages may embed the trading page at `/trade/?page=PAGE`.
    pub embedders: Vec<String>,
    /// Names the tenant in that URL without telling who it is. Given by the server when the brand is written.
    pub page: String,
}

/// The brand of a tenant.
pub fn brand_of(office: &OfficeState, tenant: TenantId) -> Result<Brand, ApiError> {
    let known = blocking(|| office.store.brand(tenant))?;
    let known = known.and_then(|text| serde_json::from_str(&text).ok());
    Ok(known.unwrap_or_default())
}

/// The origins that may embed the trading page of each name.
pub fn all_embedders(office: &OfficeState) -> Embedders {
    let brands = office
        .desks
        .keys()
        .filter_map(|tenant| brand_of(office, *tenant).ok())
        .filter(|brand| !brand.page.is_empty());
    brands.map(|brand| (brand.page, brand.embedders)).collect()
}

impl Brand {
    fn check(&self) -> Result<(), ApiError> {
        let is_color = |text: &str| {
            text.is_empty()
                || (text.len() == 7
                    && text.starts_with('#')
                    && text[1..].bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        if self.name.chars().count() > 40 || self.name.chars().any(char::is_control) {
            return Err(ApiError::bad(
                "name",
                "is longer than 40 characters, or not on one line",
            ));
        }
        let image = ["data:image/png;base64,", "data:image/svg+xml;base64,"];
        let is_image = image.iter().any(|kind| self.logo.starts_with(kind));
        if !self.logo.is_empty() && (!is_image || self.logo.len() > LOGO_MAX) {
            let rule = format!(
                "must be a data: URL of a PNG or SVG image, base64, up to {LOGO_MAX} bytes"
            );
            return Err(ApiError::bad("logo", rule));
        }
        for (field, color) in [("color", &self.color), ("color_dark", &self.color_dark)] {
            if !is_color(color) {
                return Err(ApiError::bad(field, format!("{color:?} is not #rrggbb")));
            }
        }
        if !["", "en", "zh"].contains(&self.locale.as_str()) {
            return Err(ApiError::bad("locale", "must be en, zh or empty"));
        }
        if !self.support_url.is_empty() && !is_https(&self.support_url) {
            return Err(ApiError::bad("support_url", "must begin with https://"));
        }
        if self.embedders.len() > EMBEDDERS_MAX {
            let rule = format!("are {}, at most {EMBEDDERS_MAX}", self.embedders.len());
            return Err(ApiError::bad("embedders", rule));
        }
        match self.embedders.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => {
                let rule = format!("{origin:?} is no origin such as https://app.example");
                Err(ApiError::bad("embedders", rule))
            }
            None => Ok(()),
        }
    }
}

fn is_https(url: &str) -> bool {
    url.len() <= 200
        && url.starts_with("https://")
        && url
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'<>".contains(&byte))
}

/// A scheme and a host, and nothing that could end a header's directive.
fn is_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("https://");
    host.is_some_and(|host| {
        (1..=200).contains(&host.len())
            && host.starts_with(|first: char| first.is_ascii_alphanumeric())
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    })
}

/// What the tenant's pages look like.
#[utoipa::path(get, path = "/v1/brand", responses((status = 200, body = Brand)))]
pub async fn read(
    State(office): State<Arc<OfficeState>>,
    Someone { caller, .. }: Someone,
) -> Result<Json<Brand>, ApiError> {
    let tenant = caller.tenant.ok_or_else(ApiError::not_found)?;
    brand_of(&office, tenant).map(Json)
}

/// Change what the tenant's pages look like.
#[utoipa::path(put, path = "/v1/brand", request_body = Brand, responses((status = 200, body = Brand)))]
pub async fn write(
    State(office): State<Arc<OfficeState>>,
    AtDesk {
        caller,
        address,
        desk,
    }: AtDesk,
    Body(brand): Body<Brand>,
) -> Result<Json<Brand>, ApiError> {
    brand.check()?;
    let mut brand = brand;
    brand.page = brand_of(&office, desk.tenant)?.page;
    if brand.page.is_empty() {
        let random = keys::nonce().map_err(|error| ApiError::internal(&error))?;
        brand.page = keys::hex(&random[..16]);
    }
    let logged = Brand {
        logo: format!("{} bytes", brand.logo.len()),
        ..brand.clone()
    };
    let deed = Deed::new("brand.update", "brand".to_owned(), "", &logged);
    office
        .audited(&caller, address, deed, async {
            let text = serde_json::to_string(&brand).unwrap_or_default();
            blocking(|| office.store.set_brand(desk.tenant, &text))?;
            office.forget_embedders();
            Ok(Json(brand))
        })
        .await
}

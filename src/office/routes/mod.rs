//! Every route, and what it needs. What is not in the table is not there.

pub mod accounts;
pub mod audit;
pub mod brand;
pub mod currencies;
pub mod funding;
pub mod keys;
pub mod markets;
pub mod me;
pub mod orders;
pub mod overview;
pub mod people;
pub mod platform;
pub mod session;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Need;
use super::admission::admit;
use super::error::ApiError;
use super::live;
use super::state::OfficeState;

/// Longest body of a request: a brand with its logo fits.
const BODY_MAX: usize = 64 << 10;

/// A route of the API.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// GET, POST, PUT or DELETE.
    pub method: &'static str,
    /// Its path, with `{names}` for what varies.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
}

const fn route(method: &'static str, path: &'static str, need: Need) -> Route {
    Route { method, path, need }
}

/// Every route of the API.
pub const ROUTES: &[Route] = &[
    route("GET", "/v1/openapi.json", Need::Public),
    route("POST", "/v1/login", Need::Public),
    route("POST", "/v1/codes/exchange", Need::Public),
    // Says who it is in its first message.
    route("GET", "/v1/live", Need::Public),
    route("POST", "/v1/logout", Need::Token),
    route("GET", "/v1/self", Need::Token),
    route("PUT", "/v1/self/password", Need::Token),
    route("GET", "/v1/overview", Need::Read),
    route("GET", "/v1/currencies", Need::Read),
    route("POST", "/v1/currencies", Need::Operate),
    route("PUT", "/v1/currencies/{code}", Need::Operate),
    route("GET", "/v1/markets", Need::Read),
    route("POST", "/v1/markets", Need::Operate),
    route("POST", "/v1/markets/preview", Need::Operate),
    route("GET", "/v1/markets/{id}", Need::Read),
    route("PUT", "/v1/markets/{id}/limits", Need::Operate),
    route("PUT", "/v1/markets/{id}/state", Need::Operate),
    route("GET", "/v1/markets/{id}/states", Need::Read),
    route("GET", "/v1/markets/{id}/fees", Need::Read),
    route("PUT", "/v1/markets/{id}/fees/{group}", Need::Operate),
    route("GET", "/v1/markets/{id}/depth", Need::Read),
    route("GET", "/v1/accounts", Need::Read),
    route("POST", "/v1/accounts", Need::Support),
    route("GET", "/v1/accounts/{id}", Need::Read),
    route("PUT", "/v1/accounts/{id}", Need::Support),
    route("GET", "/v1/accounts/{id}/statement", Need::Read),
    route("POST", "/v1/funding/credit", Need::Operate),
    route("POST", "/v1/funding/debit", Need::Operate),
    route("POST", "/v1/funding/transfer", Need::Operate),
    route("GET", "/v1/orders", Need::Read),
    route("GET", "/v1/orders/{market}/{order}", Need::Read),
    route("DELETE", "/v1/orders/{market}/{order}", Need::Support),
    route("GET", "/v1/trades", Need::Read),
    route("GET", "/v1/keys", Need::Own),
    route("POST", "/v1/keys", Need::Own),
    route("POST", "/v1/keys/{id}/rotate", Need::Own),
    route("DELETE", "/v1/keys/{id}", Need::Own),
    route("GET", "/v1/users", Need::Own),
    route("POST", "/v1/users", Need::Own),
    route("DELETE", "/v1/users/{user}", Need::Own),
    route("GET", "/v1/tokens", Need::Own),
    route("POST", "/v1/tokens", Need::Own),
    route("DELETE", "/v1/tokens/{id}", Need::Own),
    route("GET", "/v1/audit", Need::Audit),
    route("GET", "/v1/brand", Need::Token),
    route("PUT", "/v1/brand", Need::Own),
    route("POST", "/v1/codes", Need::Operate),
    route("GET", "/v1/me/balances", Need::Trade),
    route("GET", "/v1/me/orders", Need::Trade),
    route("POST", "/v1/me/orders", Need::Trade),
    route("DELETE", "/v1/me/orders/{market}/{order}", Need::Trade),
    route("GET", "/v1/me/trades", Need::Trade),
    route("GET", "/v1/me/markets", Need::Trade),
    route("GET", "/v1/me/currencies", Need::Trade),
    route("GET", "/v1/tenants", Need::Run),
    route("GET", "/v1/nodes", Need::Run),
];

/// What a route needs, if there is such a route.
pub fn need_of(method: &Method, path: &str) -> Option<Need> {
    let found = ROUTES
        .iter()
        .find(|route| route.method == method.as_str() && route.path == path);
    found.map(|route| route.need)
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Souk office",
    description = "The back office of a tenant, and its trading page. See docs/office.md."
))]
struct Description;

/// The routes, and their description.
fn described() -> OpenApiRouter<Arc<OfficeState>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(session::login))
        .routes(routes!(session::logout))
        .routes(routes!(session::who))
        .routes(routes!(session::set_password))
        .routes(routes!(session::make_code))
        .routes(routes!(session::exchange_code))
        .routes(routes!(overview::overview))
        .routes(routes!(currencies::list, currencies::create))
        .routes(routes!(currencies::update))
        .routes(routes!(markets::list, markets::create::create))
        .routes(routes!(markets::create::preview))
        .routes(routes!(markets::one))
        .routes(routes!(markets::set_limits))
        .routes(routes!(markets::set_state))
        .routes(routes!(markets::states))
        .routes(routes!(markets::fees))
        .routes(routes!(markets::set_fees))
        .routes(routes!(markets::depth))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::one, accounts::update))
        .routes(routes!(accounts::statement))
        .routes(routes!(funding::credit))
        .routes(routes!(funding::debit))
        .routes(routes!(funding::transfer))
        .routes(routes!(orders::list))
        .routes(routes!(orders::one, orders::cancel))
        .routes(routes!(orders::trades))
        .routes(routes!(keys::list, keys::add))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::revoke))
        .routes(routes!(people::users, people::add_user))
        .routes(routes!(people::remove_user))
        .routes(routes!(people::tokens, people::add_token))
        .routes(routes!(people::remove_token))
        .routes(routes!(audit::list))
        .routes(routes!(brand::read, brand::write))
        .routes(routes!(me::balances))
        .routes(routes!(me::orders, me::enter))
        .routes(routes!(me::cancel))
        .routes(routes!(me::trades))
        .routes(routes!(me::markets))
        .routes(routes!(me::currencies))
        .routes(routes!(platform::tenants))
        .routes(routes!(platform::nodes))
}

/// The OpenAPI description of the API, as JSON.
#[must_use]
pub fn openapi() -> String {
    let (_, description) = described().split_for_parts();
    description.to_json().unwrap_or_default()
}

/// The API as a service, without its state.
pub fn router(office: &Arc<OfficeState>) -> Router<Arc<OfficeState>> {
    let (router, description) = described().split_for_parts();
    let description = description.to_json().unwrap_or_default();
    let openapi = move || {
        let json = [(axum::http::header::CONTENT_TYPE, "application/json")];
        std::future::ready((json, description.clone()))
    };
    router
        .route("/v1/openapi.json", axum::routing::get(openapi))
        .route("/v1/live", axum::routing::get(live::open))
        .route_layer(from_fn_with_state(Arc::clone(office), admit))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .method_not_allowed_fallback(|| std::future::ready(ApiError::not_found()))
}

//! The office against a running node: who may do what, what one tenant can learn of another, that nothing is done before it is in
//! the audit log, and that what people see is what the engine did.
#![allow(clippy::unwrap_used)]

#[path = "office/attacks.rs"]
mod attacks;
#[path = "office/audit.rs"]
mod audit;
#[path = "office/damaged.rs"]
mod damaged;
#[path = "office/journeys.rs"]
mod journeys;
#[path = "office/keys.rs"]
mod keys;
#[path = "office/kit.rs"]
mod kit;
#[path = "office/live.rs"]
mod live;
#[path = "office/matrix.rs"]
mod matrix;
#[path = "office/pages.rs"]
mod pages;

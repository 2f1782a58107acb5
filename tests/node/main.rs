//! A running node as its users meet it: over its wire, its commands, its files and its pages. One program, because to build one is
//! faster than to build twenty; a file is a subject, and `cargo test --test node wire::` runs one.
#![allow(clippy::unwrap_used)]

mod attacks_money;
mod audit;
#[path = "../support/bank.rs"]
mod bank;
#[path = "../support/certificates.rs"]
mod certificates;
mod client;
mod commands;
mod config;
mod conform;
mod crowd;
mod ends;
mod entrance;
mod floors;
mod flow;
mod founding;
mod inspect;
mod load;
mod neighbours;
mod operations;
#[path = "../support/page.rs"]
mod page;
mod python;
mod redirects;
mod replay;
mod session_bytes;
mod sessions;
mod snapshots;
mod state_hash;
#[path = "../support/mod.rs"]
mod support;
mod tenants;
mod tls;
mod web;
mod wire;

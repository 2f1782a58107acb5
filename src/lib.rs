//! Souk: a matching engine that many companies share.
//!
//! `ARCHITECTURE.md` shows the way of one order through these modules and what each must never do.

pub mod administrator;
pub mod audit;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod conform;
pub mod control;
pub mod database;
pub mod demo;
pub mod directory;
pub mod gateway;
pub mod handoff;
pub mod history;
pub mod http;
pub mod ids;
pub mod inspect;
pub mod journal;
pub mod keys;
pub mod lease;
pub mod ledger;
pub mod matcher;
pub mod metrics;
pub mod node;
pub mod office;
pub mod operations;
pub mod partition;
pub mod peer;
pub mod priority;
pub mod publisher;
pub mod recovery;
pub mod routing;
pub mod server;
pub mod storage;
pub mod tables;
pub mod threads;
pub mod tls;
pub mod treasury;

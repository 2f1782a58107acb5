//! Several nodes on a real MariaDB: who owns a tenant, what a takeover loses (nothing), and what hiccups do (nothing).
//!
//! Numbers in the tests' comments are those of the fault scenarios in `docs/faults.md`.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "cluster/clients.rs"]
mod clients;
#[path = "cluster/database.rs"]
mod database;
#[path = "cluster/fence.rs"]
mod fence;
#[path = "cluster/history.rs"]
mod history;
#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/mariadb.rs"]
mod mariadb;
#[path = "cluster/names.rs"]
mod names;
#[path = "cluster/network.rs"]
mod network;
#[path = "cluster/node.rs"]
mod node;
#[path = "cluster/process.rs"]
mod process;
#[path = "cluster/proxy.rs"]
mod proxy;
#[path = "cluster/scene.rs"]
mod scene;
#[path = "cluster/snapshots.rs"]
mod snapshots;
mod support;
#[path = "cluster/trader.rs"]
mod trader;

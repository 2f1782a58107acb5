//! The offices of a cluster, on a real MariaDB: each shows and does the same for every tenant, wherever it is served; the
//! history has everything once, whatever happens to the nodes; a key that is revoked at one node is revoked at all.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "office_cluster/audit.rs"]
mod audit;
#[allow(dead_code)]
#[path = "support/certificates.rs"]
mod certificates;
#[allow(dead_code)]
#[path = "cluster/history.rs"]
mod history;
#[path = "office_cluster/journey.rs"]
mod journey;
#[path = "office_cluster/keys.rs"]
mod keys;
#[allow(dead_code)]
#[path = "office/kit.rs"]
mod kit;
#[allow(dead_code)]
#[path = "cluster/load.rs"]
mod load;
#[path = "office_cluster/locked.rs"]
mod locked;
#[allow(dead_code)]
#[path = "cluster/mariadb.rs"]
mod mariadb;
#[allow(dead_code)]
#[path = "cluster/node.rs"]
mod node;
#[path = "office_cluster/offices.rs"]
mod offices;
#[path = "office_cluster/passing.rs"]
mod passing;
#[path = "office_cluster/rebuilt.rs"]
mod rebuilt;
#[allow(dead_code)]
#[path = "cluster/scene.rs"]
mod scene;
#[path = "office_cluster/secure.rs"]
mod secure;
mod support;
#[path = "cluster/trader.rs"]
mod trader;

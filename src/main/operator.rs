//! Commands for a cluster's database and its nodes.

use std::time::Duration;

use clap::Subcommand;
use souk::config::{ClusterConfig, Config};
use souk::database::{
    Class, ClusterStatus, Connection, Gravity, check_schema, examine, migrate, protect_audit,
};

/// What to do with the database.
#[derive(Subcommand)]
pub enum Db {
    /// Make the tables, or bring them to this version. Run it once before the first node, and once with every new version.
    Migrate(super::ConfigFile),
}

fn cluster(config: &Config) -> anyhow::Result<&ClusterConfig> {
    config.cluster.as_ref().ok_or_else(|| {
        anyhow::anyhow!(
            "this node shares its tenants with no other\nremedy: set [journal] durability = \"mysql\", and a section [database]"
        )
    })
}

/// Runs with a connection for an operator.
pub fn with_connection<T>(
    config: &Config,
    run: impl AsyncFnOnce(&mut Connection) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let cluster = cluster(config)?;
    let mut connection = Connection::new(&cluster.database, &cluster.lease, Class::Operator)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&mut connection))
}

/// `souk db migrate`.
pub fn db(command: &Db) -> anyhow::Result<()> {
    let Db::Migrate(file) = command;
    let config = file.load()?;
    with_connection(&config, async |connection| {
        match migrate(connection).await? {
            (before, after) if before == after => {
                println!("tables of version {after}: nothing to do")
            }
            (before, after) => println!("tables brought from version {before} to {after}"),
        }
        match protect_audit(connection).await {
            Ok(0) => {}
            Ok(_) => println!("the audit log takes no changes from now on"),
            Err(error) => println!(
                "the audit log is chained, and changes are found; they are not prevented: {error}\n\
                 remedy: GRANT TRIGGER on the database to this user and run it again"
            ),
        }
        Ok(())
    })
}

/// `souk doctor`: whether nothing is wrong.
pub fn doctor(config: &Config) -> anyhow::Result<bool> {
    let terms = cluster(config)?.lease;
    with_connection(config, async |connection| {
        let findings = examine(connection, &terms).await?;
        for finding in &findings {
            let mark = match finding.gravity {
                Gravity::Good => "good   ",
                Gravity::Warning => "warning",
                Gravity::Wrong => "WRONG  ",
            };
            println!("{mark}  {}", finding.text.replace('\n', "\n         "));
            if !finding.remedy.is_empty() {
                println!("         remedy: {}", finding.remedy);
            }
        }
        Ok(findings.iter().all(|it| it.gravity != Gravity::Wrong))
    })
}

/// `souk status`.
pub fn status(config: &Config, json: bool) -> anyhow::Result<()> {
    with_connection(config, async |connection| {
        check_schema(connection).await?;
        let status = connection.cluster_status().await?;
        if json {
            println!("{}", as_json(&status));
        } else {
            print_table(&status);
        }
        Ok(())
    })
}

/// One object, whose times are in seconds and whose names are those of the metrics where there are any.
fn as_json(status: &ClusterStatus) -> serde_json::Value {
    let nodes: Vec<_> = status
        .nodes
        .iter()
        .map(|node| {
            serde_json::json!({
                "node": node.row.name,
                "state": node.row.state.to_string(),
                "incarnation": node.row.incarnation.0,
                "beat": node.row.beat,
                "silent_seconds": node.silent.as_secs_f64(),
                "lease_left_seconds": node.lease_left().as_secs_f64(),
                "lease_ttl_seconds": node.row.ttl.as_secs_f64(),
                "renewal_p99_seconds": node.renewal_p99.as_secs_f64(),
                "tenants": node.tenants,
                "log_rows": node.log_rows,
                "weight": node.row.weight,
                "address": node.row.advertise,
            })
        })
        .collect();
    serde_json::json!({ "nodes": nodes, "tenants_without_owner": status.orphans })
}

fn print_table(status: &ClusterStatus) {
    println!(
        "{:<16} {:<9} {:>11} {:>8} {:>10} {:>9} {:>11} {:>8} {:>9}  address",
        "node",
        "state",
        "incarnation",
        "beat",
        "silent",
        "lease",
        "renewal p99",
        "tenants",
        "log rows"
    );
    for node in &status.nodes {
        println!(
            "{:<16} {:<9} {:>11} {:>8} {:>10} {:>9} {:>11} {:>8} {:>9}  {}",
            node.row.name,
            node.row.state,
            node.row.incarnation.0,
            node.row.beat,
            ms(node.silent),
            ms(node.lease_left()),
            format!("{:.1} ms", node.renewal_p99.as_secs_f32() * 1_000.0),
            node.tenants,
            node.log_rows,
            node.row.advertise,
        );
    }
    match status.orphans {
        0 => println!("every tenant has an owner"),
        count => println!("{count} tenants have no owner that is alive"),
    }
}

/// Milliseconds, or seconds if there are many.
fn ms(time: Duration) -> String {
    if time < Duration::from_secs(100) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{} s", time.as_secs())
    }
}

/// `souk drain`.
pub fn drain(config: &Config, node: &str) -> anyhow::Result<()> {
    with_connection(config, async |connection| {
        anyhow::ensure!(
            connection.drain(node).await?,
            "there is no node {node} at work\nremedy: see `souk status` for the nodes"
        );
        println!("{node} gives its tenants away; it keeps running, see `souk status`");
        Ok(())
    })
}

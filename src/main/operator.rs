//! Commands for a cluster's database and its nodes.

use clap::Subcommand;
use souk::config::{ClusterConfig, Config};
use souk::database::{Class, Connection, migrate};

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
        Ok(())
    })
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

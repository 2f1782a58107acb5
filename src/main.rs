//! The `souk` program.

#[path = "main/conform.rs"]
mod conform;
#[path = "main/data.rs"]
mod data;
#[path = "main/halt.rs"]
mod halt;
#[path = "main/log.rs"]
mod log;
#[path = "main/operator.rs"]
mod operator;
#[path = "main/serve.rs"]
mod serve;
#[path = "main/top.rs"]
mod top;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use souk::config::{Config, Layout, Overrides, Wait};
use souk::demo::DemoOptions;
use souk::office::access::Role;
use souk::{keys, storage};

use data::{JournalCommand, SnapshotCommand};
use serve::Running;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often a running node is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What commands end with.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused, failed, or found wrong (doctor, audit, snapshot list); 2 wrong arguments, or a file that \
cannot be read (audit, journal); 75 try again: others have this node's tenants (serve), or no answer came (halt); \
78 another process that is alive has this node's name (serve).";

/// A matching engine that many companies share.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Cli {
    /// What a line of the log is: for people, or an object for machines.
    #[arg(long, global = true, env = "SOUK_LOG_FORMAT", default_value = "human")]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Two tenants with the same pair, live traffic, and the proof that they never meet.
    Demo(Demo),
    /// Play the server to a client of any language, and say which rule of the protocol it breaks. Exits with 1 if it
    /// breaks one.
    Conform(conform::Conform),
    /// Run a node until it is asked to stop (SIGTERM or ctrl-c drains it).
    Serve(Serve),
    /// Check a configuration and print what it comes to.
    Check(ConfigFile),
    /// Make the tables of a cluster's database.
    #[command(subcommand)]
    Db(operator::Db),
    /// Look at a cluster's database for what is set wrongly. Exits with 1 if something is.
    Doctor(ConfigFile),
    /// Show a cluster's nodes, their leases and what they own.
    Status {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// A live table of a node: what each stage takes, what each tenant does.
    Top(top::Top),
    /// Halt a market, or end a halt: the last resort. Exits with 75 if it is not known what became of it.
    Halt(halt::Halt),
    /// Let a node of a cluster give its tenants to the others. It keeps running, without tenants.
    Drain {
        /// The node's name.
        node: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Recompute every balance and hold from the journal of a data directory and compare. Exits with 0 if it
    /// is sound, 1 if not, 2 if it cannot be read.
    Audit {
        /// The data directory.
        data: PathBuf,
    },
    /// Read the journal of a data directory, also while its node runs.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Snapshots of a data directory.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Keys that clients log on with.
    #[command(subcommand)]
    Key(Key),
    /// People of the office.
    #[command(subcommand)]
    User(User),
}

#[derive(Subcommand)]
enum User {
    /// Make a user of the office, or give one another role and a new password, which is printed once.
    Set {
        /// The user's name.
        name: String,
        /// Its tenant; without it, one of those who run the nodes.
        #[arg(long)]
        tenant: Option<String>,
        /// What it may do.
        #[arg(long, value_enum)]
        role: RoleArg,
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    Owner,
    Operator,
    Support,
    Auditor,
    Platform,
}

#[derive(Subcommand)]
enum Key {
    /// Make an Ed25519 key: the private key goes to a file, the public key is printed.
    New {
        /// File for the private key; it must not exist.
        #[arg(long, default_value = "souk.key")]
        out: PathBuf,
    },
    /// Print the public key of a private key file.
    Public {
        /// The private key file.
        file: PathBuf,
    },
}

#[derive(Args)]
struct Demo {
    /// How long it runs, such as 30s or 2m; without it, until ctrl-c.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Orders, cancels and replaces per second.
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Address and port of the office; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:7080")]
    office: std::net::SocketAddr,
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, env = "SOUK_CONFIG", default_value = "souk.toml")]
    config: PathBuf,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// Address and port to listen on.
    #[arg(long, env = "SOUK_LISTEN")]
    listen: Option<String>,
    /// Listen beyond loopback without a certificate: everybody on the way can read and change what is said.
    #[arg(long, env = "SOUK_ALLOW_REMOTE")]
    allow_remote: bool,
    /// Address and port for metrics and probes.
    #[arg(long, env = "SOUK_OPERATIONS_LISTEN")]
    operations_listen: Option<String>,
    /// Answer metrics and probes beyond loopback: whoever reaches the address may read them.
    #[arg(long, env = "SOUK_OPERATIONS_ALLOW_REMOTE")]
    operations_allow_remote: bool,
    /// Address and port of the office, if the configuration has one.
    #[arg(long, env = "SOUK_OFFICE_LISTEN")]
    office_listen: Option<String>,
    /// The file with the node's certificate and those above it, in PEM: its ports speak TLS.
    #[arg(long, env = "SOUK_TLS_CERTIFICATE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The file with the certificate's private key, in PEM.
    #[arg(long, env = "SOUK_TLS_KEY", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// How gateways and matchers share cores.
    #[arg(long, env = "SOUK_LAYOUT")]
    layout: Option<LayoutArg>,
    /// What an idle matcher thread does.
    #[arg(long, env = "SOUK_WAIT")]
    wait: Option<WaitArg>,
    /// Matcher threads.
    #[arg(long, env = "SOUK_MATCHERS")]
    matchers: Option<usize>,
    /// Gateway threads.
    #[arg(long, env = "SOUK_GATEWAYS")]
    gateways: Option<usize>,
    /// The data directory.
    #[arg(long, env = "SOUK_DATA")]
    data: Option<PathBuf>,
    /// The node's name, for ever; in Kubernetes the pod's.
    #[arg(long, env = "SOUK_NODE")]
    node: Option<String>,
    /// Where other nodes send this one's clients, as host:port.
    #[arg(long, env = "SOUK_ADVERTISE")]
    advertise: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LayoutArg {
    Auto,
    Inline,
    Threads,
}

#[derive(Clone, Copy, ValueEnum)]
enum WaitArg {
    Auto,
    Spin,
    Park,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::begin(cli.log_format);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            serve::exit_code(&error)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match &command {
        Command::Audit { data } => return Ok(data::audit(data)),
        Command::Journal(command) => return Ok(data::journal(command)),
        Command::Conform(asked) => return conform::run(asked),
        Command::Doctor(file) => {
            let sound = operator::doctor(&file.load()?)?;
            return Ok(ExitCode::from(u8::from(!sound)));
        }
        Command::Halt(halt) => return halt.run(),
        _ => {}
    }
    execute(command).map(|()| ExitCode::SUCCESS)
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Audit { .. }
        | Command::Journal(_)
        | Command::Doctor(_)
        | Command::Conform(_)
        | Command::Halt(_) => {
            unreachable!("these have exit codes of their own")
        }
        Command::Snapshot(command) => data::snapshot(&command),
        Command::Demo(demo) => run_demo(&demo),
        Command::Serve(serve) => run_server(&serve),
        Command::Check(file) => check(&file),
        Command::Db(command) => operator::db(&command),
        Command::Status { json, file } => operator::status(&file.load()?, json),
        Command::Top(top) => top.run(),
        Command::Drain { node, file } => operator::drain(&file.load()?, &node),
        Command::User(User::Set {
            name,
            tenant,
            role,
            file,
        }) => {
            let role = match role {
                RoleArg::Owner => Role::Owner,
                RoleArg::Operator => Role::Operator,
                RoleArg::Support => Role::Support,
                RoleArg::Auditor => Role::Auditor,
                RoleArg::Platform => Role::Platform,
            };
            let password = souk::office::set_user(&file.load()?, tenant.as_deref(), &name, role)?;
            println!("{password}");
            Ok(())
        }
        Command::Key(Key::New { out }) => {
            let key = keys::generate()?;
            keys::write_private(&out, &key.seed)?;
            println!("{}", keys::hex(&key.public));
            eprintln!("private key written to {}; keep it secret", out.display());
            Ok(())
        }
        Command::Key(Key::Public { file }) => {
            let text = storage::read_text(&file)?;
            let seed = keys::parse_hex32(&text)
                .with_context(|| format!("{}: a private key is 64 hex digits", file.display()))?;
            println!("{}", keys::hex(&keys::public_of(&seed)?));
            Ok(())
        }
    }
}

fn load(path: &Path, overrides: &Overrides) -> anyhow::Result<Config> {
    let text = storage::read_text(path).context(
        "cannot read the configuration; name it with --config, or try `souk demo`, which needs none",
    )?;
    Config::from_toml(&text, overrides).with_context(|| path.display().to_string())
}

impl ConfigFile {
    fn load(&self) -> anyhow::Result<Config> {
        load(&self.config, &Overrides::default())
    }
}

fn check(file: &ConfigFile) -> anyhow::Result<()> {
    let config = file.load()?;
    let path = &file.config;
    let markets: usize = config
        .tenants
        .iter()
        .map(|tenant| tenant.control.markets())
        .sum();
    println!("{}: good", path.display());
    println!("  listen {}", config.server.listen);
    println!("  {} tenants, {markets} markets", config.tenants.len());
    if let Some(cluster) = &config.cluster {
        let lease = &cluster.lease;
        println!(
            "  node {} of a cluster, database {} at {}",
            config.journal.node, cluster.database.name, cluster.database.address
        );
        println!(
            "  lease {:?}, renewed every {:?}: survives {} failed renewals in a row",
            lease.ttl(),
            lease.period(),
            lease.failures_survived()
        );
    }
    Ok(())
}

fn run_server(serve: &Serve) -> anyhow::Result<()> {
    let overrides = Overrides {
        listen: serve.listen.clone(),
        office_listen: serve.office_listen.clone(),
        allow_remote: serve.allow_remote,
        operations_listen: serve.operations_listen.clone(),
        operations_allow_remote: serve.operations_allow_remote,
        tls: serve.tls_certificate.clone().zip(serve.tls_key.clone()),
        layout: serve.layout.map(|layout| match layout {
            LayoutArg::Auto => Layout::Auto,
            LayoutArg::Inline => Layout::Inline,
            LayoutArg::Threads => Layout::Threads,
        }),
        wait: serve.wait.map(|wait| match wait {
            WaitArg::Auto => Wait::Auto,
            WaitArg::Spin => Wait::Spin,
            WaitArg::Park => Wait::Park,
        }),
        matchers: serve.matchers,
        gateways: serve.gateways,
        data: serve.data.clone(),
        node: serve.node.clone(),
        advertise: serve.advertise.clone(),
    };
    let config = load(&serve.file.config, &overrides)?;
    let files = tell_of_long_files()?;
    let durability = config.journal.durability;
    let server = Running::start(config)?;
    let plan = server.plan();
    tracing::info!(
        durability = serve::worth(durability),
        layout = ?plan.layout,
        wait = ?plan.wait,
        gateways = plan.gateways,
        matchers = plan.matchers,
        cores = ?plan.cores,
        "started"
    );
    wait_for_end(&server)?;
    tracing::info!("draining");
    server.drain()?;
    tracing::info!("stopped");
    drop(files);
    Ok(())
}

/// From now on a write beyond the limit of a file's size fails, and the journal says so; unasked for, the system ends the process.
fn tell_of_long_files() -> anyhow::Result<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    Ok(signal(SignalKind::from_raw(libc::SIGXFSZ))?)
}

fn run_demo(demo: &Demo) -> anyhow::Result<()> {
    let rates = 1.0..=1_000_000.0;
    anyhow::ensure!(
        rates.contains(&demo.rate),
        "--rate {}: must be {} to {} messages per second",
        demo.rate,
        rates.start(),
        rates.end()
    );
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if wait_for_signal(|| {}, || false).is_ok() {
                stopped.store(true, Ordering::Relaxed);
            }
        })?;
    let options = DemoOptions {
        duration: demo.duration,
        rate: demo.rate,
        office: demo.office,
    };
    souk::demo::run(&options, &stop)
}

/// Says where the node listens, and waits until it is asked to stop, or cannot go on.
fn wait_for_end(server: &Running) -> anyhow::Result<()> {
    let ready = || println!("listening {}", server.address());
    wait_for_signal(ready, || server.has_failed())
}

/// Waits for SIGTERM, ctrl-c, or until there is nothing to wait for. From `ready` on no signal is missed.
fn wait_for_signal(ready: impl Fn(), is_over: impl Fn() -> bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        ready();
        while !is_over() {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    })
}

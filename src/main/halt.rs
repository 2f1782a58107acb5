//! `souk halt`: the last resort. Sets the state of a market over the wire, as the tenant's own back office would.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use souk_client::{Client, ClientError, ClientOptions, KeyId, MarketState, SigningKey};

/// Nothing is known of what became of it: ask again, which is safe.
const EX_TEMPFAIL: u8 = 75;
/// The session that it uses: one that nobody else does, because two connections of one take it from each other.
const SESSION: u16 = 4_095;
/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// Holds a private key when there is no file.
const KEY: &str = "SOUK_KEY";

/// Which market, and why.
#[derive(Args)]
pub struct Halt {
    /// The market's symbol, such as BTC-USDT, of the tenant that the key is of.
    symbol: String,
    /// Why: goes to the log of this command, with the number under which the market's tenant has recorded it.
    #[arg(long)]
    reason: String,
    /// Where a node listens, or several, with commas between them.
    #[arg(long, env = "SOUK_ADDR", default_value = "127.0.0.1:7001")]
    addr: String,
    /// The id of a key with the permission `control`.
    #[arg(long, env = "SOUK_KEY_ID")]
    key_id: u32,
    /// The private key's file. Without it, the variable SOUK_KEY holds the key; it is never an argument.
    #[arg(long, env = "SOUK_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// The state from now on; `continuous` ends a halt.
    #[arg(long, default_value = "halted")]
    state: State,
}

/// What a market accepts.
#[derive(Clone, Copy, ValueEnum)]
enum State {
    /// Nothing: no orders, no cancels, no trades.
    Halted,
    /// Cancels only: who has orders open may still get out.
    CancelOnly,
    /// Everything.
    Continuous,
}

impl Halt {
    /// Does it, and says so.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(!self.reason.trim().is_empty(), "--reason must not be empty");
        let key = self.key()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let done = runtime.block_on(async { tokio::time::timeout(DEADLINE, self.set(key)).await });
        match done {
            Ok(Ok(())) => Ok(ExitCode::SUCCESS),
            Ok(Err(error)) if is_final(&error) => Err(error.into()),
            Ok(Err(error)) => {
                eprintln!("error: {error}\nremedy: ask again; to set a state twice is safe");
                Ok(ExitCode::from(EX_TEMPFAIL))
            }
            Err(_) => {
                eprintln!(
                    "error: no answer within {DEADLINE:?}\nremedy: ask again; to set a state twice is safe"
                );
                Ok(ExitCode::from(EX_TEMPFAIL))
            }
        }
    }

    fn key(&self) -> anyhow::Result<SigningKey> {
        if let Some(file) = &self.key_file {
            return Ok(SigningKey::from_file(file)?);
        }
        let text = std::env::var(KEY)
            .with_context(|| format!("name a private key with --key-file, or put it into {KEY}"))?;
        Ok(SigningKey::from_hex(text.trim())?)
    }

    async fn set(&self, key: SigningKey) -> Result<(), ClientError> {
        let options = ClientOptions {
            session_number: SESSION,
            ..ClientOptions::new(KeyId(self.key_id))
        };
        let client = Client::connect(&self.addr, key, options).await?;
        let market = client.market(&self.symbol).await?;
        let (state, name) = match self.state {
            State::Halted => (MarketState::Halted, "halted"),
            State::CancelOnly => (MarketState::CancelOnly, "cancel-only"),
            State::Continuous => (MarketState::Continuous, "continuous"),
        };
        let accepted = client.set_market_state(market.id(), state).await?;
        let (symbol, number) = (&self.symbol, accepted.control_seq);
        tracing::warn!(
            symbol,
            state = name,
            control_seq = number,
            reason = self.reason,
            "market state set"
        );
        println!("{symbol} is {name}, by number {number} of its tenant's control stream");
        // It is done: how the session ends is of no matter.
        let _ = client.terminate().await;
        Ok(())
    }
}

/// Whether to ask again is of no use.
fn is_final(error: &ClientError) -> bool {
    !matches!(
        error,
        ClientError::Connect { .. }
            | ClientError::ConnectTimeout { .. }
            | ClientError::Io(_)
            | ClientError::ClosedByServer
            | ClientError::KeepaliveLapsed(_)
            | ClientError::Closed { .. }
            | ClientError::Terminated { .. }
    )
}

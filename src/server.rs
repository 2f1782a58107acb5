//! Builds a node from its configuration, and stops it: all threads, in order.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use souk_protocol::TenantId;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::config::{Config, Layout};
use crate::gateway::session::Shared;
use crate::gateway::{Acceptor, ConnectionBounds};
use crate::journal::{BALANCES_MAX, BalanceLine, Body, Recording, RecordingError, founding};
use crate::ledger::Unsound;
use crate::node::{Node, NodeError, NodeMatcher};
use crate::threads::{self, Plan, PlanError};
use crate::treasury::Treasury;

/// Connections the system may hold for us before we accept them.
const BACKLOG: i32 = 4_096;
/// Batches an inline matcher applies before it lets the sockets have a turn.
const INLINE_BATCHES_MAX: usize = 8;
/// How often the end of a drain is looked for.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {error}\nremedy: stop what uses it, or set another `listen`"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// A thread or the runtime cannot be made.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The threads cannot be laid out as asked.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its parts cannot be made.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Why the end of a node is not a good one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// Not everything was recorded, and what was not recorded was not answered.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The ledger does not add up.
    #[error("the ledger is wrong at the end: {0}\nremedy: keep the recording and report it")]
    Ledger(#[from] Unsound),
}

/// What is looked at when everything has stopped.
#[derive(Debug)]
struct Closing {
    treasury: Arc<Treasury>,
    tenants: Vec<TenantId>,
    recording: Option<Recording>,
}

/// A running node. Dropping it stops it without waiting for answers; see [`Server::drain`].
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    plan: Plan,
    shared: Option<Arc<Shared>>,
    drain: watch::Sender<bool>,
    gateways: Vec<JoinHandle<()>>,
    matchers: Vec<JoinHandle<()>>,
    administrator: Option<JoinHandle<()>>,
    recorder: Option<JoinHandle<()>>,
    /// None when it has been looked at.
    closing: Option<Closing>,
}

impl Server {
    /// Starts a node. When it returns, clients can connect to [`Server::address`].
    ///
    /// # Errors
    /// What cannot be had; nothing is left running then.
    pub fn start(config: &Config) -> Result<Self, ServerError> {
        let plan = Plan::new(&config.threads)?;
        let (listener, address) = listen(config.server.listen)?;
        let inline_wake = (plan.layout == Layout::Inline).then(|| Arc::new(Notify::new()));
        let Node {
            shared,
            matchers,
            administrator,
            recording,
        } = Node::new(config, plan.matchers, inline_wake.as_ref())?;
        let (drain, drained) = watch::channel(false);
        let gateway = Gateway {
            listener,
            shared: Arc::clone(&shared),
            bounds: ConnectionBounds {
                handshake_timeout: config.server.handshake_timeout,
                drain_timeout: config.server.drain_timeout,
            },
            drained,
        };
        let closing = Closing {
            treasury: Arc::clone(&shared.treasury),
            tenants: config.tenants.iter().map(|tenant| tenant.id).collect(),
            recording: recording.as_ref().map(|(recording, _)| recording.clone()),
        };
        let mut server = Self {
            address,
            plan,
            shared: Some(shared),
            drain,
            gateways: Vec::new(),
            matchers: Vec::new(),
            administrator: None,
            recorder: None,
            closing: Some(closing),
        };
        if let Some((_, writer)) = recording {
            server.recorder = Some(thread("souk-recorder", move || writer.run())?);
        }
        server.administrator = Some(thread("souk-administrator", move || administrator.run())?);
        server.spawn(gateway, matchers, inline_wake)?;
        Ok(server)
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How its threads are laid out.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Connections at this moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared
            .as_ref()
            .map_or(0, |shared| shared.registry.connections())
    }

    /// Takes no more connections and messages, answers what was taken, says good-bye, and ends
    /// all threads. Then it looks at the ledger.
    ///
    /// # Errors
    /// When the recording has failed, or the ledger does not add up.
    pub fn drain(mut self) -> Result<(), StopError> {
        self.stop()
    }

    /// Why the node cannot go on, if it cannot: nothing is answered any more.
    ///
    /// # Errors
    /// When the recording has failed.
    pub fn failure(&self) -> Result<(), RecordingError> {
        let recording = self.closing.as_ref().and_then(|it| it.recording.as_ref());
        recording.map_or(Ok(()), Recording::failure)
    }

    fn stop(&mut self) -> Result<(), StopError> {
        let _ = self.drain.send(true);
        for gateway in self.gateways.drain(..) {
            join(gateway);
        }
        // The last doors: without them the matchers end.
        self.shared = None;
        for matcher in self.matchers.drain(..) {
            join(matcher);
        }
        if let Some(administrator) = self.administrator.take() {
            join(administrator);
        }
        let Some(closing) = self.closing.take() else {
            return Ok(());
        };
        let closed = closing.close();
        if let Some(recorder) = self.recorder.take() {
            join(recorder);
        }
        closed?;
        // What was written last may have failed, too.
        if let Some(recording) = &closing.recording {
            recording.failure()?;
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        gateway: Gateway,
        matchers: Vec<NodeMatcher>,
        inline_wake: Option<Arc<Notify>>,
    ) -> Result<(), ServerError> {
        if let Some(wake) = inline_wake {
            let core = self.plan.matcher_core(0);
            let runtime = runtime(1)?;
            let run = move || {
                threads::pin(core);
                for matcher in matchers {
                    runtime.spawn(run_inline(matcher, Arc::clone(&wake)));
                }
                gateway.run(&runtime);
            };
            self.gateways.push(thread("souk-inline", run)?);
            return Ok(());
        }
        for (index, mut matcher) in matchers.into_iter().enumerate() {
            let (core, wait) = (self.plan.matcher_core(index), self.plan.wait);
            let run = move || {
                threads::pin(core);
                threads::run_matcher(&mut matcher, wait);
            };
            self.matchers
                .push(thread(&format!("souk-matcher-{index}"), run)?);
        }
        let runtime = runtime(self.plan.gateways)?;
        self.gateways
            .push(thread("souk-gateway", move || gateway.run(&runtime))?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "stopped badly");
        }
    }
}

impl Closing {
    /// Looks at the ledger, and ends the recording with its balances. Nothing runs any more.
    fn close(&self) -> Result<(), StopError> {
        let Some(recording) = &self.recording else {
            return self.check();
        };
        // What was not published is not settled: such a ledger is not at rest.
        let ended = match recording.failure() {
            Ok(()) => self.record_balances(recording),
            Err(error) => Err(error),
        };
        recording.close();
        ended?;
        self.check()
    }

    fn check(&self) -> Result<(), StopError> {
        let ledger = self.treasury.ledger();
        ledger.check_at_rest()?;
        tracing::info!(
            balances = ledger.balances(),
            currencies = ledger.currencies(),
            "the ledger is sound: totals are credits less debits, nothing is negative or under way"
        );
        Ok(())
    }

    fn record_balances(&self, recording: &Recording) -> Result<(), RecordingError> {
        let ledger = self.treasury.ledger();
        let mut waiting: Vec<Vec<BalanceLine>> = vec![Vec::new(); self.tenants.len()];
        let mut count = 0;
        for balance in ledger.all_balances() {
            let (tenant, account) = ledger.account_owner(balance.account);
            let code = self.treasury.code(balance.currency);
            let line = BalanceLine {
                account,
                currency: code.expect("a balance has a currency that has a code"),
                total: balance.view.total,
                held: balance.view.held,
            };
            count += 1;
            let lines = &mut waiting[tenant.0 as usize];
            lines.push(line);
            if lines.len() == BALANCES_MAX {
                let lines = std::mem::take(lines);
                self.record(recording, tenant.0, Body::Balances(lines))?;
            }
        }
        for (tenant, lines) in (0..).zip(waiting) {
            self.record(recording, tenant, Body::Balances(lines))?;
        }
        let end = founding(TenantId(0), 0, Body::End { balances: count });
        let mut bytes = Vec::new();
        end.write(&mut bytes);
        recording.add_when_there_is_room(&bytes)
    }

    fn record(&self, recording: &Recording, tenant: u32, body: Body) -> Result<(), RecordingError> {
        let mut bytes = Vec::new();
        founding(self.tenants[tenant as usize], 0, body).write(&mut bytes);
        recording.add_when_there_is_room(&bytes)
    }
}

/// What the gateway's thread is given.
struct Gateway {
    listener: TcpListener,
    shared: Arc<Shared>,
    bounds: ConnectionBounds,
    drained: watch::Receiver<bool>,
}

impl Gateway {
    /// Runs until the drain is over.
    fn run(self, runtime: &Runtime) {
        let Self {
            listener,
            shared,
            bounds,
            drained,
        } = self;
        runtime.block_on(async move {
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "the listener cannot be used");
                    return;
                }
            };
            let registry = Arc::clone(&shared.registry);
            Acceptor::new(listener, shared, bounds, drained).run().await;
            // Connections see the drain themselves and bound their own end.
            let deadline = clock::monotonic() + bounds.drain_timeout + 2 * bounds.handshake_timeout;
            while registry.connections() > 0 && clock::monotonic() < deadline {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        });
    }
}

/// A matcher on a gateway's thread: applies what was submitted whenever it is woken.
async fn run_inline(mut matcher: NodeMatcher, wake: Arc<Notify>) {
    loop {
        let mut batches = 0;
        while matcher.poll(clock::wall_ns()) > 0 {
            batches += 1;
            if batches == INLINE_BATCHES_MAX {
                batches = 0;
                tokio::task::yield_now().await;
            }
        }
        wake.notified().await;
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let open = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener: TcpListener = socket.into();
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    open().map_err(|error| ServerError::Listen { address, error })
}

fn runtime(threads: usize) -> Result<Runtime, ServerError> {
    let built = if threads == 1 {
        Builder::new_current_thread().enable_all().build()
    } else {
        Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
    };
    built.map_err(ServerError::Thread)
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ServerError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(run).map_err(ServerError::Thread)
}

fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{AccountTerms, FEE_ACCOUNT, Movement};
    use crate::handoff::TenantIndex;
    use crate::treasury::{Moved, Touched};
    use souk_protocol::{Amount, Text};

    #[test]
    fn a_hold_that_nobody_settled_is_an_error_at_the_end() {
        let treasury = Arc::new(Treasury::new(1, 10));
        let (tenant, currency) = (TenantIndex(0), Text::new("USDT").expect("a code"));
        treasury.define_currency(tenant, currency);
        treasury.set_account(tenant, FEE_ACCOUNT, &AccountTerms::FEES);
        let credit = Movement {
            business: Text::new("test").expect("a name"),
            business_id: 1,
            from: None,
            to: Some(FEE_ACCOUNT),
            currency,
            scale: 6,
            amount: Amount(10),
        };
        let moved = Moved {
            movement: &credit,
            control_seq: 1,
            transact_time: 0,
        };
        treasury.move_money(tenant, &moved, &mut Touched::default());
        let closing = Closing {
            treasury: Arc::clone(&treasury),
            tenants: vec![TenantId(1)],
            recording: None,
        };
        assert!(closing.close().is_ok());
        treasury
            .take(tenant, FEE_ACCOUNT, currency, Amount(4))
            .expect("ten are there");
        let error = closing.close().expect_err("four are under way");
        assert!(matches!(error, StopError::Ledger(_)), "{error}");
    }
}

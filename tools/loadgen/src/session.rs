//! Before the load: sessions log on, find their markets and clear what earlier runs left.

use std::collections::BTreeSet;
use std::time::Duration;

use souk_protocol::message::{LogonAck, MarketDefinition, MassCancel};
use souk_protocol::{
    AccountId, Credentials, MarketId, MarketState, Reserved, ServerMessage, TenantId,
};

use crate::connection::{ANSWER_TIMEOUT, Connection, ConnectionError, unix_time_ns};
use crate::funding::{Funds, coins};
use crate::load::{LoadConfig, LoadError, SessionKey, Target};
use crate::money::{FEE_ACCOUNT, Terms};
use crate::orders::LANES_MAX;
use crate::verify::Opening;
use crate::wire::Wire;

/// Keepalive interval of the sessions.
pub const KEEPALIVE: Duration = Duration::from_secs(10);
/// Mass cancels that are under way at one time while clearing.
const CLEARING_MAX: usize = 64;
/// Credits of a connection to an echo server, which has none of its own.
const ECHO_INFLIGHT: u32 = 65_536;

/// What was found out before the load began.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The sessions, one for each connection.
    pub sessions: Vec<SessionPlan>,
    /// The markets of all tenants that are used.
    pub markets: Vec<MarketPlan>,
    /// The money of the accounts before the load.
    pub opening: Opening,
}

/// A session.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// Its tenant.
    pub tenant: TenantId,
    /// The server's acknowledgement; `None` of an echo.
    pub ack: Option<LogonAck>,
    /// Messages that may be unanswered.
    pub inflight_max: u32,
    /// Accounts it trades for.
    pub accounts: Vec<AccountId>,
    /// Markets it trades in.
    pub joined: Vec<Joined>,
}

/// A session's place in a market.
#[derive(Clone, Copy, Debug)]
pub struct Joined {
    /// Index in [`Plan::markets`].
    pub market: usize,
    /// The last client_seq that was applied.
    pub last_client_seq: u64,
    /// The last report_seq.
    pub last_report_seq: u64,
}

/// A market of a tenant.
#[derive(Clone, Debug)]
pub struct MarketPlan {
    /// The tenant.
    pub tenant: TenantId,
    /// The market.
    pub definition: MarketDefinition,
    /// Whether orders of others were in the book before the load began.
    pub others: bool,
    /// Whether the session may look at the book.
    pub visible: bool,
}

impl Plan {
    /// Sessions that trade in a market.
    #[must_use]
    pub fn sharers(&self, market: usize) -> usize {
        let trades = |session: &&SessionPlan| session.joined.iter().any(|j| j.market == market);
        self.sessions.iter().filter(trades).count()
    }

    /// Number of tenants.
    #[must_use]
    pub fn tenants(&self) -> usize {
        let tenants: BTreeSet<_> = self.sessions.iter().map(|session| session.tenant).collect();
        tenants.len()
    }
}

/// A session's socket.
#[derive(Debug)]
pub struct SessionSocket {
    /// The socket.
    pub socket: Wire,
    /// Bytes received and not taken.
    pub received: Vec<u8>,
}

/// Sessions that are ready, and the plan.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// A socket for each session of the plan.
    pub sessions: Vec<SessionSocket>,
}

/// Prepares all sessions of a load.
///
/// # Errors
/// When the configuration does not fit the server, or a session fails.
pub fn prepare(config: &LoadConfig) -> Result<Prepared, LoadError> {
    if config.connections == 0 || config.connections > LANES_MAX {
        return Err(LoadError::Config(format!(
            "{} connections: 1 to {LANES_MAX} are possible",
            config.connections
        )));
    }
    match config.target {
        Target::Souk => prepare_souk(config),
        Target::Echo => prepare_echo(config),
    }
}

fn prepare_echo(config: &LoadConfig) -> Result<Prepared, LoadError> {
    let mut plan = Plan {
        sessions: Vec::new(),
        opening: Opening::default(),
        markets: vec![MarketPlan {
            tenant: TenantId(1),
            definition: crate::echo::market(),
            others: false,
            visible: false,
        }],
    };
    let mut sessions = Vec::new();
    for _ in 0..config.connections {
        let socket = Wire::connect(config.address, ANSWER_TIMEOUT, None)?;
        sessions.push(SessionSocket {
            socket,
            received: Vec::new(),
        });
        plan.sessions.push(SessionPlan {
            tenant: TenantId(1),
            ack: None,
            inflight_max: ECHO_INFLIGHT,
            accounts: vec![AccountId(1)],
            joined: vec![Joined {
                market: 0,
                last_client_seq: 0,
                last_report_seq: 0,
            }],
        });
    }
    Ok(Prepared { plan, sessions })
}

fn prepare_souk(config: &LoadConfig) -> Result<Prepared, LoadError> {
    let mut plan = Plan::default();
    let mut connections = Vec::new();
    let mut cleared = BTreeSet::new();
    for index in 0..config.connections {
        let name = format!("connection {index}");
        let failed = |what: &str| {
            let what = format!("{name}: {what}");
            move |error| LoadError::Session { what, error }
        };
        let (key, number) = session_of(config, index)?;
        let (mut connection, ack, mut accounts) =
            logon(config, key, number).map_err(failed("logon"))?;
        // A key of all accounts has the fee account too, which enters no orders.
        accounts.retain(|account| *account != FEE_ACCOUNT);
        accounts.truncate(config.accounts_max);
        if accounts.is_empty() {
            return Err(LoadError::Config(format!(
                "key {} may use no account; give it some in the server's configuration",
                key.id
            )));
        }
        let found = connection
            .market_list()
            .map_err(failed("list of markets"))?;
        let markets = known_markets(&mut plan, &ack, found, config.markets_max)?;
        for market in &markets {
            let id = plan.markets[*market].definition.market;
            let todo: Vec<_> = accounts
                .iter()
                .copied()
                .filter(|account| cleared.insert((ack.tenant, id, *account)))
                .collect();
            clear(&mut connection, &ack, id, &todo).map_err(failed("clearing old orders"))?;
        }
        plan.sessions.push(SessionPlan {
            tenant: ack.tenant,
            inflight_max: ack.max_inflight.max(1),
            accounts,
            joined: markets
                .into_iter()
                .map(|market| Joined {
                    market,
                    last_client_seq: 0,
                    last_report_seq: 0,
                })
                .collect(),
            ack: Some(ack),
        });
        connections.push(connection);
    }
    look_at_books(&mut plan, &mut connections)?;
    provide_money(config, &mut plan, &mut connections)?;
    join_all(&mut plan, &mut connections)?;
    let sessions = connections
        .into_iter()
        .map(|connection| {
            let (socket, received) = connection.into_parts();
            SessionSocket { socket, received }
        })
        .collect();
    Ok(Prepared { plan, sessions })
}

/// Key and session number of a connection: keys are dealt out one by one.
fn session_of(config: &LoadConfig, index: usize) -> Result<(&SessionKey, u16), LoadError> {
    let keys = &config.keys;
    if keys.is_empty() {
        return Err(LoadError::Config("no key: give at least one".to_owned()));
    }
    let mut left = index;
    for number in 0..u16::MAX {
        for key in keys.iter().filter(|key| number < key.sessions) {
            if left == 0 {
                return Ok((key, config.session_base + number));
            }
            left -= 1;
        }
        if keys.iter().all(|key| number >= key.sessions) {
            break;
        }
    }
    Err(LoadError::Config(format!(
        "{} connections need as many sessions; the keys have {}",
        config.connections,
        keys.iter()
            .map(|key| usize::from(key.sessions))
            .sum::<usize>()
    )))
}

fn logon(
    config: &LoadConfig,
    key: &SessionKey,
    session_number: u16,
) -> Result<(Connection, LogonAck, Vec<AccountId>), ConnectionError> {
    let (tls, credentials) = (config.tls.as_ref(), credentials(key, session_number));
    Connection::logon(config.address, tls, &credentials, |bytes| {
        key.private.sign(bytes)
    })
}

/// What a session logs on with.
pub(crate) fn credentials(key: &SessionKey, session_number: u16) -> Credentials {
    Credentials {
        key_id: key.id,
        session_number,
        incarnation: unix_time_ns(),
        keepalive_ms: KEEPALIVE.as_millis() as u32,
        cancel_on_disconnect: souk_protocol::CancelOnDisconnect::None,
        cancel_grace_ms: 0,
    }
}

/// Indices of the session's markets in the plan, where they are added when new.
fn known_markets(
    plan: &mut Plan,
    ack: &LogonAck,
    mut found: Vec<MarketDefinition>,
    markets_max: usize,
) -> Result<Vec<usize>, LoadError> {
    found.retain(|market| market.state == MarketState::Continuous);
    found.sort_unstable_by_key(|market| market.market);
    found.truncate(markets_max);
    if found.is_empty() {
        return Err(LoadError::Config(format!(
            "tenant {} has no market in state Continuous",
            ack.tenant
        )));
    }
    let known = |plan: &Plan, id: MarketId| {
        let same = |m: &MarketPlan| m.tenant == ack.tenant && m.definition.market == id;
        plan.markets.iter().position(same)
    };
    let mut indices = Vec::new();
    for definition in found {
        let index = known(plan, definition.market).unwrap_or_else(|| {
            plan.markets.push(MarketPlan {
                tenant: ack.tenant,
                definition,
                others: false,
                visible: true,
            });
            plan.markets.len() - 1
        });
        indices.push(index);
    }
    Ok(indices)
}

/// Cancels every order of the accounts in a market.
pub(crate) fn clear(
    connection: &mut Connection,
    ack: &LogonAck,
    market: MarketId,
    accounts: &[AccountId],
) -> Result<(), ConnectionError> {
    let at_once = CLEARING_MAX.min(ack.max_inflight as usize).max(1);
    for accounts in accounts.chunks(at_once) {
        let mut seq = connection.join(market)?.last_client_seq;
        let mut frames = Vec::new();
        for account in accounts {
            seq += 1;
            let cancel = MassCancel {
                market,
                account: *account,
                side: None,
                reserved: Reserved,
            };
            frames.extend_from_slice(&cancel.frame(seq));
        }
        connection.send(&frames)?;
        await_cleared(connection, accounts.len())?;
    }
    Ok(())
}

fn await_cleared(connection: &mut Connection, count: usize) -> Result<(), ConnectionError> {
    use crate::connection::ANSWER_TIMEOUT;
    let mut answers = 0;
    let mut refused = None;
    while answers < count && refused.is_none() {
        let frames = connection.next_frames(ANSWER_TIMEOUT, |message, _| match message {
            ServerMessage::MassCanceled(_) => answers += 1,
            ServerMessage::Rejected(report) => refused = Some(report.code),
            ServerMessage::NotApplied(refusal) => refused = Some(refusal.code),
            ServerMessage::SessionReject(reject) => refused = Some(reject.code),
            _ => {}
        })?;
        if frames == 0 {
            return Err(ConnectionError::Timeout(ANSWER_TIMEOUT));
        }
    }
    match refused {
        Some(code) => Err(ConnectionError::Refused { template: 35, code }),
        None => Ok(()),
    }
}

/// Finds out in which markets others have orders.
fn look_at_books(plan: &mut Plan, connections: &mut [Connection]) -> Result<(), LoadError> {
    for index in 0..plan.markets.len() {
        let trades = |s: &SessionPlan| s.joined.iter().any(|joined| joined.market == index);
        let Some(session) = plan.sessions.iter().position(trades) else {
            continue;
        };
        let market = &mut plan.markets[index];
        match connections[session].depth(market.definition.market) {
            Ok(depth) => market.others = !depth.levels.is_empty(),
            // Without the permission for market data the run goes on; the report says so.
            Err(ConnectionError::Refused { .. }) => market.visible = false,
            Err(error) => {
                return Err(LoadError::Session {
                    what: format!("book of market {}", market.definition.market),
                    error,
                });
            }
        }
    }
    Ok(())
}

/// Credits the accounts if that is asked for, and looks at what they have.
fn provide_money(
    config: &LoadConfig,
    plan: &mut Plan,
    connections: &mut [Connection],
) -> Result<(), LoadError> {
    if let Some(coins) = config.credit_coins {
        credit_accounts(plan, connections, coins)?;
    }
    if config.verify && !config.shared {
        let money = Opening::look(plan, connections);
        plan.opening = money.map_err(|error| LoadError::Session {
            what: "balances of the accounts".to_owned(),
            error,
        })?;
    }
    Ok(())
}

/// Credits every account with so many coins of each currency of its markets.
fn credit_accounts(
    plan: &Plan,
    connections: &mut [Connection],
    count: u64,
) -> Result<(), LoadError> {
    let mut credited = BTreeSet::new();
    for (session, connection) in plan.sessions.iter().zip(connections) {
        for joined in &session.joined {
            let terms = Terms::from(&plan.markets[joined.market].definition);
            for (currency, scale) in [
                (terms.base, terms.base_scale),
                (terms.quote, terms.quote_scale),
            ] {
                let amount = coins(count, scale).ok_or_else(|| {
                    let code = currency.as_str();
                    LoadError::Config(format!(
                        "{count} {code} are more units than a balance can have: credit less"
                    ))
                })?;
                for account in &session.accounts {
                    if !credited.insert((session.tenant, *account, currency)) {
                        continue;
                    }
                    let funds = Funds {
                        account: *account,
                        currency,
                        scale,
                        amount,
                    };
                    let result = connection.credit(&funds);
                    result.map_err(|error| LoadError::Session {
                        what: format!("credit to account {account} of tenant {}", session.tenant),
                        error,
                    })?;
                }
            }
        }
    }
    Ok(())
}

/// Joins every session to its markets and takes down where it stands.
fn join_all(plan: &mut Plan, connections: &mut [Connection]) -> Result<(), LoadError> {
    let Plan {
        sessions, markets, ..
    } = plan;
    for (session, connection) in sessions.iter_mut().zip(connections) {
        for joined in &mut session.joined {
            let market = markets[joined.market].definition.market;
            let answer = connection
                .join(market)
                .map_err(|error| LoadError::Session {
                    what: format!("joining market {market}"),
                    error,
                })?;
            joined.last_client_seq = answer.last_client_seq;
            joined.last_report_seq = answer.last_report_seq;
        }
    }
    Ok(())
}

//! The task that owns the connection: it moves bytes and time to the session and back, keeps the
//! connection alive, and makes it again when it is lost.

use std::time::Instant;

use bytes::BytesMut;
use souk_protocol::message::Heartbeat;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use crate::clock::unix_time_ns;
use crate::dial::Dialer;
use crate::error::ClientError;
use crate::event::Event;
use crate::session::{Command, Logout, Session};
use crate::wire::{Connection, READ_LEN, SessionInfo, drain_messages};

/// Bytes that may wait to be written before no more requests are taken.
const OUT_MAX: usize = 1 << 20;
/// Requests taken at once.
const COMMANDS_AT_ONCE_MAX: usize = 256;

/// The task of one session.
pub(crate) struct Driver {
    pub(crate) dialer: Dialer,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) info: watch::Sender<SessionInfo>,
    pub(crate) ended: watch::Sender<Option<String>>,
    pub(crate) session: Session,
}

impl Driver {
    /// Runs until the session is over.
    pub(crate) async fn run(mut self, connection: Connection) {
        let mut connection = connection;
        let reason = loop {
            let error = match self.serve(connection).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            if matches!(self.session.logout, Logout::Sent(_)) {
                break "logged out".to_owned();
            }
            self.session.on_disconnect(&error.to_string());
            match self.reconnect(error).await {
                Ok(next) => connection = next,
                Err(error) => break error.to_string(),
            }
        };
        self.session.close(&reason);
        self.ended.send_replace(Some(reason));
        self.flush_events().await;
    }

    /// Serves one connection until it ends.
    async fn serve(
        &mut self,
        connection: Connection,
    ) -> Result<std::convert::Infallible, ClientError> {
        let Connection {
            stream,
            mut incoming,
            ..
        } = connection;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let options = &self.dialer.options;
        let (keepalive, waiting_max) = (options.keepalive, options.waiting_max);
        // TLS keeps what the system had no room for, until it is asked to send it.
        let keeps = options.tls.is_some();
        let mut kept = false;
        let mut heard = Instant::now();
        let mut spoke = heard;
        loop {
            let now = Instant::now();
            let session = &mut self.session;
            drain_messages(&mut incoming, |seq, flags, message| {
                session.on_message(seq, flags, message, now)
            })?;
            session.pump(now);
            incoming.reserve(READ_LEN);
            let reading = session.backlog.is_empty();
            let room = session.out.len() < OUT_MAX && session.waiting() < waiting_max;
            let mut wake = spoke + keepalive;
            if reading {
                wake = wake.min(heard + 2 * keepalive);
            }
            wake = session.wake_at().map_or(wake, |at| wake.min(at));
            tokio::select! {
                read = reader.read_buf(&mut incoming), if reading => {
                    if read? == 0 {
                        return Err(ClientError::ClosedByServer);
                    }
                    heard = Instant::now();
                }
                written = write(&mut writer, &mut session.out), if kept || !session.out.is_empty() => {
                    let taken = written?;
                    kept = keeps && taken > 0;
                    spoke = Instant::now();
                }
                command = self.commands.recv(), if room && matches!(session.logout, Logout::No) => {
                    self.take_commands(command, now);
                }
                () = room_for_events(session.listener.clone()), if !reading => {
                    session.hand_on_events();
                    heard = Instant::now();
                }
                () = tokio::time::sleep_until(wake.into()) => {
                    let now = Instant::now();
                    if reading && now >= heard + 2 * keepalive {
                        return Err(ClientError::KeepaliveLapsed(2 * keepalive));
                    }
                    if now >= spoke + keepalive && session.out.is_empty() {
                        session.send(&Heartbeat { time: unix_time_ns() }.frame(0));
                    }
                }
            }
        }
    }

    /// Takes the request that came and those right behind it. No handle left means logout.
    fn take_commands(&mut self, command: Option<Command>, now: Instant) {
        let Some(command) = command else {
            self.session.logout = Logout::Asked(None);
            return;
        };
        self.session.on_command(command, now);
        for _ in 1..COMMANDS_AT_ONCE_MAX {
            if !matches!(self.session.logout, Logout::No) {
                return;
            }
            let Ok(command) = self.commands.try_recv() else {
                return;
            };
            self.session.on_command(command, now);
        }
    }

    /// Makes the connection again, or says why it stays lost.
    async fn reconnect(&mut self, lost: ClientError) -> Result<Connection, ClientError> {
        let Some(policy) = self.dialer.options.reconnect.clone() else {
            return Err(lost);
        };
        let redirect = self.session.redirect.take();
        let mut at_once = self.dialer.route.on_lost(&lost, redirect, Instant::now());
        let mut error = lost;
        for attempt in 0..policy.attempts_max {
            let nobody_left = self.commands.is_closed() && self.commands.is_empty();
            if !error.reconnect_may_help() || nobody_left {
                return Err(error);
            }
            if !std::mem::take(&mut at_once) {
                tokio::time::sleep(policy.pause(attempt).max(error.retry_after())).await;
                self.dialer.route.on_paused();
            }
            let before = self.info.borrow().incarnation;
            let incarnation = || unix_time_ns().max(before + 1);
            match self.dialer.log_on(incarnation).await {
                Ok(connection) => {
                    self.session.on_reconnect(&connection.info);
                    self.info.send_replace(connection.info.clone());
                    return Ok(connection);
                }
                Err(next) => error = next,
            }
        }
        Err(error)
    }

    /// Gives the listener what it has not got, for as long as it listens.
    async fn flush_events(&mut self) {
        while !self.session.backlog.is_empty() {
            room_for_events(self.session.listener.clone()).await;
            self.session.hand_on_events();
        }
    }
}

/// Writes some of what is to be sent, or sends what the writer keeps. Gives how many bytes it took.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
) -> std::io::Result<usize> {
    if out.is_empty() {
        writer.flush().await.map(|()| 0)
    } else {
        writer.write_buf(out).await
    }
}

/// Waits until the listener has room for an event or is gone.
async fn room_for_events(listener: Option<mpsc::Sender<Event>>) {
    if let Some(listener) = listener {
        drop(listener.reserve().await);
    }
}

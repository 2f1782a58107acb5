//! Moves bytes between a socket and its session.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::TrySendError;
use souk_protocol::message::{Heartbeat, Terminate};
use souk_protocol::{Code, RejectReason, Reserved};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};

use super::entrance::Entrance;
use super::session::{Next, Now, RETRY_AFTER_DRAIN_MS, Session, Verification};
use crate::clock;
use crate::handoff::Link;
use crate::keys;
use crate::peer::Place;
use crate::tls::{Socket, Turn};

/// Bytes a connection that is not logged on yet may use for reading.
const READ_BEFORE_LOGON: usize = 1_024;
/// Bytes a connection begins to read with after logon; doubled while reads fill it.
const READ_AFTER_LOGON: usize = 16_384;
/// Most bytes taken in one read.
const READ_MAX: usize = 262_144;
/// How long the last bytes of a connection may take to be written.
const LAST_WRITE: Duration = Duration::from_secs(1);
/// How long a closed connection's peer may go on sending before it is cut.
const LINGER: Duration = Duration::from_millis(200);

/// Times of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionBounds {
    /// From connecting to the end of the logon.
    pub handshake_timeout: Duration,
    /// From the wish to end to the end, while answers are still to come.
    pub drain_timeout: Duration,
}

/// One socket and its session.
pub(super) struct Connection {
    entrance: Arc<Entrance>,
    session: Session,
    bounds: ConnectionBounds,
    verifications: Arc<Semaphore>,
    drain: watch::Receiver<bool>,
    /// Bytes read; the first `filled` are not taken yet.
    read: Vec<u8>,
    filled: usize,
    /// Bytes to write; the first `written` are.
    writing: Vec<u8>,
    written: usize,
    received_at: Instant,
    sent_at: Instant,
    keepalive: Duration,
}

/// Why the main loop ended.
enum End {
    /// The peer is gone, or the socket failed.
    Gone,
    /// Everything was said; write it and close.
    Closed,
    /// Answer what is under way, then say this and close.
    Finish(RejectReason),
    /// It was told to look elsewhere; what is under way may never be answered here.
    Elsewhere,
}

impl Connection {
    pub(super) fn new(
        entrance: Arc<Entrance>,
        bounds: ConnectionBounds,
        verifications: Arc<Semaphore>,
        drain: watch::Receiver<bool>,
        address: IpAddr,
    ) -> Result<Self, keys::KeyError> {
        let now = clock::monotonic();
        Ok(Self {
            session: Session::new(Arc::clone(&entrance), address, keys::nonce()?),
            entrance,
            bounds,
            verifications,
            drain,
            read: vec![0; READ_BEFORE_LOGON],
            filled: 0,
            writing: Vec::new(),
            written: 0,
            received_at: now,
            sent_at: now,
            keepalive: Duration::MAX,
        })
    }

    /// Serves a peer that has to be logged on at `deadline`, and from then on at `home`.
    pub(super) async fn run(
        mut self,
        mut socket: Socket,
        deadline: Instant,
        place: Place,
        home: &Handle,
    ) {
        match self.handshake(&mut socket, deadline).await {
            Ok(link) => {
                home.spawn(async move {
                    let end = match socket.move_here() {
                        Ok(()) => self.serve(&link, &mut socket).await,
                        Err(_) => End::Gone,
                    };
                    self.end(end, socket).await;
                    drop(place);
                });
            }
            Err(end) => self.end(end, socket).await,
        }
    }

    async fn end(mut self, end: End, mut socket: Socket) {
        let logged_out = matches!(end, End::Finish(RejectReason::LoggedOut));
        // The session of a tenant that has moved away has not ended.
        let moved = matches!(end, End::Finish(RejectReason::NotOwner) | End::Elsewhere);
        if let Some(established) = self.session.established()
            && !moved
        {
            let gone = established.gone();
            gone.leave(logged_out, &established.shared, &self.drain);
        }
        if let End::Finish(reason) = end {
            self.finish(reason, &mut socket).await;
        }
        if !matches!(end, End::Gone) {
            self.last_words(&mut socket).await;
        }
        self.leave().await;
    }

    /// Until the logon is acknowledged, the time for it is over, or the node drains.
    async fn handshake(
        &mut self,
        socket: &mut Socket,
        deadline: Instant,
    ) -> Result<Arc<Link>, End> {
        let mut drain = self.drain.clone();
        let handshake = tokio::select! {
            handshake = timeout_at(deadline.into(), self.log_on(socket)) => handshake,
            // Nothing is taken from it yet, so nothing is to be answered.
            _ = drain.wait_for(|drain| *drain) => return Err(End::Finish(RejectReason::ServerDraining)),
        };
        handshake.unwrap_or_else(|_| {
            self.session.terminate(RejectReason::HandshakeTimeout, 0, 0);
            Err(End::Closed)
        })
    }

    async fn log_on(&mut self, socket: &mut Socket) -> Result<Arc<Link>, End> {
        loop {
            let mut next = self.take_frames();
            if let Next::Verify(verification) = next {
                next = self.verify(*verification).await;
            }
            match next {
                Next::Read => {}
                Next::Finish(reason) => return Err(End::Finish(reason)),
                Next::Close | Next::Verify(_) => return Err(End::Closed),
            }
            if let Some(established) = self.session.established() {
                self.read.resize(READ_AFTER_LOGON, 0);
                return Ok(Arc::clone(established.link()));
            }
            let out = std::mem::take(self.session.out());
            if socket.write_all(&out).await.is_err() || socket.flush().await.is_err() {
                return Err(End::Gone);
            }
            match socket.read(&mut self.read[self.filled..]).await {
                Ok(0) | Err(_) => return Err(End::Gone),
                Ok(count) => self.filled += count,
            }
        }
    }

    async fn verify(&mut self, verification: Verification) -> Next {
        let Ok(_permit) = self.verifications.acquire().await else {
            return Next::Close;
        };
        let work = tokio::task::spawn_blocking(move || {
            let valid = keys::verify(
                &verification.public_key,
                &verification.message,
                &verification.signature,
            );
            (verification, valid)
        });
        match work.await {
            Ok((verification, valid)) => {
                if valid {
                    self.entrance.settle(verification.key_id()).await;
                }
                let next = self.session.verified(&verification, valid, now());
                self.keepalive = verification.keepalive();
                self.received_at = clock::monotonic();
                next
            }
            Err(_) => Next::Close,
        }
    }

    /// From the logon to the end.
    async fn serve(&mut self, link: &Arc<Link>, socket: &mut Socket) -> End {
        // What came in one piece with the logon.
        if let Some(end) = self.received() {
            return end;
        }
        let mut drain = self.drain.clone();
        let draining = drain.clone();
        let drained = drain.wait_for(|drain| *drain);
        let ready = link.outbox.ready.notified();
        let timer = sleep_until(self.next_tick().into());
        // Made once: to register and to forget a waiter costs more than to ask it.
        tokio::pin!(drained, ready, timer);
        loop {
            if self.write_ready(link, socket).is_err() {
                return End::Gone;
            }
            match link.ending() {
                // What was taken is answered first.
                Some(RejectReason::NotOwner) => return End::Finish(RejectReason::NotOwner),
                Some(reason) => {
                    self.session.terminate(reason, 0, 0);
                    let moving = reason == RejectReason::TenantMoving;
                    return if moving { End::Elsewhere } else { End::Closed };
                }
                None => {}
            }
            if link.outbox.overflowed() {
                return self.too_slow();
            }
            // A peer that always has more to read would keep the select from looking.
            if draining.has_changed().unwrap_or(true) {
                return End::Finish(RejectReason::ServerDraining);
            }
            tokio::select! {
                biased;
                turn = socket.turn(&mut self.read[self.filled..], &self.writing[self.written..]) => match turn {
                    Ok(Turn::Read(0)) | Err(_) => return End::Gone,
                    Ok(Turn::Read(count)) => {
                        self.filled += count;
                        if let Some(end) = self.received() {
                            return end;
                        }
                    }
                    Ok(Turn::Written(count)) => self.written += count,
                },
                // Also while the socket is full: it may be told to end.
                () = &mut ready => ready.set(link.outbox.ready.notified()),
                () = &mut timer => {
                    if let Some(end) = self.tick(link) {
                        return end;
                    }
                    timer.as_mut().reset(self.next_tick().into());
                }
                _ = &mut drained => return End::Finish(RejectReason::ServerDraining),
            }
        }
    }

    /// Lets the session take what was read.
    fn received(&mut self) -> Option<End> {
        match self.take_frames() {
            Next::Read => None,
            Next::Finish(reason) => Some(End::Finish(reason)),
            Next::Close | Next::Verify(_) => Some(End::Closed),
        }
    }

    fn take_frames(&mut self) -> Next {
        if self.filled == 0 {
            return Next::Read;
        }
        let full = self.filled == self.read.len();
        let now = now();
        self.received_at = now.instant;
        let (taken, next) = self.session.receive(&self.read[..self.filled], now);
        self.read.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        if full && self.session.established().is_some() && self.read.len() < READ_MAX {
            self.read.resize(self.read.len() * 2, 0);
        }
        next
    }

    /// Writes what can be written without waiting.
    fn write_ready(&mut self, link: &Link, socket: &mut Socket) -> Result<(), ()> {
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.written = 0;
                link.outbox.take(&mut self.writing);
            }
            match socket.try_write(&self.writing[self.written..]) {
                Ok(0) if self.writing.is_empty() => return Ok(()),
                Ok(0) => return Err(()),
                Ok(count) => {
                    self.written += count;
                    self.sent_at = clock::monotonic();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(()),
            }
        }
    }

    fn next_tick(&self) -> Instant {
        let half = self.keepalive / 2;
        clock::monotonic() + half
    }

    /// Twice in a keepalive interval: says that we are here, and looks whether the peer is.
    fn tick(&mut self, link: &Link) -> Option<End> {
        let now = clock::monotonic();
        if now.duration_since(self.received_at) > 2 * self.keepalive {
            self.session.terminate(RejectReason::KeepaliveLapsed, 0, 0);
            return Some(End::Closed);
        }
        if now.duration_since(self.sent_at) >= self.keepalive / 2 {
            let heartbeat = Heartbeat {
                time: clock::wall_ns(),
            };
            link.outbox.append(&heartbeat.frame(0));
        }
        None
    }

    /// Waits until everything taken is answered, then says why it ends.
    async fn finish(&mut self, mut reason: RejectReason, socket: &mut Socket) {
        let deadline = clock::monotonic() + self.bounds.drain_timeout;
        let link = self
            .session
            .established()
            .map(|established| Arc::clone(established.link()));
        if let Some(link) = link {
            while self
                .session
                .established()
                .is_some_and(|e| e.outstanding() > 0)
                && clock::monotonic() < deadline
                && !link.outbox.overflowed()
                && link.ending().is_none_or(|ending| ending == reason)
            {
                if self.write_ready(&link, socket).is_err() {
                    return;
                }
                let _ = timeout(Duration::from_millis(5), link.outbox.ready.notified()).await;
            }
            // Then not everything taken is answered.
            reason = link.ending().unwrap_or(reason);
        }
        let retry = if reason == RejectReason::ServerDraining {
            RETRY_AFTER_DRAIN_MS
        } else {
            0
        };
        self.session.terminate(reason, retry, 0);
    }

    /// The outbox is full: what is in it is not worth waiting for, except the reason.
    fn too_slow(&mut self) -> End {
        self.entrance.registry.refuse(RejectReason::SlowConsumer);
        let frame = Terminate {
            code: Code::from(RejectReason::SlowConsumer),
            reserved: Reserved,
            retry_after_ms: 0,
            detail: 0,
        };
        self.writing.extend_from_slice(&frame.frame(0));
        End::Closed
    }

    /// Writes what is left, for a bounded time, and closes so that the peer can read it.
    async fn last_words(&mut self, socket: &mut Socket) {
        let mut rest = std::mem::take(&mut self.writing);
        rest.drain(..self.written);
        rest.append(self.session.out());
        if let Some(established) = self.session.established()
            && !established.link().outbox.overflowed()
        {
            let mut waiting = Vec::new();
            established.link().outbox.take(&mut waiting);
            rest.append(&mut waiting);
        }
        let written = timeout(LAST_WRITE, async {
            socket.write_all(&rest).await?;
            socket.shutdown().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            return;
        }
        // Closing with unread bytes would reset the connection and lose what was just written.
        let _ = timeout(LINGER, async {
            while matches!(socket.read(&mut self.read).await, Ok(count) if count > 0) {}
        })
        .await;
    }

    /// Tells the matchers to forget the connection. Waits for room: this must not be lost.
    async fn leave(&mut self) {
        let (farewells, shared) = match self.session.established() {
            Some(established) => (established.farewells(), Arc::clone(&established.shared)),
            None => return,
        };
        for (matcher, mut submission) in farewells {
            let door = &shared.doors[matcher];
            door.gauge.admit_always(submission.tenant);
            while let Err(TrySendError::Full(back)) = door.submit(submission) {
                submission = back;
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

fn now() -> Now {
    Now {
        wall_ns: clock::wall_ns(),
        instant: clock::monotonic(),
    }
}

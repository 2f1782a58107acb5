//! One connection as a driver thread drives it: bytes out, bytes in, nothing allocated on the way.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use souk_protocol::message::{Accepted, JoinMarket, OrderStatus};
use souk_protocol::{FRAME_FROM_SERVER_MAX, Reserved, split_frame};

use crate::connection::heartbeat;
use crate::inbound::{Lookup, session_message};
use crate::model::Zipf;
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::stream::{Common, MarketView, Stream, Times};
use crate::verify::{Fault, Faults};
use crate::wire::Wire;

/// Bytes read at one time. Several thousand reports.
const INBOX_BYTES: usize = 512 * 1024;
/// Bytes written and not yet taken by the socket, above which a connection makes no more.
const OUTBOX_BYTES: usize = 64 * 1024;
/// Messages made before they are written, so that answers are looked at now and then.
const FILL_MAX: u32 = 512;
/// Market ids below this are looked up by index.
const MARKETS_BY_INDEX: usize = 1 << 16;

/// When a connection sends.
#[derive(Debug)]
pub enum Pace {
    /// At planned times.
    Open(Schedule),
    /// So that this many messages are unanswered.
    Closed(u32),
}

/// A connection and its session's streams.
#[derive(Debug)]
pub struct Lane {
    stream: Wire,
    outbox: Vec<u8>,
    /// `outbox[..written]` is with the socket.
    written: usize,
    inbox: Box<[u8]>,
    /// `inbox[taken..filled]` is received and not yet looked at.
    taken: usize,
    filled: usize,
    streams: Vec<Stream>,
    choice: Zipf,
    by_market: Vec<u32>,
    pace: Pace,
    /// Messages that may be unanswered: the session's credits.
    inflight_max: u32,
    /// Messages without an answer, over all streams.
    waiting: u32,
    keepalive_ns: u64,
    last_sent: u64,
    rng: Rng,
    /// Something is due and may not be sent before this time; 0: nothing is held up, `u64::MAX`:
    /// before an answer comes.
    held_until: u64,
    ended: bool,
}

/// What a lane begins with.
#[derive(Debug)]
pub struct LaneStart {
    /// A socket that has logged on.
    pub socket: Wire,
    /// Bytes received from it and not yet taken.
    pub received: Vec<u8>,
    /// The session's streams; not empty.
    pub streams: Vec<Stream>,
    /// Zipf exponent of the choice among them.
    pub skew: f64,
    /// When it sends.
    pub pace: Pace,
    /// Credits.
    pub inflight_max: u32,
    /// Keepalive of the session.
    pub keepalive: Duration,
    /// Its random numbers.
    pub rng: Rng,
}

impl Lane {
    /// Takes over a connection.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub fn new(start: LaneStart) -> std::io::Result<Self> {
        start.socket.set_nonblocking(true)?;
        let mut inbox = vec![0; INBOX_BYTES].into_boxed_slice();
        inbox[..start.received.len()].copy_from_slice(&start.received);
        let mut by_market = vec![u32::MAX; MARKETS_BY_INDEX];
        for (index, stream) in start.streams.iter().enumerate() {
            if let Some(entry) = by_market.get_mut(stream.market.0 as usize) {
                *entry = index as u32;
            }
        }
        Ok(Self {
            stream: start.socket,
            outbox: Vec::with_capacity(OUTBOX_BYTES * 2),
            written: 0,
            inbox,
            taken: 0,
            filled: start.received.len(),
            choice: Zipf::new(start.streams.len(), start.skew),
            streams: start.streams,
            by_market,
            pace: start.pace,
            inflight_max: start.inflight_max,
            waiting: 0,
            keepalive_ns: start.keepalive.as_nanos() as u64,
            last_sent: 0,
            rng: start.rng,
            held_until: 0,
            ended: false,
        })
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &Wire {
        &self.stream
    }

    /// Whether the server ended the session or the socket failed.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Whether bytes wait for room in the socket.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.written < self.outbox.len() || self.stream.keeps()
    }

    /// Messages without an answer.
    #[inline]
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Messages that were due before `now` and were not made.
    #[must_use]
    pub fn overdue(&self, now: u64) -> u64 {
        match &self.pace {
            Pace::Open(schedule) => schedule.overdue(now),
            Pace::Closed(_) => 0,
        }
    }

    /// When the next message is due; `None` when answers decide.
    #[inline]
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        match &self.pace {
            _ if self.held_until > 0 => Some(self.held_until),
            Pace::Open(schedule) => Some(schedule.due()),
            Pace::Closed(_) => None,
        }
    }

    /// Asks every market where the session stands. The answers come behind all reports of what
    /// the markets did before.
    pub fn ask_standing(&mut self) {
        for stream in &self.streams {
            let join = JoinMarket {
                market: stream.market,
                reserved: Reserved,
            };
            self.outbox.extend_from_slice(&join.frame(0));
        }
    }

    /// Whether all streams are settled, or never will be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.ended || self.streams.iter().all(Stream::is_settled)
    }

    /// Notes what does not fit at the end.
    pub fn note_loose_ends(&self, faults: &mut Faults) {
        for stream in &self.streams {
            stream.note_loose_ends(faults, self.ended);
        }
    }

    /// The streams, the socket, and bytes not yet taken.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Stream>, Wire, Vec<u8>) {
        let rest = self.inbox[self.taken..self.filled].to_vec();
        (self.streams, self.stream, rest)
    }

    /// Makes the messages that are due at `now`. Gives whether there was one.
    #[inline]
    pub fn fill(&mut self, common: &mut Common, views: &mut [MarketView], now: u64) -> bool {
        if self.ended || self.outbox.len() - self.written > OUTBOX_BYTES {
            return false;
        }
        let mut made = 0;
        while made < FILL_MAX {
            let planned = match &self.pace {
                Pace::Open(schedule) => schedule.due(),
                Pace::Closed(outstanding) if self.waiting < *outstanding => now,
                Pace::Closed(_) => break,
            };
            if planned > now {
                break;
            }
            if self.waiting >= self.inflight_max {
                self.hold(common, u64::MAX);
                break;
            }
            let chosen = self.choice.draw(&mut self.rng);
            let Some(stream) = ready_stream(&mut self.streams, chosen, now) else {
                let patience = self.streams.iter().map(|s| s.held_until(now)).min();
                self.hold(common, patience.unwrap_or(u64::MAX));
                break;
            };
            self.held_until = 0;
            let times = Times { planned, now };
            let view = &mut views[stream.view];
            stream.send_next(common, view, &mut self.rng, times, &mut self.outbox);
            if let Pace::Open(schedule) = &mut self.pace {
                schedule.advance(&common.model, &mut self.rng);
            }
            self.waiting += 1;
            made += 1;
        }
        made > 0
    }

    /// Something is due and may not be sent now.
    #[cold]
    fn hold(&mut self, common: &mut Common, until: u64) {
        common.tally.blocked += u64::from(self.held_until == 0);
        self.held_until = until;
    }

    /// Writes what there is. Gives whether anything was written.
    #[inline]
    pub fn flush(&mut self, common: &mut Common, now: u64) -> bool {
        if self.written == self.outbox.len() || self.ended {
            if self.stream.keeps()
                && let Err(error) = self.stream.flush()
            {
                self.socket_failed(common, &error);
            }
            return false;
        }
        match self.stream.write(&self.outbox[self.written..]) {
            Ok(count) => {
                self.written += count;
                common.tally.bytes_out += count as u64;
                self.last_sent = now;
                if self.written == self.outbox.len() {
                    self.outbox.clear();
                    self.written = 0;
                }
                true
            }
            Err(error) => {
                self.socket_failed(common, &error);
                false
            }
        }
    }

    /// Says that the session is there, when it said nothing for half a keepalive interval.
    pub fn keep_alive(&mut self, now: u64) {
        if now.saturating_sub(self.last_sent) > self.keepalive_ns / 2 {
            self.outbox.extend_from_slice(&heartbeat().frame(0));
            self.last_sent = now;
        }
    }

    /// Reads once and takes the frames. Gives whether there was anything. `clock` is asked once,
    /// when the bytes are there.
    #[inline]
    pub fn receive(
        &mut self,
        common: &mut Common,
        views: &mut [MarketView],
        clock: impl FnOnce() -> u64,
    ) -> bool {
        if self.ended {
            return false;
        }
        let received = match self.stream.read(&mut self.inbox[self.filled..]) {
            Ok(0) => {
                self.ended = true;
                let text = format_args!("the server closed a connection");
                common.faults.note(Fault::Ended, text);
                return false;
            }
            Ok(count) => count,
            Err(error) => {
                self.socket_failed(common, &error);
                return false;
            }
        };
        let now = clock();
        self.filled += received;
        common.tally.bytes_in += received as u64;
        let answered_before = common.tally.answered;
        self.take_frames(common, views, now);
        self.waiting -= (common.tally.answered - answered_before) as u32;
        // What is left is less than a frame, so moving it is cheap.
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = 0;
        } else if self.inbox.len() - self.filled < FRAME_FROM_SERVER_MAX as usize {
            self.inbox.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        true
    }

    #[cold]
    fn socket_failed(&mut self, common: &mut Common, error: &std::io::Error) {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            self.ended = true;
            common
                .faults
                .note(Fault::Ended, format_args!("a connection failed: {error}"));
        }
    }

    #[inline]
    fn take_frames(&mut self, common: &mut Common, views: &mut [MarketView], now: u64) {
        let Self {
            inbox,
            taken,
            filled,
            streams,
            by_market,
            outbox,
            ended,
            ..
        } = self;
        let mut lookup = Lookup { streams, by_market };
        while !*ended {
            let (frame, len) = match split_frame(&inbox[*taken..*filled], FRAME_FROM_SERVER_MAX) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    common
                        .faults
                        .note(Fault::BadMessage, format_args!("{error}"));
                    *ended = true;
                    break;
                }
            };
            *taken += len;
            let template = frame.header.template_id;
            let done = if (Accepted::TEMPLATE..=OrderStatus::TEMPLATE).contains(&template) {
                lookup.report(common, views, &frame, now)
            } else {
                session_message(&mut lookup, common, outbox, ended, &frame, now)
            };
            if let Err(error) = done {
                common.faults.note(
                    Fault::BadMessage,
                    format_args!("template {template}: {error}"),
                );
            }
        }
    }
}

/// The chosen stream, or the next one that may send.
#[inline]
fn ready_stream(streams: &mut [Stream], chosen: usize, now: u64) -> Option<&mut Stream> {
    if streams[chosen].ready(now) {
        return Some(&mut streams[chosen]);
    }
    streams.iter_mut().find(|stream| stream.ready(now))
}

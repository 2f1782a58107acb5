//! Where a scenario is played: the client's program on one side, its connections on the other.

use std::time::Duration;

use serde_json::{Value, json};
use souk_protocol::message::{Challenge, Hello, Logon, LogonAck};
use souk_protocol::{
    ClientMessage, FRAME_FROM_CLIENT_MAX, FieldError, Reserved, SCHEMA_ID, SessionId, VERSION,
    logon_signed_bytes,
};

use super::line::{Door, Line, shown};
use super::program::Program;
use super::says::{self, ACCOUNT, MARKET};
use super::{ConformError, ConformOptions, Fault};
use crate::{clock, keys};

/// The node that the client is told of, and the one that redirects name.
pub(super) type Doors = [Door; 2];

/// The client's key and session.
const KEY_ID: u32 = 9;
const SESSION: u16 = 5;
/// How long a program may take to start.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// Keepalive of a client in a scenario that is about something else.
pub(super) const KEEPALIVE_MS: u32 = 10_000;

/// A report as the client must tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) report_seq: u64,
    pub(super) message: &'static str,
    pub(super) client_seq: u64,
    pub(super) cl_ord_id: u64,
}

/// That the order was accepted.
pub(super) const fn accepted(report_seq: u64, client_seq: u64, cl_ord_id: u64) -> Told {
    Told {
        report_seq,
        message: "Accepted",
        client_seq,
        cl_ord_id,
    }
}

/// How often each door is looked at while nobody should come.
const LOOKS: u32 = 16;

/// One scenario's client and what is known of it.
pub(super) struct Stage<'a> {
    doors: &'a Doors,
    program: Program,
    seed: [u8; 32],
    public: [u8; 32],
    /// How long the client may take for a step.
    pub(super) patience: Duration,
    /// Of the last logon; the next one has a higher one.
    incarnation: u64,
    /// The book that the client told last: buys and sells.
    last_book: Option<[Value; 2]>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        doors: &'a Doors,
        options: &ConformOptions,
    ) -> Result<Result<Self, Fault>, ConformError> {
        let key = keys::generate()?;
        doors.iter().for_each(Door::clear);
        Ok(Program::start(&options.command).map(|program| Self {
            doors,
            program,
            seed: key.seed,
            public: key.public,
            patience: options.patience,
            incarnation: 0,
            last_book: None,
        }))
    }

    pub(super) fn close(&mut self) {
        self.program.end();
    }

    /// The address of the node that redirects name.
    pub(super) fn other_address(&self) -> String {
        self.doors[1].address().to_string()
    }

    /// Has the client log on.
    pub(super) fn connect(&mut self, keepalive_ms: u32) -> Result<(), Fault> {
        self.tell(
            json!({"do": "connect", "addr": self.doors[0].address().to_string(),
            "key_id": KEY_ID, "key": keys::hex(&self.seed), "session": SESSION,
            "keepalive_ms": keepalive_ms}),
        )
    }

    pub(super) fn tell(&mut self, instruction: Value) -> Result<(), Fault> {
        self.program.tell(&instruction)
    }

    /// Has the client enter a buy order.
    pub(super) fn tell_order(&mut self, cl_ord_id: u64) -> Result<(), Fault> {
        self.tell(
            json!({"do": "new", "market": MARKET.0, "account": ACCOUNT.0, "side": 1,
            "price": 100, "qty": 5, "cl_ord_id": cl_ord_id}),
        )
    }

    /// A connection with the logon that opens it, which is not answered yet.
    pub(super) fn accept(&mut self) -> Result<Line, Fault> {
        self.accept_at(0, self.patience)
    }

    pub(super) fn accept_at(&mut self, door: usize, patience: Duration) -> Result<Line, Fault> {
        let patience = if self.incarnation == 0 {
            START_PATIENCE
        } else {
            patience
        };
        let stream = self.doors[door].accept(patience)?;
        let mut line = Line::new(stream, self.patience);
        let (_, hello) = line.expect("Hello", |message| match message {
            ClientMessage::Hello(hello) => Some(*hello),
            _ => None,
        })?;
        let broken = |error: FieldError| Fault::other("a legal Hello", error.to_string());
        hello.check().map_err(broken)?;
        let challenge = challenge()?;
        line.send(&[&challenge.frame(0)])?;
        let (_, logon) = line.expect("Logon", |message| match message {
            ClientMessage::Logon(logon) => Some(*logon),
            _ => None,
        })?;
        self.check_logon(&hello, &challenge, &logon)?;
        self.incarnation = logon.incarnation;
        line.logon = Some(logon);
        Ok(line)
    }

    fn check_logon(
        &self,
        hello: &Hello,
        challenge: &Challenge,
        logon: &Logon,
    ) -> Result<(), Fault> {
        let signed = logon_signed_bytes(hello, challenge, logon);
        if !keys::verify(&self.public, &signed, &logon.signature) {
            return Err(Fault::other(
                "the key's Ed25519 signature over domain, hello, challenge and logon",
                "a signature that does not fit",
            ));
        }
        let who = (logon.key_id.0, logon.session_number);
        if who != (KEY_ID, SESSION) {
            return Err(Fault::other(
                format!("key id {KEY_ID}, session {SESSION}"),
                format!("key id {}, session {}", who.0, who.1),
            ));
        }
        logon
            .check(clock::wall_ns())
            .map_err(|error| Fault::other("a legal Logon", error.to_string()))?;
        if logon.incarnation <= self.incarnation {
            return Err(Fault::other(
                format!("an incarnation above {}", self.incarnation),
                format!("{}", logon.incarnation),
            ));
        }
        Ok(())
    }

    /// A connection that is logged on.
    pub(super) fn log_on(&mut self) -> Result<Line, Fault> {
        self.log_on_at(0)
    }

    pub(super) fn log_on_at(&mut self, door: usize) -> Result<Line, Fault> {
        let mut line = self.accept_at(door, self.patience)?;
        let ack = self.ack(&line);
        line.send(&[&says::accounts(&ack)])?;
        self.event("logged_on")?;
        Ok(line)
    }

    /// The answer to the logon of a connection.
    pub(super) fn ack(&self, line: &Line) -> LogonAck {
        let keepalive_ms = line.logon.map_or(KEEPALIVE_MS, |logon| logon.keepalive_ms);
        let session = SessionId(KEY_ID * 4096 + u32::from(SESSION));
        says::logon_ack(session, self.incarnation, keepalive_ms)
    }

    /// A client that is logged on and has joined the market.
    pub(super) fn joined(&mut self) -> Result<Line, Fault> {
        self.connect(KEEPALIVE_MS)?;
        let mut line = self.log_on()?;
        self.join(&mut line)?;
        Ok(line)
    }

    pub(super) fn join(&mut self, line: &mut Line) -> Result<(), Fault> {
        self.tell(json!({"do": "join", "market": MARKET.0}))?;
        line.join()?;
        self.event("joined").map(drop)
    }

    /// The next event of this kind; what it says of an end comes first if that is what came.
    pub(super) fn event(&mut self, kind: &str) -> Result<Value, Fault> {
        let event = self.program.event(&[kind, "ended"], self.patience)?;
        if event["event"] == kind {
            return Ok(event);
        }
        Err(Fault::other(format!("the event {kind}"), event.to_string()))
    }

    /// An event of this kind in which a number stands.
    pub(super) fn event_with(
        &mut self,
        kind: &str,
        name: &str,
        value: u64,
    ) -> Result<Value, Fault> {
        let event = self.event(kind)?;
        if number(&event[name]) == Some(value) {
            return Ok(event);
        }
        Err(Fault::other(
            format!("the event {kind} with {name} {value}"),
            event.to_string(),
        ))
    }

    /// The reports that the client tells next are these.
    pub(super) fn reports(&mut self, expected: &[Told]) -> Result<(), Fault> {
        for told in expected {
            let event = self.event("report")?;
            let is = |name: &str, value: u64| number(&event[name]) == Some(value);
            let same = is("market", u64::from(MARKET.0))
                && is("report_seq", told.report_seq)
                && is("client_seq", told.client_seq)
                && is("cl_ord_id", told.cl_ord_id)
                && event["message"] == told.message;
            if !same {
                let Told {
                    report_seq,
                    message,
                    client_seq,
                    cl_ord_id,
                } = told;
                let expected = format!(
                    "the event report {report_seq}: {message}, client_seq {client_seq}, cl_ord_id {cl_ord_id}"
                );
                return Err(Fault::other(expected, event.to_string()));
            }
        }
        Ok(())
    }

    /// Has the client enter one more order, which must be the next thing it sends, and whose report must be the next
    /// one it tells: whatever it did too much shows now at the latest.
    pub(super) fn last_order(
        &mut self,
        line: &mut Line,
        seq: u64,
        report_seq: u64,
        cl_ord_id: u64,
    ) -> Result<(), Fault> {
        self.tell_order(cl_ord_id)?;
        let (_, order) = line.order(seq, cl_ord_id)?;
        line.send(&[&says::accepted(&order, seq, report_seq)])?;
        self.reports(&[accepted(report_seq, seq, cl_ord_id)])
    }

    /// Nobody connects for so long.
    pub(super) fn stays_away(&mut self, span: Duration, why: &str) -> Result<(), Fault> {
        // Each door in turn, for a moment, until the time is over.
        for _ in 0..LOOKS {
            for door in self.doors {
                match door.accept(span / (LOOKS * self.doors.len() as u32)) {
                    Err(Fault::Nothing { .. }) => {}
                    Err(fault) => return Err(fault),
                    Ok(_) => {
                        return Err(Fault::other(format!("no connection {why}"), "a connection"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Subscribes to the market's depth.
    pub(super) fn subscribe(&mut self, line: &mut Line) -> Result<(), Fault> {
        self.tell(json!({"do": "subscribe", "market": MARKET.0}))?;
        subscribed(line)
    }

    /// The book that the client tells next is this. The one it told last may be told again.
    pub(super) fn book(&mut self, buys: Value, sells: Value) -> Result<(), Fault> {
        let expected = [buys, sells];
        loop {
            let event = self.event("book")?;
            let is = |book: &[Value; 2]| {
                same_levels(&event["buys"], &book[0]) && same_levels(&event["sells"], &book[1])
            };
            if is(&expected) {
                self.last_book = Some(expected);
                return Ok(());
            }
            if !self.last_book.as_ref().is_some_and(is) {
                let [buys, sells] = expected;
                let expected = format!("the event book with buys {buys}, sells {sells}");
                return Err(Fault::other(expected, event.to_string()));
            }
        }
    }
}

/// The client subscribes to depth.
pub(super) fn subscribed(line: &mut Line) -> Result<(), Fault> {
    let expected = "Subscribe to the depth of the market";
    let (received, flags) = line.expect(expected, |message| match message {
        ClientMessage::Subscribe(subscribe) if subscribe.market == MARKET => Some(subscribe.flags),
        _ => None,
    })?;
    if flags & 1 == 1 {
        return Ok(());
    }
    Err(Fault::other(expected, shown(&received)?))
}

fn challenge() -> Result<Challenge, Fault> {
    let nonce = keys::nonce().map_err(|error| Fault::Io(error.to_string()))?;
    Ok(Challenge {
        nonce,
        server_time: clock::wall_ns(),
        cluster_id: 1,
        schema_id: SCHEMA_ID,
        version: VERSION,
        reserved: Reserved,
        max_frame_in: FRAME_FROM_CLIENT_MAX,
    })
}

/// An integer, or one in a string.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Levels are lists of integers, some of which may be in strings.
fn same_levels(found: &Value, expected: &Value) -> bool {
    let plain = |levels: &Value| -> Option<Vec<Vec<Option<u64>>>> {
        let rows = levels.as_array()?.iter();
        rows.map(|row| Some(row.as_array()?.iter().map(number).collect()))
            .collect()
    };
    plain(found).is_some() && plain(found) == plain(expected)
}

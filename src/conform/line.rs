//! The server's end of a connection to the client under test. It checks every byte the client sends.

use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use souk_protocol::message::{Heartbeat, Logon, NewOrder, Pong, ResumeMarket, Terminate};
use souk_protocol::{
    ClientMessage, Code, FRAME_FROM_CLIENT_MAX, Frame, RejectReason, Reserved, split_frame,
};

use super::Fault;
use crate::clock;

/// How often it is looked whether a client has connected.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// What one read takes at most.
const READ_LEN: usize = 16 * 1024;
/// How long the client may take to see the end of a connection.
const FINISH_PATIENCE: Duration = Duration::from_millis(500);
/// The pause between two bytes that must not arrive together.
const BYTE_PAUSE: Duration = Duration::from_micros(500);

/// Where clients come in.
pub(super) struct Door {
    listener: TcpListener,
    address: SocketAddr,
}

impl Door {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    pub(super) fn accept(&self, patience: Duration) -> Result<TcpStream, Fault> {
        let until = clock::monotonic() + patience;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(io_fault)?;
                    stream.set_nodelay(true).map_err(io_fault)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(io_fault(error)),
            }
            if clock::monotonic() >= until {
                return Err(Fault::Nothing {
                    expected: format!("a connection to {}", self.address),
                    patience,
                });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Turns away whoever has connected and was not waited for.
    pub(super) fn clear(&self) {
        while self.listener.accept().is_ok() {}
    }
}

fn io_fault(error: io::Error) -> Fault {
    Fault::Io(error.to_string())
}

/// One frame of the client.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    /// When it was there in full.
    pub(super) at: Instant,
}

impl Received {
    fn frame(&self) -> Result<Frame<'_>, Fault> {
        match split_frame(&self.bytes, FRAME_FROM_CLIENT_MAX) {
            Ok(Some((frame, _))) => Ok(frame),
            Ok(None) => Err(Fault::Program("a frame was cut in the middle".into())),
            Err(error) => Err(Fault::Frame(error)),
        }
    }

    pub(super) fn message(&self) -> Result<ClientMessage<'_>, Fault> {
        let frame = self.frame()?;
        let refused = |source| Fault::Field {
            template: frame.header.template_id,
            source,
        };
        let message = ClientMessage::decode(&frame).map_err(refused)?;
        if let ClientMessage::Batch(root, entries) = &message {
            for entry in entries.iter() {
                let (entry, offset) = entry.map_err(refused)?;
                entry.instruction(root.market, offset).map_err(refused)?;
            }
        }
        Ok(message)
    }

    /// The frame's number, or 0.
    pub(super) fn seq(&self) -> u64 {
        self.frame().map_or(0, |frame| frame.header.seq)
    }

    /// The same frame without number and flags: what a message is that is sent again.
    pub(super) fn content(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for place in [10].into_iter().chain(16..24) {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = 0;
            }
        }
        bytes
    }
}

/// A connection.
pub(super) struct Line {
    stream: TcpStream,
    incoming: Vec<u8>,
    patience: Duration,
    /// When the client had connected.
    pub(super) opened_at: Instant,
    /// The logon that opened it.
    pub(super) logon: Option<Logon>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            opened_at: clock::monotonic(),
            incoming: Vec::new(),
            patience,
            logon: None,
        }
    }

    /// Sends frames in one write.
    pub(super) fn send(&mut self, frames: &[&[u8]]) -> Result<(), Fault> {
        let bytes = frames.concat();
        self.stream
            .write_all(&bytes)
            .map_err(|error| Fault::Closed {
                expected: format!("a client that reads ({error})"),
                who: "the connection",
            })
    }

    /// Sends a frame byte by byte, so that the client reads it in many parts.
    pub(super) fn send_bytes_alone(&mut self, frame: &[u8]) -> Result<(), Fault> {
        for byte in frame {
            self.send(&[&[*byte]])?;
            std::thread::sleep(BYTE_PAUSE);
        }
        Ok(())
    }

    /// The next frame, whatever it is.
    pub(super) fn any(&mut self, expected: &str, patience: Duration) -> Result<Received, Fault> {
        let until = clock::monotonic() + patience;
        loop {
            match split_frame(&self.incoming, FRAME_FROM_CLIENT_MAX) {
                Err(error) => return Err(Fault::Frame(error)),
                Ok(Some((_, len))) => {
                    let bytes: Vec<u8> = self.incoming.drain(..len).collect();
                    let at = clock::monotonic();
                    let received = Received { bytes, at };
                    received.message()?;
                    return Ok(received);
                }
                Ok(None) => self.read(expected, until, patience)?,
            }
        }
    }

    fn read(&mut self, expected: &str, until: Instant, patience: Duration) -> Result<(), Fault> {
        let left = until.saturating_duration_since(clock::monotonic());
        let nothing = || Fault::Nothing {
            expected: expected.to_owned(),
            patience,
        };
        if left.is_zero() {
            return Err(nothing());
        }
        self.stream.set_read_timeout(Some(left)).map_err(io_fault)?;
        let mut more = [0; READ_LEN];
        match self.stream.read(&mut more) {
            Ok(0) => Err(Fault::Closed {
                expected: expected.to_owned(),
                who: "the connection",
            }),
            Ok(len) => {
                self.incoming.extend_from_slice(&more[..len]);
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Err(nothing())
            }
            Err(error) => Err(Fault::Closed {
                expected: format!("{expected} ({error})"),
                who: "the connection",
            }),
        }
    }

    /// The next frame that is no heartbeat; pings are answered.
    pub(super) fn next(&mut self, expected: &str) -> Result<Received, Fault> {
        loop {
            let received = self.any(expected, self.patience)?;
            match received.message()? {
                ClientMessage::Heartbeat(_) | ClientMessage::Pong(_) => {}
                ClientMessage::Ping(ping) => {
                    let pong = Pong {
                        nonce: ping.nonce,
                        ping_time: ping.time,
                        time: clock::wall_ns(),
                    };
                    self.send(&[&pong.frame(0)])?;
                }
                _ => return Ok(received),
            }
        }
    }

    /// The next frame, which must be what `take` takes.
    pub(super) fn expect<T>(
        &mut self,
        expected: &str,
        take: impl Fn(&ClientMessage<'_>) -> Option<T>,
    ) -> Result<(Received, T), Fault> {
        let received = self.next(expected)?;
        let taken = take(&received.message()?);
        match taken {
            Some(taken) => Ok((received, taken)),
            None => Err(Fault::other(expected, shown(&received)?)),
        }
    }

    /// A new order with this number and client order id.
    pub(super) fn order(
        &mut self,
        seq: u64,
        cl_ord_id: u64,
    ) -> Result<(Received, NewOrder), Fault> {
        let expected = format!("NewOrder {cl_ord_id} with client_seq {seq}");
        let (received, order) = self.expect(&expected, |message| match message {
            ClientMessage::NewOrder(order) => Some(*order),
            _ => None,
        })?;
        if (received.seq(), order.cl_ord_id.0) == (seq, cl_ord_id) {
            return Ok((received, order));
        }
        Err(Fault::other(expected, shown(&received)?))
    }

    /// The client joins the market, or resumes it after report 0.
    pub(super) fn join(&mut self) -> Result<(), Fault> {
        let expected = "JoinMarket, or ResumeMarket after report 0";
        let joined = self.expect(expected, |message| match message {
            ClientMessage::JoinMarket(_) => Some(false),
            ClientMessage::ResumeMarket(resume) if resume.last_report_seq == 0 => Some(true),
            _ => None,
        })?;
        let mut answer = super::says::joined(0, 0).to_vec();
        if joined.1 {
            answer.extend(super::says::reports_resent(1, 0));
        }
        self.send(&[&answer])
    }

    /// The client resumes the market after the last report it has.
    pub(super) fn resume(&mut self, last_report_seq: u64) -> Result<ResumeMarket, Fault> {
        let expected = format!("ResumeMarket after report {last_report_seq}");
        let taken = self.expect(&expected, |message| match message {
            ClientMessage::ResumeMarket(resume) if resume.last_report_seq == last_report_seq => {
                Some(*resume)
            }
            _ => None,
        })?;
        Ok(taken.1)
    }

    /// The client ends the connection, with or without a word.
    pub(super) fn closed(&mut self, expected: &str) -> Result<(), Fault> {
        match self.next(expected) {
            Ok(received) => match received.message()? {
                ClientMessage::Terminate(_) => Ok(()),
                _ => Err(Fault::other(expected, shown(&received)?)),
            },
            Err(Fault::Closed { .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Says why the connection ends, and ends it.
    pub(super) fn terminate(
        mut self,
        reason: RejectReason,
        retry_after_ms: u32,
    ) -> Result<(), Fault> {
        let end = Terminate {
            code: Code::from(reason),
            reserved: Reserved,
            retry_after_ms,
            detail: 0,
        };
        self.send(&[&end.frame(0)])?;
        self.finish();
        Ok(())
    }

    /// Ends the connection so that what was sent is read.
    pub(super) fn finish(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let until = clock::monotonic() + FINISH_PATIENCE;
        while self.read("the end", until, FINISH_PATIENCE).is_ok() {}
    }

    /// Cuts the connection, as a network does.
    pub(super) fn cut(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    pub(super) fn heartbeat(&mut self) -> Result<(), Fault> {
        let time = clock::wall_ns();
        self.send(&[&Heartbeat { time }.frame(0)])
    }
}

/// A message of the client as it is told of.
pub(super) fn shown(received: &Received) -> Result<String, Fault> {
    let message = received.message()?;
    let mut fields = Vec::new();
    message.visit(&mut |field, value| {
        if field.kind != "zero" {
            fields.push(format!("{} {}", field.name, plain(&value)));
        }
    });
    let name = message.info().name;
    Ok(format!(
        "{name} with seq {}, {}",
        received.seq(),
        fields.join(", ")
    ))
}

fn plain(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    let inner = text
        .split_once('(')
        .map(|(_, rest)| rest.trim_end_matches(')'));
    inner.unwrap_or(&text).to_owned()
}

//! An echo server of the same frames: the least that any server behind these sockets could do.
//!
//! Cuts the byte stream into frames and answers every order with one report of the size and kind
//! that a Souk server would send first. It matches nothing and checks nothing. One tokio runtime
//! on one thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use souk_protocol::message::{
    Accepted, CancelOrder, Canceled, MarketDefinition, NewOrder, ReplaceOrder, Replaced,
};
use souk_protocol::{
    Amount, Block, CancelReason, ClOrdId, FRAME_FROM_CLIENT_MAX, Frame, HEADER_LEN, MarketId,
    MarketState, OrderId, Price, Qty, Reserved, Side, Text, split_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::driver::prepare_thread;

/// Bytes read at one time, as much as the measured client reads.
const INBOX_BYTES: usize = 256 * 1024;

/// An echo server on a thread of its own; ends when dropped.
#[derive(Debug)]
pub struct EchoServer {
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl EchoServer {
    /// Listens on a free port of 127.0.0.1. `core` is where its thread runs; `None`: anywhere.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub fn start(core: Option<usize>) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("echo".to_owned())
            .spawn(move || {
                // Not every system lets a thread choose its core; the echo goes on without.
                let _ = prepare_thread(core);
                runtime.block_on(async {
                    tokio::select! {
                        () = accept_all(listener) => {}
                        () = stopped.notified() => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the echo thread has been printed; the runs against it show it too.
            let _ = thread.join();
        }
    }
}

async fn accept_all(listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(echo(socket));
    }
}

/// Answers one connection until it ends.
async fn echo(mut socket: TcpStream) {
    let mut inbox = vec![0; INBOX_BYTES];
    let mut filled = 0;
    let mut outbox = Vec::with_capacity(INBOX_BYTES * 2);
    let mut report_seq = 0;
    if socket.set_nodelay(true).is_err() {
        return;
    }
    loop {
        match socket.read(&mut inbox[filled..]).await {
            Ok(count) if count > 0 => filled += count,
            _ => return,
        }
        let mut taken = 0;
        while let Ok(Some((frame, len))) = split_frame(&inbox[taken..filled], FRAME_FROM_CLIENT_MAX)
        {
            answer(&frame, &mut report_seq, &mut outbox);
            taken += len;
        }
        inbox.copy_within(taken..filled, 0);
        filled -= taken;
        if !outbox.is_empty() {
            if socket.write_all(&outbox).await.is_err() {
                return;
            }
            outbox.clear();
        }
    }
}

/// The first report that a Souk server would answer the frame with, made from the frame alone.
/// Order ids are the client's own.
#[inline]
fn answer(frame: &Frame<'_>, report_seq: &mut u64, outbox: &mut Vec<u8>) {
    let client_seq = frame.header.seq;
    *report_seq += 1;
    match frame.header.template_id {
        NewOrder::TEMPLATE => {
            if let Ok(order) = NewOrder::read(frame.body, HEADER_LEN) {
                outbox.extend_from_slice(&accepted(&order, client_seq).frame(*report_seq));
            }
        }
        CancelOrder::TEMPLATE => {
            if let Ok(cancel) = CancelOrder::read(frame.body, HEADER_LEN) {
                outbox.extend_from_slice(&canceled(&cancel, client_seq).frame(*report_seq));
            }
        }
        ReplaceOrder::TEMPLATE => {
            if let Ok(replace) = ReplaceOrder::read(frame.body, HEADER_LEN) {
                outbox.extend_from_slice(&replaced(&replace, client_seq).frame(*report_seq));
            }
        }
        _ => {}
    }
}

fn accepted(order: &NewOrder, client_seq: u64) -> Accepted {
    Accepted {
        market: order.market,
        account: order.account,
        transact_time: 0,
        client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: OrderId(order.cl_ord_id.0),
        price: order.price,
        qty: order.qty,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        batch_index: 0,
        reserved: Reserved,
    }
}

fn canceled(cancel: &CancelOrder, client_seq: u64) -> Canceled {
    Canceled {
        market: cancel.market,
        account: cancel.account,
        transact_time: 0,
        client_seq,
        cl_ord_id: ClOrdId(cancel.order_id.0),
        order_id: cancel.order_id,
        qty: Qty(0),
        cum: Qty(0),
        reason: CancelReason::ByRequest,
        side: Side::Buy,
        batch_index: 0,
        reserved: Reserved,
    }
}

fn replaced(replace: &ReplaceOrder, client_seq: u64) -> Replaced {
    Replaced {
        market: replace.market,
        account: replace.account,
        transact_time: 0,
        client_seq,
        cl_ord_id: ClOrdId(replace.order_id.0),
        order_id: replace.order_id,
        orig_cl_ord_id: ClOrdId(replace.order_id.0),
        price: replace.price,
        leaves: replace.total_qty,
        cum: Qty(0),
        side: Side::Buy,
        kept_priority: false,
        batch_index: 0,
        reserved: Reserved,
    }
}

/// The market that an echo pretends to have.
pub(crate) fn market() -> MarketDefinition {
    let text = "the text is short and printable";
    MarketDefinition {
        market: MarketId(1),
        state: MarketState::Continuous,
        base_scale: 8,
        quote_scale: 6,
        reserved: Reserved,
        symbol: Text::new("ECHO").expect(text),
        base: Text::new("ECHO").expect(text),
        quote: Text::new("ECHO").expect(text),
        tick_mantissa: 1,
        lot_mantissa: 1,
        tick_scale: 2,
        lot_scale: 4,
        reserved2: Reserved,
        price_min: Price(1),
        price_max: Price(100_000_000),
        qty_min: Qty(1),
        qty_max: Qty(10_000_000),
        notional_unit: 1,
        account_orders_max: u32::MAX,
        reserved3: Reserved,
        notional_min: Amount(0),
        notional_max: Amount(0),
        lot_units: 1,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::load::{LoadConfig, Pacing, Target, start};
    use crate::profile::PROFILES;
    use crate::schedule::Arrivals;
    use std::time::Duration;

    fn run(pacing: Pacing, threads: usize) -> crate::report::LoadReport {
        let echo = EchoServer::start(None).unwrap();
        let mut config = LoadConfig::new(echo.address(), Vec::new(), PROFILES[3].clone());
        config.target = Target::Echo;
        config.pacing = pacing;
        config.threads = threads;
        config.warmup = Duration::from_millis(50);
        config.duration = Some(Duration::from_millis(300));
        start(config).unwrap().wait().unwrap()
    }

    #[test]
    fn every_message_of_a_closed_loop_is_answered() {
        let report = run(Pacing::Closed { outstanding: 16 }, 2);
        assert_eq!(report.verified.faults.samples(), [""; 0]);
        assert_eq!(report.tally.sent, report.tally.answered);
        assert!(report.tally.sent > 1_000, "{}", report.tally.sent);
        assert_eq!(report.latency.service.len(), report.latency.answered);
        assert_eq!(report.latency.response, report.latency.service);
    }

    #[test]
    fn an_open_loop_sends_what_is_due() {
        let pacing = Pacing::Open {
            rate: 5_000.0,
            arrivals: Arrivals::Fixed,
        };
        let report = run(pacing, 1);
        assert_eq!(report.verified.faults.samples(), [""; 0]);
        let due = 5_000.0 * 0.3;
        let counted = report.latency.answered as f64 + report.never_sent as f64;
        assert!(
            (counted - due).abs() < due * 0.02 + 8.0,
            "{counted} of {due}"
        );
        assert_eq!(report.latency.response.len(), report.latency.answered);
    }
}

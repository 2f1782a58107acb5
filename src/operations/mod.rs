//! The operations listener: metrics and probes over HTTP, on an address of its own, for whoever looks after the node. It
//! answers from the first moment of the process on, also while the node recovers.
//!
//! Must never: ask the database or wait for a stage before it answers; change anything.

mod board;
mod health;
mod http;
mod money;
mod page;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::tls::Port;

pub use board::{Board, LeaseReading, Parts, Phase, ReadsLease, TenantsHere};

/// The listener at work. Dropping it ends it.
#[derive(Debug)]
pub struct Operations {
    address: SocketAddr,
    board: Arc<Board>,
    stop: watch::Sender<bool>,
    stop_money: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Operations {
    /// Begins to answer on a bound listener with what `board` says.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub fn start(listener: TcpListener, port: Port, board: Arc<Board>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let stop_money: Arc<AtomicBool> = Arc::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let answering = Arc::clone(&board);
        let answer = move || http::answer(&runtime, listener, port, answering, stopped);
        let (checked, stop_checks) = (Arc::clone(&board), Arc::clone(&stop_money));
        let check = move || money::check_periodically(&checked, &stop_checks);
        let mut operations = Self {
            address,
            board,
            stop,
            stop_money,
            threads: Vec::new(),
        };
        operations.spawn("souk-operations", answer)?;
        operations.spawn("souk-money", check)?;
        Ok(operations)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned());
        self.threads.push(thread.spawn(run)?);
        Ok(())
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the node says what it does.
    #[must_use]
    pub const fn board(&self) -> &Arc<Board> {
        &self.board
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        self.stop_money.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread of the operations listener has panicked");
            }
        }
    }
}

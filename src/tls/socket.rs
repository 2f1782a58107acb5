//! A socket, with TLS or without.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A socket, with TLS or without.
#[derive(Debug)]
pub struct Socket {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Plain(Movable),
    Secure(Box<Secure>),
}

/// The system's socket, which can change its runtime, also below TLS.
#[derive(Debug)]
pub(super) struct Movable {
    /// Away only while it moves, or when it could not.
    stream: Option<TcpStream>,
}

#[derive(Debug)]
struct Secure {
    stream: TlsStream<Movable>,
    /// Records that are made and that the system had no room for.
    unsent: bool,
}

/// What a socket did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// So many bytes came; 0: the peer says no more.
    Read(usize),
    /// So many bytes were taken.
    Written(usize),
}

impl Socket {
    pub(super) const fn plain(stream: TcpStream) -> Self {
        Self {
            way: Way::Plain(Movable::new(stream)),
        }
    }

    pub(super) fn secure(stream: TlsStream<Movable>) -> Self {
        let secure = Secure {
            stream,
            unsent: false,
        };
        Self {
            way: Way::Secure(Box::new(secure)),
        }
    }

    /// From now on it is the runtime that this is called on which says when there is something to read.
    ///
    /// # Errors
    /// What the system says; the connection is of no use then.
    pub fn move_here(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Plain(stream) => stream.move_here(),
            Way::Secure(secure) => secure.stream.get_mut().0.move_here(),
        }
    }

    /// Waits until there is something to read, or, if `from` is not empty, room for some of it. Nothing is lost when this is given up.
    ///
    /// # Errors
    /// What the system or TLS says; the connection is of no use then.
    pub async fn turn(&mut self, into: &mut [u8], from: &[u8]) -> io::Result<Turn> {
        poll_fn(|context| {
            let mut buffer = ReadBuf::new(into);
            if let Poll::Ready(read) = Pin::new(&mut *self).poll_read(context, &mut buffer) {
                return Poll::Ready(read.map(|()| Turn::Read(buffer.filled().len())));
            }
            if !from.is_empty() {
                let written = Pin::new(&mut *self).poll_write(context, from);
                return written.map_ok(Turn::Written);
            }
            match &mut self.way {
                Way::Secure(secure) if secure.unsent => match secure.poll_flush(context) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                },
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Writes what there is room for. Sends what an earlier call has left, also when there are no bytes.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; or what the system or TLS says, and then the connection is of no use.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let secure = match &mut self.way {
            Way::Plain(_) if bytes.is_empty() => return Ok(0),
            Way::Plain(stream) => return stream.there()?.try_write(bytes),
            Way::Secure(secure) => secure,
        };
        // Who is told when there is room, the next turn says.
        let mut nobody = Context::from_waker(Waker::noop());
        let written = match bytes {
            [] => 0,
            bytes => match Pin::new(&mut secure.stream).poll_write(&mut nobody, bytes) {
                Poll::Ready(written) => written?,
                Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
            },
        };
        match secure.poll_flush(&mut nobody) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(written),
        }
    }
}

impl Secure {
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.unsent = flushed.is_pending();
        flushed
    }
}

impl Movable {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self {
            stream: Some(stream),
        }
    }

    fn move_here(&mut self) -> io::Result<()> {
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        self.stream = Some(TcpStream::from_std(stream.into_std()?)?);
        Ok(())
    }

    fn there(&mut self) -> io::Result<&mut TcpStream> {
        let stream = self.stream.as_mut();
        stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Movable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.there()?).poll_read(context, buffer)
    }
}

impl AsyncWrite for Movable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.there()?).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.there()?).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.there()?).poll_shutdown(context)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Way::Secure(secure) => Pin::new(&mut secure.stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.way {
            Way::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Way::Secure(secure) => {
                secure.unsent = true;
                Pin::new(&mut secure.stream).poll_write(context, bytes)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Plain(stream) => Pin::new(stream).poll_flush(context),
            Way::Secure(secure) => secure.poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Way::Secure(secure) => Pin::new(&mut secure.stream).poll_shutdown(context),
        }
    }
}

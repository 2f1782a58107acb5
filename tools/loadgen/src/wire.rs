//! The bytes of a connection, over TLS or plain.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, version};

/// Which servers are believed.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Believes servers whose certificates are made out to `name` by an authority of a PEM file.
    ///
    /// # Errors
    /// What is wrong with the file or the name.
    pub fn new(authorities: &Path, name: &str) -> io::Result<Self> {
        let told = |error: &dyn std::fmt::Display| {
            let path = authorities.display();
            io::Error::new(ErrorKind::InvalidInput, format!("{path}: {error}"))
        };
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(authorities).map_err(|error| told(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| told(&error))?;
            roots.add(certificate).map_err(|error| told(&error))?;
        }
        if roots.is_empty() {
            return Err(told(&"has no certificate in it"));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, format!("{name}: {error}")))?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

/// A socket, with what TLS makes of its bytes.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    /// Connects within a time. With TLS, hands are shaken as bytes are written and read.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(address: SocketAddr, timeout: Duration, tls: Option<&Tls>) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, timeout)?;
        socket.set_nodelay(true)?;
        let made = tls.map(|tls| ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()));
        let tls = made.transpose().map_err(io::Error::other)?.map(Box::new);
        Ok(Self { socket, tls })
    }

    /// A plain connection that is there.
    #[must_use]
    pub const fn over(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// See [`TcpStream::set_nonblocking`].
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    /// See [`TcpStream::set_read_timeout`].
    ///
    /// # Errors
    /// What the system says.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// Whether it holds bytes that it took and the system had no room for.
    #[must_use]
    #[inline]
    pub fn keeps(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

/// Sends what TLS has made, as far as there is room.
fn send(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

impl Read for Wire {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(into);
        };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if let Err(error) = send(tls, &mut self.socket)
                && error.kind() != ErrorKind::WouldBlock
            {
                return Err(error);
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            if let Err(error) = tls.process_new_packets() {
                // The peer is told why, if it can be.
                let _ = send(tls, &mut self.socket);
                return Err(broken(error));
            }
        }
    }
}

impl Write for Wire {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        // A server that takes nothing makes it wait here, and not in memory.
        send(tls, &mut self.socket)?;
        let taken = tls.writer().write(bytes)?;
        match send(tls, &mut self.socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => send(tls, &mut self.socket),
            None => self.socket.flush(),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

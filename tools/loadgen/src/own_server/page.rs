//! A server's page of metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest page that is read.
const PAGE_BYTES_MAX: u64 = 16 << 20;

/// An address that nobody listens at now. A server whose configuration names it fails loudly when somebody takes it meanwhile.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// What a server tells of itself.
#[derive(Clone, Debug)]
pub(crate) struct Page(String);

impl Page {
    /// Asks a server's operations listener.
    pub fn fetch(address: SocketAddr) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.take(PAGE_BYTES_MAX).read_to_string(&mut text)?;
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.split(' ').nth(1) == Some("200") => {
                Ok(Self(body.to_owned()))
            }
            _ => Err(std::io::Error::other("the server has no metrics")),
        }
    }

    /// A count without labels.
    pub fn count(&self, name: &str) -> std::io::Result<u64> {
        let mut lines = self.0.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let count = value.and_then(|value| value.split(' ').next()?.parse().ok());
        count.ok_or_else(|| std::io::Error::other(format!("the server's metrics have no {name}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_count_is_found_by_its_whole_name() {
        let page =
            Page("# TYPE a counter\na_b_total 5\na_total{x=\"1\"} 6\na_total 7 1.5\n".into());
        assert_eq!(page.count("a_total").unwrap(), 7);
        assert_eq!(page.count("a_b_total").unwrap(), 5);
        assert!(page.count("a").is_err());
        assert!(page.count("b_total").is_err());
    }
}

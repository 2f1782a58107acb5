//! `souk top`: a live table of a node, made from its metrics.

#[path = "top/page.rs"]
mod page;
#[path = "top/table.rs"]
mod table;

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use page::Page;

/// How long a node may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest page that is read.
const PAGE_BYTES_MAX: u64 = 64 << 20;
/// Clears the screen, and goes to its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Which node, and how often.
#[derive(Args)]
pub struct Top {
    /// Where the node answers metrics, such as http://127.0.0.1:7002.
    #[arg(long, env = "SOUK_OPERATIONS_ADDR", default_value = "127.0.0.1:7002")]
    addr: String,
    /// How often the table is made again.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    every: Duration,
    /// One table of everything since the node began, and no more: for scripts.
    #[arg(long)]
    once: bool,
}

impl Top {
    /// Shows it until somebody ends it.
    pub fn run(&self) -> anyhow::Result<()> {
        let mut before = None;
        loop {
            let page = self.page()?;
            let table = table::table(&page, before.as_ref());
            if self.once {
                print!("{table}");
                return Ok(());
            }
            print!("{CLEAR}{table}");
            std::io::stdout().flush()?;
            before = Some(page);
            std::thread::sleep(self.every);
        }
    }

    fn page(&self) -> anyhow::Result<Page> {
        let host = self.addr.strip_prefix("http://").unwrap_or(&self.addr);
        let host = host.trim_end_matches('/').trim_end_matches("/metrics");
        let text = get(host, "/metrics").with_context(|| {
            format!("{host} does not answer; is [operations] listen set, and is this its address?")
        })?;
        Ok(Page::parse(&text))
    }
}

/// Asks for a path with the plainest request there is.
fn get(host: &str, path: &str) -> anyhow::Result<String> {
    let address = host.to_socket_addrs()?.next();
    let address = address.context("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut text)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("the answer is no HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    anyhow::ensure!(status == "200", "the answer is {status}");
    Ok(body.to_owned())
}

//! Asks the operations listener, and reads what it says.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long anything may take that should take no time.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks for a path, again while there is no place. Gives the status and the body.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let begun = Instant::now();
    loop {
        let stream = TcpStream::connect(address).unwrap();
        if let Ok(text) = ask(stream, path)
            && let Some((head, body)) = text.split_once("\r\n\r\n")
        {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            return (status, body.to_owned());
        }
        assert!(begun.elapsed() < DEADLINE, "{path} is not answered");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Everything that is answered; nothing, or an error, if there is no place.
fn ask(mut stream: TcpStream, path: &str) -> std::io::Result<String> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Asks until the status is this one. Gives the body.
pub fn wait_for(address: SocketAddr, path: &str, status: u16) -> String {
    let begun = Instant::now();
    loop {
        let (found, body) = get(address, path);
        if found == status {
            return body;
        }
        assert!(begun.elapsed() < DEADLINE, "{path} says {found}: {body}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A page of metrics.
#[derive(Debug)]
pub struct Page {
    /// By name with labels, as they stand there.
    pub samples: BTreeMap<String, f64>,
}

impl Page {
    pub fn of(address: SocketAddr) -> Self {
        let (status, text) = get(address, "/metrics");
        assert_eq!(status, 200, "{text}");
        assert!(text.ends_with("# EOF\n"), "the page is whole");
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let before = samples.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(before, None, "{name} is there twice");
        }
        Self { samples }
    }

    /// Reads pages until one is as wanted.
    pub fn when(address: SocketAddr, wanted: impl Fn(&Self) -> bool) -> Self {
        let begun = Instant::now();
        loop {
            let page = Self::of(address);
            if wanted(&page) {
                return page;
            }
            assert!(begun.elapsed() < DEADLINE, "{page:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    pub fn value(&self, sample: &str) -> f64 {
        let value = self.samples.get(sample);
        *value.unwrap_or_else(|| panic!("{sample} is not there: {:#?}", self.names()))
    }

    /// The names of all samples, without labels.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples
            .keys()
            .map(|sample| sample.split('{').next().unwrap())
            .collect()
    }
}

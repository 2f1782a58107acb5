//! Two nodes with an office each, and a browser's side of HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Answer, ask};
use crate::mariadb::MariaDb;
use crate::node::{Cluster, Node, Settings};
use crate::scene::Scene;
use crate::support::two_tenants;
use crate::trader::Trader;

/// How long anything may take that should take no time.
pub const SOON: Duration = Duration::from_secs(30);

/// Two nodes with offices.
pub struct Offices {
    pub scene: Scene,
}

impl Offices {
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    pub fn with(name: &str, set: impl FnOnce(&mut Settings)) -> Self {
        Self::having(name, "", set)
    }

    /// Whose configurations have these lines, too.
    pub fn having(name: &str, lines: &str, set: impl FnOnce(&mut Settings)) -> Self {
        let server = MariaDb::start(name);
        let mut cluster = Cluster::new(name, &server);
        set(&mut cluster.settings);
        cluster.tenants = two_tenants(&format!("[office]\nlisten = \"127.0.0.1:0\"\n{lines}"));
        let mut nodes = vec![cluster.node("a"), cluster.node("b")];
        for node in &mut nodes {
            node.address();
        }
        let mut offices = Self {
            scene: Scene {
                nodes,
                cluster,
                server,
            },
        };
        for key in [1, 3] {
            offices.owner_of(key);
        }
        offices
    }

    /// The number of the node that has the tenant of a key.
    pub fn owner_of(&mut self, key: u32) -> usize {
        let addresses = self.scene.addresses();
        let owner = Trader::new(key, 1, &addresses).find();
        addresses.iter().position(|it| *it == owner).unwrap()
    }

    /// Makes a user, at the command line, and logs on at every office that runs. Gives the tokens, by node.
    pub fn log_on(&mut self, tenant: &str, user: &str, role: &str) -> Vec<String> {
        let tenant_words = if tenant.is_empty() {
            vec![]
        } else {
            vec!["--tenant", tenant]
        };
        let mut words = vec!["user", "set", user, "--role", role];
        words.extend(tenant_words);
        let (status, said) = self.scene.cluster.command(&words);
        assert!(status.success(), "{said}");
        let password = said.lines().next().unwrap().to_owned();
        let login = json!({"tenant": tenant, "user": user, "password": password});
        let nodes = self.scene.nodes.len();
        let token = |node| {
            let answer = self.office(node).post("/v1/login", "", &login);
            answer.ok()["token"].as_str().unwrap().to_owned()
        };
        (0..nodes).map(token).collect()
    }

    /// The office of a node.
    pub fn office(&self, node: usize) -> Browser {
        Browser {
            address: office_of(&self.scene.nodes[node]),
        }
    }

    pub fn rows<R: mysql_async::prelude::FromRow + Send + 'static>(&self, query: &str) -> Vec<R> {
        let query = query.replace("FROM ", &format!("FROM {}.", self.scene.cluster.database));
        self.scene.server.rows(&query)
    }
}

/// Where the office of a node listens: the last line of its log that says so.
fn office_of(node: &Node) -> SocketAddr {
    let begun = Instant::now();
    loop {
        let log = node.log();
        let urls = log.lines().filter_map(|line| line.split("http://").nth(1));
        let mut addresses = urls.filter_map(|rest| rest.split('/').next()?.parse().ok());
        if let Some(address) = addresses.next_back() {
            return address;
        }
        assert!(begun.elapsed() < SOON, "no office: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Somebody who asks one office.
#[derive(Clone, Copy)]
pub struct Browser {
    pub address: SocketAddr,
}

impl Browser {
    pub fn get(&self, path: &str, token: &str) -> Answer {
        ask(self.address, "GET", path, token, None)
    }

    pub fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        ask(self.address, "POST", path, token, Some(body))
    }

    pub fn put(&self, path: &str, token: &str, body: &Value) -> Answer {
        ask(self.address, "PUT", path, token, Some(body))
    }

    pub fn delete(&self, path: &str, token: &str, body: &Value) -> Answer {
        ask(self.address, "DELETE", path, token, Some(body))
    }

    /// [`Self::post`], once more while the office says that the engine is not there yet.
    pub fn post_soon(&self, path: &str, token: &str, body: &Value) -> Value {
        soon(|| {
            let answer = self.post(path, token, body);
            (answer.status != 503).then(|| answer.ok())
        })
    }

    /// Until something can be seen.
    pub fn see(&self, path: &str, token: &str, seen: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path, token);
            let json = answer.json();
            if answer.status == 200 && seen(&json) {
                return json;
            }
            assert!(begun.elapsed() < SOON, "{path}: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Until there is something.
#[track_caller]
pub fn soon<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < SOON, "it takes too long");
        std::thread::sleep(Duration::from_millis(100));
    }
}

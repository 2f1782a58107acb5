//! A node with an office in this process, and a browser's side of HTTP and WebSockets.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use souk::config::{Config, Overrides};
use souk::office::access::Role;
use souk::office::{self, Office};
use souk::server::Server;

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Two tenants with the same market and accounts 1 and 2; globex has account 77 and market 9 of its own.
pub fn config_text(data: &Path) -> String {
    let key = souk::keys::hex(&souk::keys::public_of(&SEED).unwrap());
    let globex_key = souk::keys::hex(&souk::keys::public_of(&GLOBEX_SEED).unwrap());
    let currencies = "[[tenant.currency]]\ncode = \"BTC\"\nscale = 8\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n";
    let market = |id: u32, symbol: &str| {
        format!(
            "[[tenant.market]]\nid = {id}\nsymbol = \"{symbol}\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"0.0001\"\nmaker_ppm = 500\ntaker_ppm = 1000\naccount_orders_max = 1000000\n"
        )
    };
    let account = |id: u32| {
        format!(
            "[[tenant.account]]\nid = {id}\nexternal_id = \"user-{id}\"\ncredit = {{ BTC = \"1000\", USDT = \"1000000\" }}\n"
        )
    };
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[office]\nlisten = \"127.0.0.1:0\"\n[journal]\ndirectory = \"{}\"\nsegment_bytes = 1048576\nsnapshot_bytes = 2097152\n\
         [[tenant]]\nid = 1\nname = \"acme\"\n{currencies}{}{}{}[[tenant.key]]\nid = 1\npublic_key = \"{key}\"\naccounts = \"all\"\n\
         [[tenant]]\nid = 2\nname = \"globex\"\n{currencies}[[tenant.currency]]\ncode = \"GOLD\"\nscale = 4\n{}{}{}{}{}[[tenant.key]]\nid = 2\npublic_key = \"{globex_key}\"\naccounts = \"all\"\n",
        data.display(),
        market(1, "BTC-USDT"),
        account(1),
        account(2),
        market(1, "BTC-USDT"),
        market(9, "BTC9-USDT"),
        account(1),
        account(2),
        account(77),
    )
}

/// Of key 1, acme's.
pub const SEED: [u8; 32] = [11; 32];
/// Of key 2, globex's.
pub const GLOBEX_SEED: [u8; 32] = [22; 32];

/// An empty folder.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("office-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A node and its office.
pub struct Venue {
    pub data: PathBuf,
    pub server: Option<Server>,
    pub office: Option<Office>,
    passwords: HashMap<(String, &'static str), String>,
}

impl Venue {
    pub fn start(name: &str) -> Self {
        Self::on(folder(name))
    }

    pub fn on(data: PathBuf) -> Self {
        let mut venue = Self {
            data,
            server: None,
            office: None,
            passwords: HashMap::new(),
        };
        venue.open();
        venue
    }

    fn open(&mut self) {
        let mut config =
            Config::from_toml(&config_text(&self.data), &Overrides::default()).unwrap();
        let keys = office::admit(&mut config).unwrap();
        let server = Server::start(&config).unwrap();
        self.office = Office::beside(&server, &config, &keys).unwrap();
        self.server = Some(server);
    }

    /// Stops both in order.
    pub fn close(&mut self) {
        self.office = None;
        if let Some(server) = self.server.take() {
            server.drain().unwrap();
        }
    }

    pub fn reopen(&mut self) {
        self.close();
        self.open();
    }

    pub fn gateway(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    pub fn address(&self) -> SocketAddr {
        self.office.as_ref().unwrap().address()
    }

    /// A token of somebody with this role; `""` is who runs the nodes.
    pub fn token(&mut self, tenant: &str, role: Role) -> String {
        if role == Role::Holder {
            return self.holder(tenant, "1");
        }
        let key = (tenant.to_owned(), role.name());
        let named = (!tenant.is_empty()).then_some(tenant);
        let data = self.data.clone();
        let password = self.passwords.entry(key).or_insert_with(|| {
            let config = Config::from_toml(&config_text(&data), &Overrides::default()).unwrap();
            office::set_user(&config, named, role.name(), role).unwrap()
        });
        let login =
            serde_json::json!({"tenant": tenant, "user": role.name(), "password": password});
        // Few are let in at once.
        let begun = Instant::now();
        loop {
            let answer = self.post("/v1/login", "", &login);
            if answer.status != 429 {
                return answer.ok()["token"].as_str().unwrap().to_owned();
            }
            assert!(begun.elapsed() < ANSWER_MAX, "nobody is let in: {answer:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A token of the trading page for an account.
    pub fn holder(&mut self, tenant: &str, account: &str) -> String {
        let owner = self.token(tenant, Role::Owner);
        let code = self
            .post(
                "/v1/codes",
                &owner,
                &serde_json::json!({"account": account}),
            )
            .ok();
        let session = self
            .post(
                "/v1/codes/exchange",
                "",
                &serde_json::json!({"code": code["code"]}),
            )
            .ok();
        session["token"].as_str().unwrap().to_owned()
    }

    /// Until the history has everything that is durable.
    pub fn wait_for_history(&self, token: &str) {
        let begun = Instant::now();
        // At first there may be no tables yet.
        while self.get("/v1/overview", token).json()["history"]["lag_batches"] != 0 {
            assert!(begun.elapsed() < ANSWER_MAX, "the history does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything that the history has of acme, as text.
    pub fn listed(&self, token: &str) -> String {
        let paths = [
            "/v1/orders?format=csv",
            "/v1/trades?format=csv",
            "/v1/accounts/1/statement?currency=USDT&format=csv",
            "/v1/accounts/2/statement?currency=BTC&format=csv",
            "/v1/accounts/4294967295/statement?currency=USDT&format=csv",
        ];
        paths.map(|path| self.get(path, token).text).concat()
    }

    /// Trades until segments of the journal are gone, because snapshots cover them.
    pub fn trade_until_segments_are_gone(&mut self, token: &str) {
        let first = self.data.join("journal/0000000001.journal");
        for round in 0.. {
            assert!(round < 40, "the journal is never trimmed");
            block_on(trade(self.gateway(), 500));
            self.reopen();
            self.wait_for_history(token);
            if !first.exists() {
                break;
            }
        }
    }

    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, token, None)
    }

    pub fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.ask("POST", path, token, Some(body))
    }

    pub fn put(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.ask("PUT", path, token, Some(body))
    }

    pub fn delete(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.ask("DELETE", path, token, Some(body))
    }

    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        ask(self.address(), method, path, token, body)
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        self.office = None;
    }
}

/// Asks an office.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> Answer {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    ask_over(stream, method, path, token, body)
}

/// Asks an office through a connection.
pub fn ask_over(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: office\r\nconnection: close\r\n");
    if !token.is_empty() {
        request += &format!("authorization: Bearer {token}\r\n");
    }
    if !body.is_empty() {
        request += &format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
    }
    request += "\r\n";
    request += &body;
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // Without the farewell of TLS; what it said is whole by its length.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
        read => drop(read.unwrap()),
    }
    Answer::read(&bytes)
}

/// An answer of HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub text: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (headers, body) = text.split_once("\r\n\r\n").expect("an answer has headers");
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = headers.to_ascii_lowercase();
        let text = if headers.contains("transfer-encoding: chunked") {
            unchunked(body)
        } else {
            body.to_owned()
        };
        Self {
            status,
            headers,
            text,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The body of an answer that says yes.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }

    /// The code of an answer that says no.
    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    }
}

fn unchunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap();
        if length == 0 {
            break;
        }
        text += &rest[..length];
        body = &rest[length + 2..];
    }
    text
}

/// Trades of acme's accounts over the wire, with key 1: `count` pairs of orders that meet.
pub async fn trade(gateway: SocketAddr, count: u32) {
    use souk_client::*;
    let key = SigningKey::from_seed(&SEED).unwrap();
    let client = Client::connect(gateway, key, ClientOptions::new(KeyId(1)))
        .await
        .unwrap();
    let market = client.market("BTC-USDT").await.unwrap();
    for number in 0..count {
        let price = market.price(&format!("{}.00", 100 + number % 7)).unwrap();
        let qty = market.qty("0.01").unwrap();
        let sell = Order::limit(AccountId(1), Side::Sell, price, qty);
        let buy = Order::limit(AccountId(2), Side::Buy, price, qty);
        for order in [sell, buy] {
            let pending = client.new_order(market.id(), &order).await.unwrap();
            assert!(matches!(pending.await, Outcome::Accepted(_)));
        }
    }
    client.terminate().await.unwrap();
}

/// Runs something that waits.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

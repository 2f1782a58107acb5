//! The Rust client finds the node that serves its tenant, and goes after a tenant that moves.
mod front;
mod load;
mod moved;

use crate::support;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use front::{Answer, Front};
use souk_client::{
    AccountId, ClOrdId, Client, ClientError, ClientOptions, KeyId, MarketId, Order, Price, Qty,
    ReconnectPolicy, RejectReason, Side, SigningKey,
};

const MARKET: MarketId = MarketId(1);
/// The longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

fn key() -> SigningKey {
    SigningKey::from_seed(&support::seed(1)).unwrap()
}

/// Options of a session that makes a lost connection again.
fn lasting() -> ClientOptions {
    let mut options = ClientOptions::new(KeyId(1));
    options.keepalive = Duration::from_secs(30);
    options.reconnect = Some(ReconnectPolicy::default());
    options
}

/// Logs on with these seeds.
async fn log_on(seeds: &[SocketAddr], options: ClientOptions) -> Result<Client, ClientError> {
    let seeds: Vec<String> = seeds.iter().map(SocketAddr::to_string).collect();
    let connecting = Client::connect(seeds.join(","), key(), options);
    tokio::time::timeout(PATIENCE, connecting)
        .await
        .expect("a logon comes to an end")
}

/// The node that the session is logged on to, which answers.
async fn node(client: &Client) -> SocketAddr {
    tokio::time::timeout(PATIENCE, client.ping())
        .await
        .expect("a ping is answered")
        .unwrap();
    client.session().address.parse().unwrap()
}

/// An address that nobody listens on, now or later.
fn nobody() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any_port.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // Bound and not listening for as long as the tests run.
    std::mem::forget(socket);
    address
}

fn buy(name: u64) -> Order {
    Order::limit(AccountId(1), Side::Buy, Price(100), Qty(1)).named(ClOrdId(name))
}

#[tokio::test]
async fn a_logon_follows_a_redirect_to_the_owner() {
    let server = support::start("");
    let front = Front::start([Answer::Elsewhere(7, server.address())]);
    let options = ClientOptions::new(KeyId(1));
    let client = log_on(&[front.address], options).await.unwrap();
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 1);
}

#[test]
fn the_blocking_face_follows_too() {
    let server = support::start("");
    let front = Front::start([Answer::Elsewhere(7, server.address())]);
    let options = ClientOptions::new(KeyId(1));
    let seeds = format!("{}, {}", nobody(), front.address);
    let client = souk_client::blocking::Client::connect(seeds, key(), options).unwrap();
    client.ping().unwrap();
    assert_eq!(client.session().address, server.address().to_string());
}

/// Two nodes that send sessions to each other.
fn circle() -> (Front, Front) {
    let first = Front::start([Answer::NotOwner]);
    let second = Front::start([Answer::Elsewhere(1, first.address)]);
    first.answer([Answer::Elsewhere(1, second.address)]);
    (first, second)
}

#[tokio::test]
async fn five_redirects_in_a_row_are_followed_and_no_more() {
    let (first, second) = circle();
    let options = ClientOptions::new(KeyId(1));
    let error = log_on(&[first.address], options).await.unwrap_err();
    assert_eq!(error.reason(), Some(RejectReason::NotOwner));
    // The seed, and five that were followed.
    assert_eq!((first.connections(), second.connections()), (3, 3));
}

#[tokio::test]
async fn after_five_redirects_and_a_pause_the_seeds_are_asked_again() {
    let server = support::start("");
    let (first, second) = circle();
    let in_a_circle = Answer::Elsewhere(1, second.address);
    // A round starts without what the one before was told: the epoch is lower.
    let owner = Answer::Elsewhere(0, server.address());
    first.answer([in_a_circle, in_a_circle, in_a_circle, owner]);
    let began = Instant::now();
    let client = log_on(&[first.address], lasting()).await.unwrap();
    assert!(began.elapsed() >= ReconnectPolicy::default().pause_min);
    assert_eq!(node(&client).await, server.address());
    assert_eq!((first.connections(), second.connections()), (4, 3));
}

#[tokio::test]
async fn of_two_redirects_the_one_with_the_higher_epoch_is_right() {
    let server = support::start("");
    let trap = Front::start([Answer::NotOwner]);
    let behind = Front::start([Answer::Elsewhere(3, trap.address)]);
    let seed = Front::start([Answer::Elsewhere(5, behind.address)]);
    let ahead = Front::start([Answer::Elsewhere(6, server.address())]);
    let seeds = [seed.address, ahead.address];
    let client = log_on(&seeds, ClientOptions::new(KeyId(1))).await.unwrap();
    assert_eq!(node(&client).await, server.address());
    assert_eq!((behind.connections(), trap.connections()), (1, 0));
    assert_eq!((seed.connections(), ahead.connections()), (1, 1));
}

#[tokio::test]
async fn a_seed_that_does_not_answer_is_passed_over() {
    let server = support::start("");
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let seeds = [nobody(), silent.local_addr().unwrap(), server.address()];
    let mut options = ClientOptions::new(KeyId(1));
    options.connect_timeout = Duration::from_secs(1);
    let client = log_on(&seeds, options).await.unwrap();
    assert_eq!(node(&client).await, server.address());
}

#[tokio::test]
async fn an_owner_that_does_not_answer_is_passed_over_for_the_next_seed() {
    let server = support::start("");
    let front = Front::start([Answer::Elsewhere(9, nobody())]);
    let seeds = [front.address, server.address()];
    let client = log_on(&seeds, ClientOptions::new(KeyId(1))).await.unwrap();
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 1);
}

#[tokio::test]
async fn an_owner_that_is_gone_is_waited_for_until_there_is_another() {
    let server = support::start("");
    let gone = Answer::Elsewhere(9, nobody());
    let front = Front::start([gone, gone, Answer::Elsewhere(10, server.address())]);
    let client = log_on(&[front.address], lasting()).await.unwrap();
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 3);
}

#[tokio::test]
async fn a_node_that_knows_no_owner_is_passed_over() {
    let server = support::start("");
    let front = Front::start([Answer::NotOwner]);
    let seeds = [front.address, server.address()];
    let client = log_on(&seeds, ClientOptions::new(KeyId(1))).await.unwrap();
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 1);
}

#[tokio::test]
async fn a_tenant_that_moves_is_asked_for_again_after_the_time_the_node_says() {
    let server = support::start("");
    let moving = Answer::Moving(40);
    let front = Front::start([moving, moving, Answer::Elsewhere(2, server.address())]);
    let began = Instant::now();
    let options = ClientOptions::new(KeyId(1));
    let client = log_on(&[front.address], options).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(80));
    assert_eq!(node(&client).await, server.address());
    assert_eq!(front.connections(), 3);
}

#[tokio::test]
async fn a_tenant_that_never_arrives_is_told_as_moving() {
    let front = Front::start([Answer::Moving(20)]);
    let mut options = ClientOptions::new(KeyId(1));
    options.connect_timeout = Duration::from_millis(500);
    let error = log_on(&[front.address], options).await.unwrap_err();
    assert_eq!(error.reason(), Some(RejectReason::TenantMoving));
    assert!(front.connections() > 1, "it was asked again");
}

#![allow(clippy::unwrap_used)]

use super::*;
use souk_protocol::{Code, Text};

const PATIENCE: Duration = Duration::from_secs(5);

fn route(seeds: &str) -> Route {
    Route::new(seeds, PATIENCE)
}

fn rejected(reason: RejectReason, retry_after_ms: u32) -> ClientError {
    ClientError::LogonRejected {
        code: Code::from(reason),
        retry_after_ms,
    }
}

fn not_owner() -> ClientError {
    rejected(RejectReason::NotOwner, 0)
}

/// What a node says that ends a session whose tenant has moved.
fn moved() -> ClientError {
    ClientError::Terminated {
        code: Code::from(RejectReason::NotOwner),
    }
}

fn redirect(epoch: u64, address: &str) -> Option<Redirect> {
    let address = Text::new(address).unwrap();
    Some(Redirect { epoch, address })
}

/// Refuses with these errors, and gives the nodes that are asked until the round is over.
fn ask_all(route: &mut Route, error: &ClientError) -> Vec<String> {
    let mut asked = vec![route.address().to_owned()];
    while route.on_refused(error, None, Instant::now()) == Next::Ask {
        asked.push(route.address().to_owned());
    }
    asked
}

#[test]
fn seeds_are_a_list_with_commas() {
    assert_eq!(ask_all(&mut route("a:1"), &not_owner()), ["a:1"]);
    let three = ["a:1", "b:2", "[::1]:3"];
    assert_eq!(
        ask_all(&mut route("a:1, b:2,,[::1]:3,"), &not_owner()),
        three
    );
    assert_eq!(ask_all(&mut route(""), &not_owner()), [""]);
}

#[test]
fn each_round_asks_each_seed_once_and_what_cannot_be_healed_ends_it() {
    let mut route = route("a:1,b:2");
    assert_eq!(
        ask_all(&mut route, &ClientError::ClosedByServer),
        ["a:1", "b:2"]
    );
    route.on_paused();
    let wrong_key = rejected(RejectReason::AuthenticationFailed, 0);
    assert_eq!(ask_all(&mut route, &wrong_key), ["a:1"]);
}

#[test]
fn the_node_that_a_session_lost_without_a_word_is_asked_first() {
    let mut route = route("a:1,b:2");
    let now = Instant::now();
    let next = route.on_refused(&not_owner(), redirect(1, "c:3"), now);
    assert_eq!((next, route.address()), (Next::Ask, "c:3"));
    route.on_logged_on(now);
    assert!(!route.on_lost(&ClientError::ClosedByServer, None, now));
    let asked = ask_all(&mut route, &ClientError::ClosedByServer);
    assert_eq!(asked, ["c:3", "b:2", "a:1"]);
}

#[test]
fn a_tenant_is_waited_for_as_long_as_the_node_says_and_not_for_ever() {
    let mut route = route("a:1,b:2");
    let began = Instant::now();
    let moving = rejected(RejectReason::TenantMoving, 700);
    let pause = Next::AskAfter(Duration::from_millis(700));
    let later = began + PATIENCE - Duration::from_millis(700);
    assert_eq!(route.on_refused(&moving, None, began), pause);
    assert_eq!(route.on_refused(&moving, None, later), pause);
    assert_eq!(route.address(), "a:1");
    let too_late = later + Duration::from_millis(1);
    assert_eq!(route.on_refused(&moving, None, too_late), Next::Ask);
    assert_eq!(route.address(), "b:2");
    assert_eq!(route.on_refused(&moving, None, too_late), Next::Over);
    route.on_paused();
    assert_eq!(route.on_refused(&moving, None, too_late), pause);
}

#[test]
fn an_owner_that_is_busy_is_waited_for_and_a_seed_is_not() {
    let mut route = route("a:1,b:2");
    let busy = rejected(RejectReason::LogonRateExceeded, 30);
    let now = Instant::now();
    assert_eq!(route.on_refused(&busy, None, now), Next::Ask);
    assert_eq!(route.address(), "b:2");
    route.on_refused(&not_owner(), redirect(1, "c:3"), now);
    let pause = Next::AskAfter(Duration::from_millis(30));
    assert_eq!(route.on_refused(&busy, None, now), pause);
    assert_eq!(route.address(), "c:3");
}

#[test]
fn a_tenant_that_is_thrown_to_and_fro_is_followed_five_times_without_a_pause() {
    let mut route = route("a:1");
    let now = Instant::now();
    for epoch in 1..=5 {
        route.on_logged_on(now);
        assert!(route.on_lost(&moved(), redirect(epoch, "b:2"), now));
    }
    route.on_logged_on(now);
    assert!(!route.on_lost(&moved(), redirect(6, "b:2"), now));
    // A session that has lasted begins a new row.
    route.on_logged_on(now);
    let later = now + SETTLED_AFTER;
    assert!(route.on_lost(&moved(), redirect(6, "c:3"), later));
    assert_eq!(route.address(), "c:3");
}

#[test]
fn an_older_redirect_and_one_without_an_address_are_as_none() {
    let mut route = route("a:1,b:2,c:3");
    let now = Instant::now();
    route.on_refused(&not_owner(), redirect(5, "x:9"), now);
    assert_eq!(route.address(), "x:9");
    route.on_refused(&not_owner(), redirect(4, "y:9"), now);
    assert_eq!(route.address(), "b:2");
    route.on_refused(&not_owner(), redirect(6, ""), now);
    assert_eq!(route.address(), "c:3");
    route.on_refused(&not_owner(), redirect(5, "x:9"), now);
    assert_eq!(route.address(), "x:9");
}

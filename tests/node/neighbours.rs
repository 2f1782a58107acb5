//! A tenant that floods its matcher with everything its limits allow, and a quiet tenant beside it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::*;
use souk_protocol::message::*;
use souk_protocol::*;

/// Most messages of a noisy session that are not answered.
const WINDOW: u64 = 1_024;
/// Sessions of the noisy tenant that send orders. Their windows are more than the whole queue.
const ORDER_SESSIONS: u16 = 5;
/// Sessions of the noisy tenant that send cancels only, which are served first.
const CANCEL_SESSIONS: u16 = 2;
/// Commands the matcher's queue holds; a tenant's share is half of it.
const QUEUE: u64 = 4_096;
/// Commands of the quiet tenant, one at a time.
const QUIET: u64 = 300;

/// Commands in a submission, in a turn, and in a batch before it is full (`BATCH_COMMANDS_MAX`).
const TURN: u64 = 64;

/// Most commands of one other tenant that are applied between the moment when a command of an idle
/// tenant is read and the end of the batch that answers it. No time is in it, only turns:
///
/// * Gateway and matcher share a thread here, so the command is in the queue before anything else
///   is applied. The matcher takes it into its lanes before it takes a turn.
/// * The noisy tenant has at most a turn's worth of credit left. Its last submission may overdraw
///   that: `TURN - 1 + TURN` commands. Cancels of the noisy tenant are charged to its turns of orders
///   too, so they make this shorter, not longer.
/// * Cancels go before orders, but only four turns of them in a row, and the last submission may
///   overdraw that: `4 * TURN - 1 + TURN`. The orders' turn that follows is the quiet tenant's.
/// * What comes behind the command in its own batch is counted too, because the reports of a batch have
///   one time: a batch ends when it has `TURN` commands, and its last submission may overdraw that.
const BOUND: u64 = (TURN - 1 + TURN) + (4 * TURN - 1 + TURN) + (TURN - 1 + TURN);

/// What the noisy sessions saw.
#[derive(Default)]
struct Noise {
    stop: AtomicBool,
    refused_for_share: AtomicU64,
}

/// Ends the flood, also when the test fails.
struct Silence<'a>(&'a Noise);

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Sends whole windows until told to stop. Gives the time of each of its commands that was applied;
/// each of them has one report, because nothing trades.
fn flood(address: SocketAddr, session: u16, noise: &Noise, frame: fn(u64) -> Vec<u8>) -> Vec<u64> {
    let mut wire = Wire::connect(address);
    let ack = wire.log_on(1, session, now_ns());
    assert!(matches!(ack.message(), ServerMessage::LogonAck(..)));
    let (mut applied, mut times) = (0, Vec::new());
    while !noise.stop.load(Ordering::Relaxed) {
        let window: Vec<u8> = (1..=WINDOW).flat_map(|n| frame(applied + n)).collect();
        wire.send(&window);
        let mut answered = 0;
        while answered < WINDOW {
            match wire.next().message() {
                ServerMessage::Accepted(report) => times.push(report.transact_time),
                ServerMessage::Rejected(report) => times.push(report.transact_time),
                ServerMessage::NotApplied(refused) => {
                    answered += u64::from(refused.count);
                    if refused.code == Code::from(RejectReason::TenantShareExceeded) {
                        noise.refused_for_share.fetch_add(1, Ordering::Relaxed);
                    }
                    continue;
                }
                other => panic!("{other:?}"),
            }
            answered += 1;
            applied += 1;
        }
    }
    times
}

/// Sends orders and cancels one by one until there were enough and the flood was at its limit. Gives when
/// each was read and when it was applied.
fn quiet(wire: &mut Wire, noise: &Noise) -> Vec<(u64, u64)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut seen = Vec::new();
    let mut seq = 0;
    while seq < QUIET || noise.refused_for_share.load(Ordering::Relaxed) == 0 {
        assert!(
            Instant::now() < deadline,
            "the flood never filled its share"
        );
        seq += 1;
        let command = if seq % 2 == 1 {
            limit(seq, 1, Side::Sell, 20, 1).frame(seq).to_vec()
        } else {
            cancel(seq - 1, 1).frame(seq).to_vec()
        };
        // The answer to the ping says when the read began that brought both.
        let ping = Ping {
            nonce: seq,
            time: 0,
        }
        .frame(0);
        wire.send(&[&ping[..], &command[..]].concat());
        let got = wire.next();
        let ServerMessage::Pong(pong) = got.message() else {
            panic!("{got:?}")
        };
        let applied = match wire.next().message() {
            ServerMessage::Accepted(report) => report.transact_time,
            ServerMessage::Canceled(report) => report.transact_time,
            other => panic!("a quiet tenant's command {seq} is not applied: {other:?}"),
        };
        seen.push((pong.time, applied));
    }
    seen
}

#[test]
fn a_flood_of_one_tenant_delays_another_by_a_few_turns_and_refuses_it_nothing() {
    let server = start(&format!(
        "[limits]\nmax_inflight = {WINDOW}\norder_rate = 100000000\ncancel_rate = 100000000\norder_burst = 100000000\ncancel_burst = 100000000\n[threads]\nlayout = \"inline\"\nqueue_commands_max = {QUEUE}\ntenant_share_percent = 50"
    ));
    let address = server.address();
    let noise = Noise::default();
    let orders: fn(u64) -> Vec<u8> = |seq| limit(seq, 1, Side::Buy, 10, 1).frame(seq).to_vec();
    let cancels: fn(u64) -> Vec<u8> = |seq| cancel(u64::MAX, 1).frame(seq).to_vec();
    let (times, seen) = std::thread::scope(|scope| {
        let sessions = (0..ORDER_SESSIONS)
            .map(|session| (session, orders))
            .chain((0..CANCEL_SESSIONS).map(|session| (ORDER_SESSIONS + session, cancels)));
        let noise = &noise;
        let floods: Vec<_> = sessions
            .map(|(session, frame)| scope.spawn(move || flood(address, session, noise, frame)))
            .collect();
        let silence = Silence(noise);
        let mut wire = Wire::logged_on(address, 3);
        let seen = quiet(&mut wire, noise);
        drop(silence);
        let times: Vec<u64> = floods
            .into_iter()
            .flat_map(|flood| flood.join().unwrap())
            .collect();
        (times, seen)
    });
    let mut times = times;
    times.sort_unstable();
    let until = |time: u64| times.partition_point(|applied| *applied <= time) as u64;
    let between: Vec<u64> = seen
        .iter()
        .map(|(read, applied)| until(*applied) - until(*read))
        .collect();
    let worst = between.iter().max().unwrap();
    assert!(
        *worst <= BOUND,
        "{worst} commands of the noisy tenant came first, of {}",
        times.len()
    );
    let delayed = between.iter().filter(|count| **count > 0).count();
    assert!(
        delayed > 10,
        "the flood was there: {delayed} of {} commands met it",
        seen.len()
    );
}

//! Sockets that never log on, or do so slowly, beside sessions that trade; and the measurement of it, small.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{Wire, limit, seed, start};
use souk_loadgen::key::PrivateKey;
use souk_loadgen::load::SessionKey;
use souk_loadgen::neighbours::{Crowd, CrowdConfig, NeighboursConfig, Phase, Role, run};
use souk_loadgen::profile::profile;
use souk_loadgen::turns::Figures;
use souk_protocol::*;

/// Sockets of the crowd: half of them say nothing, half send a byte now and then.
const SOCKETS: usize = 300;
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Lets account 1 sell to account 2, and waits for both reports.
fn trade(seller: &mut Wire, buyer: &mut Wire, seq: u64) {
    seller.send(&limit(seq, 1, Side::Sell, 20, 1).frame(seq));
    let got = seller.next();
    assert!(
        matches!(got.message(), ServerMessage::Accepted(_)),
        "{got:?}"
    );
    buyer.send(&limit(seq, 2, Side::Buy, 20, 1).frame(seq));
    let got = buyer.next();
    assert!(
        matches!(got.message(), ServerMessage::Accepted(_)),
        "{got:?}"
    );
    for wire in [seller, buyer] {
        let got = wire.next();
        assert!(matches!(got.message(), ServerMessage::Trade(_)), "{got:?}");
    }
}

#[test]
fn a_crowd_that_does_not_log_on_keeps_nobody_from_trading_or_from_coming_and_is_cut() {
    let server = start("[server]\nhandshake_timeout_ms = 5000");
    let address = server.address();
    let mut seller = Wire::logged_on(address, 1);
    let crowd = Crowd::gather(CrowdConfig {
        address,
        sockets: SOCKETS,
        role: |index| [Role::HalfOpen, Role::Slow][index % 2],
        // None of them logs on.
        unread: SessionKey {
            id: KeyId(3),
            private: Arc::new(PrivateKey::from_seed(&seed(3)).unwrap()),
            sessions: 0,
        },
        core: None,
    })
    .unwrap();
    assert!(crowd.await_standing(DEADLINE), "{:?}", crowd.seen());
    // A new one gets in.
    let mut buyer = Wire::logged_on(address, 2);
    let deadline = Instant::now() + DEADLINE;
    let mut trades = 0;
    let is_cut = |role: Role| crowd.seen().cut[role as usize].total() >= SOCKETS as u64 / 2;
    while trades == 0 || !(is_cut(Role::HalfOpen) && is_cut(Role::Slow)) {
        assert!(Instant::now() < deadline, "{:?}", crowd.seen());
        trades += 1;
        trade(&mut seller, &mut buyer, trades);
    }
    let seen = crowd.seen();
    let timeout = Code::from(RejectReason::HandshakeTimeout);
    for role in [Role::HalfOpen, Role::Slow] {
        let said: Vec<_> = seen.cut[role as usize].said.iter().collect();
        let [(code, _)] = said[..] else {
            panic!("{}: {said:?}", role.name())
        };
        assert_eq!(code, timeout, "{}", role.name());
    }
    drop(crowd);
    trade(&mut seller, &mut buyer, trades + 1);
}

#[test]
fn quiet_tenants_are_measured_alone_and_beside_neighbours_that_are_there() {
    let config = NeighboursConfig {
        program: PathBuf::from(env!("CARGO_BIN_EXE_souk")),
        durability: Durability::Memory,
        sockets: 100,
        phases: vec![Phase::Both, Phase::FlatOut],
        rounds: 1,
        rate: 2_000.0,
        warmup: Duration::from_millis(100),
        duration: Duration::from_millis(400),
        profile: profile("equity-us").unwrap().clone(),
        core: None,
        echo_core: None,
    };
    let found = run(&config, |_| {}).unwrap();
    let idle = found.idle.unwrap();
    assert!(idle.connections >= 50 && idle.bytes > 0.0, "{idle:?}");
    for phase in &found.phases {
        let pairs = &phase.pairs;
        assert_eq!(pairs.faults, 0, "{:?}", pairs.remarks);
        let measured = |turns: &[Figures]| turns.iter().all(|turn| turn.latency.count > 0);
        assert!(measured(&pairs.base) && measured(&pairs.other), "{pairs:?}");
        assert_eq!((pairs.base.len(), pairs.other.len()), (1, 1));
    }
    let [both, flat_out] = &found.phases[..] else {
        panic!("two phases were asked for")
    };
    let crowd = both.crowd.as_ref().unwrap();
    assert!(
        crowd.opened >= 100 && crowd.logons > 0 && crowd.failed == 0,
        "{crowd:?}"
    );
    let refused = Code::from(RejectReason::SessionRateExceeded);
    let noise = both.noise.as_ref().unwrap();
    assert!(
        noise.taken > 0 && noise.refused.iter().any(|(code, _)| code == refused),
        "{noise:?}"
    );
    assert!(flat_out.crowd.is_none());
    let noise = flat_out.noise.as_ref().unwrap();
    assert!(
        noise.taken > 0 && noise.refused.iter().all(|(code, _)| code != refused),
        "{noise:?}"
    );
}

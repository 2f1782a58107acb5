//! What goes wrong in a run, and when: drawn before it begins.

use std::time::Duration;

use souk::lease::LeaseTerms;

use super::random::Random;

pub const MS: u64 = 1_000_000;
/// Nodes; the host behind them is the twin's.
pub const NODES: usize = 3;
pub const HOSTS: usize = NODES + 1;
pub const NAMES: [&str; NODES] = ["souk-0", "souk-1", "souk-2"];
/// After which nodes serve, and faults begin.
const BEGIN_MS: u64 = 1_500;

/// What happens to messages between a host and the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Good,
    Black,
    /// Each way takes up to so long.
    Slow(u64),
    /// Of a hundred ways thirty take so long.
    Jumpy(u64),
    /// Nothing comes back.
    Deaf,
    /// Nothing gets there.
    Mute,
    /// Of a hundred messages so many are lost.
    Flaky(u64),
}

/// Which connections of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cables {
    All,
    /// Both of the heartbeat's.
    Hearts,
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Pause {
        host: usize,
        span: u64,
    },
    /// The host stands still with its clock.
    ClockStop {
        host: usize,
        span: u64,
    },
    Crash {
        host: usize,
        back: u64,
        proof: bool,
    },
    Link {
        host: usize,
        cables: Cables,
        mode: Mode,
        span: u64,
    },
    DatabaseFreeze {
        span: u64,
    },
    /// All connections are dead, and new ones are refused for so long.
    DatabaseRestart {
        span: u64,
    },
    /// Of the database server's wall clock, in milliseconds.
    WallJump {
        by: i64,
    },
    Twin {
        of: usize,
    },
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub terms: LeaseTerms,
    /// When, in nanoseconds, and what.
    pub faults: Vec<(u64, Fault)>,
    /// Long enough after the last fault.
    pub end: u64,
}

/// What kinds of faults a plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Everything.
    Any,
    /// The database stands still, and nothing else.
    Freezes,
    /// Links lose messages and are dead for less than a lease, and the database stands still for less than one.
    Hiccups,
    /// Those who watch see late what they see, and one who is watched is cut off.
    SlowWatchers,
    /// The same, and who is taken for dead is back at that moment.
    EdgeRestarts,
    /// Of all renewals one in a lease is answered.
    OneAnswer,
}

impl Plan {
    pub fn draw(random: &mut Random, weather: Weather) -> Self {
        let terms = terms(random);
        let ttl = terms.ttl().as_nanos() as u64;
        let mut faults = Vec::new();
        let mut at = BEGIN_MS * MS;
        let count = random.between(3, 8);
        let mut healed = at;
        for _ in 0..count {
            at += random.below(ttl);
            let some = match weather {
                Weather::Any => any(random, ttl, &mut at),
                Weather::Freezes => vec![(0, freeze(random, ttl * 3))],
                Weather::Hiccups => hiccup(random, ttl),
                Weather::SlowWatchers => {
                    let cut = host(random);
                    slow_watchers(random, cut, ttl)
                }
                Weather::EdgeRestarts => {
                    let crashed = host(random);
                    edge_restart(random, crashed, ttl)
                }
                Weather::OneAnswer => one_answer(random, &terms),
            };
            for (after, fault) in some {
                healed = healed.max(at + after + fault.span());
                faults.push((at + after, fault));
            }
            at = match weather {
                Weather::Any => at,
                _ => healed + ttl / 4,
            };
        }
        faults.sort_by_key(|(at, _)| *at);
        let end = healed + settle(&terms).as_nanos() as u64;
        Self { terms, faults, end }
    }
}

impl Fault {
    /// How long it takes until all is well but for what it has done.
    const fn span(&self) -> u64 {
        match *self {
            Self::Pause { span, .. }
            | Self::ClockStop { span, .. }
            | Self::Link { span, .. }
            | Self::DatabaseFreeze { span }
            | Self::DatabaseRestart { span } => span,
            Self::Crash { back, .. } => back,
            Self::WallJump { .. } | Self::Twin { .. } => 0,
        }
    }
}

/// Within which a tenant is served after the last fault: a silence, a registration that waits for another one, what is left
/// over, and the way through the database.
pub fn settle(terms: &LeaseTerms) -> Duration {
    terms.ttl() * 2 + Duration::from_millis(1_500)
}

fn terms(random: &mut Random) -> LeaseTerms {
    let ms = Duration::from_millis;
    let of = [
        (1_000, 100, 75, 25),
        (1_500, 150, 120, 50),
        (2_000, 200, 150, 50),
    ];
    let (ttl, period, timeout, poll) = of[random.below(3) as usize];
    LeaseTerms::new(ms(ttl), ms(period), ms(timeout), ms(poll)).expect("they fit")
}

fn host(random: &mut Random) -> usize {
    random.below(NODES as u64) as usize
}

/// At the edge of a lease, shorter, or much longer.
fn pause(random: &mut Random, ttl: u64) -> u64 {
    match random.below(10) {
        0..6 => ttl - 80 * MS + random.below(200 * MS),
        6..8 => random.below(ttl),
        _ => random.between(ttl, ttl * 3),
    }
}

fn freeze(random: &mut Random, max: u64) -> Fault {
    let span = random.between(50 * MS, max);
    if random.percent(50) {
        Fault::DatabaseFreeze { span }
    } else {
        Fault::DatabaseRestart { span }
    }
}

fn mode(random: &mut Random) -> Mode {
    match random.below(7) {
        0 | 1 => Mode::Black,
        2 | 3 => Mode::Slow(random.between(20 * MS, 180 * MS)),
        4 => Mode::Deaf,
        5 => Mode::Mute,
        _ => Mode::Flaky(random.between(5, 60)),
    }
}

fn any(random: &mut Random, ttl: u64, at: &mut u64) -> Vec<(u64, Fault)> {
    let host = host(random);
    let span = random.between(100 * MS, ttl * 3);
    let one = match random.below(100) {
        0..30 => Fault::Pause {
            host,
            span: pause(random, ttl),
        },
        30..34 => Fault::ClockStop { host, span },
        34..46 => Fault::Crash {
            host,
            back: random.below(ttl * 2),
            proof: random.percent(50),
        },
        46..72 => Fault::Link {
            host,
            cables: if random.percent(25) {
                Cables::Hearts
            } else {
                Cables::All
            },
            mode: mode(random),
            span,
        },
        72..80 => freeze(random, ttl * 2),
        80..90 => Fault::WallJump {
            by: random.below(7_200_000) as i64 - 3_600_000,
        },
        90..95 => Fault::Twin { of: host },
        _ => {
            *at += ttl;
            return slow_watchers(random, host, ttl);
        }
    };
    vec![(0, one)]
}

fn slow_watchers(random: &mut Random, cut: usize, ttl: u64) -> Vec<(u64, Fault)> {
    let slow = |host, max| Fault::Link {
        host,
        cables: Cables::All,
        mode: Mode::Jumpy(max),
        span: ttl * 3,
    };
    let late = random.between(120 * MS, 200 * MS);
    let others = (0..NODES).filter(|host| *host != cut);
    let mut faults: Vec<_> = others.map(|host| (0, slow(host, late))).collect();
    let black = Fault::Link {
        host: cut,
        cables: Cables::All,
        mode: Mode::Black,
        span: ttl * 2,
    };
    faults.push((random.between(ttl / 4, ttl / 2), black));
    faults
}

fn edge_restart(random: &mut Random, host: usize, ttl: u64) -> Vec<(u64, Fault)> {
    let mut faults = slow_watchers(random, host, ttl);
    faults.pop();
    let crash = Fault::Crash {
        host,
        back: ttl - 100 * MS + random.below(500 * MS),
        proof: random.percent(50),
    };
    faults.push((random.below(ttl / 4), crash));
    faults
}

fn hiccup(random: &mut Random, ttl: u64) -> Vec<(u64, Fault)> {
    let host = host(random);
    let link = |mode, span| Fault::Link {
        host,
        cables: Cables::All,
        mode,
        span,
    };
    let fault = match random.below(4) {
        0 => link(
            Mode::Flaky(random.between(5, 30)),
            random.between(ttl, ttl * 4),
        ),
        1 => link(Mode::Black, random.between(50 * MS, ttl / 2)),
        // One answer or two are lost.
        2 => link(Mode::Deaf, random.between(50 * MS, ttl / 5)),
        _ => freeze(random, ttl / 2),
    };
    vec![(0, fault)]
}

/// Both of the heartbeat's cables are dead, but for the time of a new connection and one renewal.
fn one_answer(random: &mut Random, terms: &LeaseTerms) -> Vec<(u64, Fault)> {
    let host = host(random);
    let period = terms.period().as_nanos() as u64;
    let timeout = terms.timeout().as_nanos() as u64;
    let connect = (terms.ttl().as_nanos() as u64 / 4).max(timeout);
    let own = terms.own().as_nanos() as u64;
    // From the last renewal that was answered to the first one after: what is still tried when the cable comes back, and a
    // tick of the same cable after it.
    let dead = own - connect - period * 4;
    let open = connect + period * 3;
    let mut at = 0;
    let cut = |_| {
        let fault = Fault::Link {
            host,
            cables: Cables::Hearts,
            mode: if random.percent(50) {
                Mode::Black
            } else {
                Mode::Deaf
            },
            span: dead,
        };
        let begun = at;
        at += dead + open;
        (begun, fault)
    };
    (0..4).map(cut).collect()
}

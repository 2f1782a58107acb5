//! What `cargo test` does with this bench: every engine on small streams, and the streams
//! themselves against what others made of the same seeds.

use crate::arguments::{Arguments, Engine, Mode};
use crate::race::nanos_per_command;
use crate::support::reference::FNV_BASIS;
use crate::support::workload::{NAMES, Op, Size, Workload, fingerprint};

/// The fingerprints of the first 20,000 commands that an independent generator, in C++, gives for
/// seeds 1 and 42.
const FIRST_COMMANDS: [(&str, u64, u64); 8] = [
    ("mixed", 1, 0xcb60_4414_6019_84a6),
    ("mixed", 42, 0x4b07_79d2_8afc_b53c),
    ("ecmix", 1, 0x1a67_781b_dfb7_cb8c),
    ("ecmix", 42, 0x4cc2_3dea_955a_6f06),
    ("deep", 1, 0x3f71_6500_b6c6_fc3c),
    ("deep", 42, 0x6f2b_a6dd_0385_18a0),
    ("sweep", 1, 0x3247_5905_ba3a_412f),
    ("sweep", 42, 0xe78f_9f44_04ef_fb15),
];
const FIRST: usize = 20_000;

/// The fingerprints of its whole files.
const WHOLE_STREAMS: [(&str, u64, u64); 8] = [
    ("mixed", 1, 0x30e1_5de6_2a3a_e914),
    ("mixed", 42, 0xa7ce_1a64_ed83_b265),
    ("ecmix", 1, 0xc243_1ce4_43ce_8611),
    ("ecmix", 42, 0xb9bc_5f86_c0df_7997),
    ("deep", 1, 0x7ca7_04d2_3d3e_929e),
    ("deep", 42, 0x8f43_22d8_69e3_0ab2),
    ("sweep", 1, 0x2e3a_c250_21b9_d9ab),
    ("sweep", 42, 0x7d90_b4b1_07d6_1427),
];

/// Checks a stream of published length, before anything is measured on it.
pub fn check_whole(workload: &Workload, seed: u64) {
    for (name, known_seed, expected) in WHOLE_STREAMS {
        if (name, known_seed) == (workload.name, seed) {
            assert_eq!(
                workload.fingerprint(),
                expected,
                "{name} is the published stream"
            );
        }
    }
}

/// Runs every check.
pub fn run() {
    streams_are_those_of_the_independent_generator();
    calibrated_has_the_shares_of_the_real_flow();
    every_engine_reaches_the_totals();
    options_are_understood();
    println!(
        "matching: small streams, {} engines, all totals reached",
        Engine::ALL.len()
    );
}

fn streams_are_those_of_the_independent_generator() {
    for (name, seed, expected) in FIRST_COMMANDS {
        let size = Size {
            commands: FIRST,
            deep_orders: FIRST,
            deep_levels: 5000,
        };
        let workload = Workload::new(name, seed, size).expect("the name is one of the streams'");
        let fingerprint = fingerprint(FNV_BASIS, &workload.steps[..FIRST]);
        assert_eq!(
            fingerprint, expected,
            "{name} with seed {seed} is the same everywhere"
        );
    }
}

fn calibrated_has_the_shares_of_the_real_flow() {
    let size = Size {
        commands: 100_000,
        ..Size::small()
    };
    let workload = Workload::new("calibrated", 1, size).expect("the name is one of the streams'");
    let steps = &workload.steps[workload.setup..];
    for (op, per_mille) in [(Op::New, 515), (Op::Ioc, 290), (Op::Cancel, 195)] {
        let count = steps.iter().filter(|step| step.op == op).count();
        let found = count * 1000 / steps.len();
        assert!(
            found.abs_diff(per_mille) <= 10,
            "{op:?}: {found} of 1000, not about {per_mille}"
        );
    }
    let open = workload.expected.open_orders;
    assert!(
        (8000..13_000).contains(&open),
        "about as many orders rest as in Shanghai, not {open}"
    );
}

fn every_engine_reaches_the_totals() {
    for name in NAMES {
        for seed in [1, 7] {
            let workload =
                Workload::new(name, seed, Size::small()).expect("the name is one of the streams'");
            assert_eq!(
                workload.prefix(usize::MAX).expected,
                workload.expected,
                "{name}: a stream replays"
            );
            for engine in Engine::ALL {
                for ahead in [1, 4] {
                    nanos_per_command(engine, &workload, ahead); // Checks the totals.
                }
            }
        }
    }
}

fn options_are_understood() {
    let parse = |line: &str| Arguments::parse(line.split_whitespace().map(String::from));
    let all = parse("--bench").expect("measuring everything is legal");
    assert!(
        matches!(all.mode, Mode::Measure(names) if names == NAMES),
        "all streams are measured"
    );
    let one = parse("--bench --cachegrind deep --engine matchcore --ahead 8").expect("it is legal");
    assert!(matches!(
        one.mode,
        Mode::Once {
            name: "deep",
            engine: Engine::Matchcore
        }
    ));
    assert_eq!(one.ahead, 8);
    assert!(
        parse("--workload deeper").is_err(),
        "there is no such stream"
    );
    assert!(parse("--rounds").is_err(), "rounds are a number");
}

//! Changed and reordered bytes from two clients into sessions, matcher and publisher: nothing panics,
//! everything is answered, and reports are numbered without a gap. The fuzz target `session` does the
//! same without an end.

#[path = "../../protocol/fuzz/session_harness.rs"]
mod session_harness;

use std::fs;
use std::path::Path;

use session_harness::Harness;

/// What the fuzzer begins with, and what it found.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/fuzz/corpus/session");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_input_of_the_corpus_is_answered() {
    let mut frames = 0;
    for input in corpus() {
        let mut harness = Harness::new();
        harness.run(&input);
        frames += harness.frames();
    }
    assert!(frames > 100, "{frames} frames from the server");
}

/// Found by the harness: the canceled order's session was told, the one that asked was not.
#[test]
fn who_cancels_or_replaces_an_order_of_another_session_is_answered() {
    let path = "protocol/fuzz/corpus/session/other-sessions-order";
    let input = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut harness = Harness::new();
    harness.run(&input);
    // 2 x (challenge, logon acknowledgement), and 12 reports.
    assert_eq!(harness.frames(), 4 + 12);
}

#[test]
fn changed_inputs_are_answered_or_refused() {
    const ROUNDS: u64 = 15_000;
    const SEED: u64 = 22;
    let corpus = corpus();
    let mut random = SplitMix(SEED);
    let mut frames = 0;
    for _ in 0..ROUNDS {
        let mut input = corpus[random.below(corpus.len())].clone();
        if random.below(2) == 0 {
            let other = &corpus[random.below(corpus.len())];
            input.extend(&other[1..]);
        }
        for _ in 0..random.below(6) {
            let at = 1 + random.below(input.len() - 1);
            match random.below(4) {
                0 => input[at] ^= 1 << random.below(8),
                1 => input[at] = random.next() as u8,
                2 => input[at] = [0, 1, 2, 3, 4, 32, 33, 34, 255][random.below(9)],
                _ => drop(input.drain(at..(at + 8).min(input.len()))),
            }
            if input.len() < 2 {
                break;
            }
        }
        let mut harness = Harness::new();
        harness.run(&input);
        frames += harness.frames();
    }
    println!("SEED={SEED}: {frames} frames from the server");
    assert!(frames > 8 * ROUNDS, "{frames} frames from the server");
}

struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

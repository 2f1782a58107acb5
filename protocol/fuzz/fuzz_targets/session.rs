//! Any bytes from two clients into two sessions of one node, matcher and publisher included.

#![no_main]

#[path = "../session_harness.rs"]
mod session_harness;

use libfuzzer_sys::fuzz_target;
use session_harness::Harness;

fuzz_target!(|data: &[u8]| Harness::new().run(data));

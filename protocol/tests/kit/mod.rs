//! The conformance kit: builds the golden vectors and the generated parts of `PROTOCOL.md`.
//!
//! Frames are built from the byte tables, not with the codec's writer, so that the codec is
//! checked against the tables and the tables against the codec.

pub mod auth;
pub mod document;
pub mod draft;
pub mod dump;
pub mod judge;
pub mod negative;
pub mod negative_groups;
pub mod negative_order;
pub mod positive;
#[allow(dead_code)] // for the tests, not for the generator
pub mod reread;

use std::fs;
use std::path::{Path, PathBuf};

/// Every generated file with what it should hold.
pub fn generated_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (positive, negative, auth) = (positive::vectors(), negative::vectors(), auth::vectors());
    let counts = document::Counts {
        positive: positive.len(),
        negative: negative.len(),
        auth: auth.len(),
    };
    let page = root.join("PROTOCOL.md");
    let text = fs::read_to_string(&page).expect("PROTOCOL.md is beside the crate");
    vec![
        (root.join("vectors/positive.jsonl"), lines(&positive)),
        (root.join("vectors/negative.jsonl"), lines(&negative)),
        (root.join("vectors/auth.jsonl"), lines(&auth)),
        (page, document::fill(&text, &counts)),
    ]
}

fn lines(vectors: &[String]) -> String {
    vectors.iter().map(|line| format!("{line}\n")).collect()
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

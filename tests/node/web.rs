//! The office's pages: their own tests, in JavaScript, run by node. What needs a browser is in `tests/browser`.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_pages_pass_their_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let output = Command::new("node")
        .arg("--test")
        .args(files)
        .output()
        .expect("node is missing; remedy: install nodejs (18 or newer), or run ./check");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

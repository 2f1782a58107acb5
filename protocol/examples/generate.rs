//! Writes the golden vectors and the generated parts of `PROTOCOL.md`.
//!
//! `cargo run -p souk-protocol --example generate`

#[path = "../tests/kit/mod.rs"]
mod kit;

fn main() {
    for (path, text) in kit::generated_files() {
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let state = if before == text {
            "unchanged"
        } else {
            "written"
        };
        std::fs::write(&path, &text).expect("the file can be written");
        println!(
            "{state}: {} ({} lines)",
            path.display(),
            text.lines().count()
        );
    }
}

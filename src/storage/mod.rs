//! The only place that opens files.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a text file.
///
/// # Errors
/// What the system says, with the path.
pub fn read_text(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| named(path, &error))
}

/// Writes a new file that only its owner can read. Never overwrites.
///
/// # Errors
/// What the system says, with the path; also when the file exists.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(path);
    file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

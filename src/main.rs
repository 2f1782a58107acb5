//! Souk.
fn main() {}

//! Rust client for Souk.

//! Souk's words and bytes.
//!
//! Value types, the code table of refusals, and the sans-I/O codec of the binary protocol that
//! `PROTOCOL.md` beside this crate describes.
//!
//! Must never: allocate, panic, read a clock, or know what a socket is.
#![no_std]
#![forbid(unsafe_code)]

mod reject;
mod words;

pub use reject::{RejectInfo, RejectReason};
pub use words::*;

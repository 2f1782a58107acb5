//! Souk's words and bytes.
//!
//! Value types, the code table of refusals, and the sans-I/O codec of the binary protocol that
//! `PROTOCOL.md` beside this crate describes.
//!
//! Must never: allocate, panic, read a clock, or know what a socket is.
#![no_std]
#![forbid(unsafe_code)]

mod batch;
mod dispatch;
mod field;
mod frame;
mod group;
mod logon;
pub mod message;
mod reject;
mod words;

pub use batch::BatchInstruction;
pub use dispatch::{ClientMessage, ServerMessage, decode_numbered, request_id_of};
pub use field::{Code, Reserved, Text, Value};
pub use frame::*;
pub use group::{Group, frame_len_with_group, write_frame_with_group};
pub use logon::{
    CLIENT_TIME_DISTANCE_MAX_NS, Credentials, KEEPALIVE_MS, LOGON_DOMAIN, LOGON_SIGNED_LEN, hello,
    logon, logon_signed_bytes,
};
pub use message::{Block, FieldError};
pub use reject::{RejectInfo, RejectReason};
pub use words::*;

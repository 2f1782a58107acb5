//! Any bytes as a stream, from a client and from a server: every frame is read or refused, and what
//! was read is written back as it was. The first byte says who sends and how long frames may be.

#![no_main]

#[path = "../../tests/kit/reread.rs"]
mod reread;

use libfuzzer_sys::fuzz_target;
use souk_protocol::{
    FRAME_BEFORE_LOGON_MAX, FRAME_FROM_CLIENT_MAX, FRAME_FROM_SERVER_MAX, split_frame,
};

fuzz_target!(|data: &[u8]| {
    let Some((first, mut stream)) = data.split_first() else {
        return;
    };
    let from_client = first & 1 == 0;
    let frame_max = match first >> 1 & 3 {
        0 => FRAME_BEFORE_LOGON_MAX,
        1 => FRAME_FROM_CLIENT_MAX,
        2 => FRAME_FROM_SERVER_MAX,
        _ => u32::MAX,
    };
    while reread::reread(from_client, frame_max, stream).is_some() {
        let Ok(Some((_, used))) = split_frame(stream, frame_max) else {
            return;
        };
        stream = &stream[used..];
    }
});

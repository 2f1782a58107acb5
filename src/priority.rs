//! Which threads come first.

/// Behind everything else.
pub const LAST: i32 = 19;

/// Has the calling thread give way to those that orders need: the higher, the more, up to [`LAST`].
pub fn give_way(nice: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::warn!(%error, nice, "a thread does not give way to those that orders need");
    }
}

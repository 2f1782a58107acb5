//! The node that serves a session's tenant: a logon goes after it, and only a logon does.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use souk_protocol::RejectReason;
use souk_protocol::message::Redirect;

use crate::connection::{ANSWER_TIMEOUT, ConnectionError};

/// Redirects that are followed in a row, as the protocol says.
const REDIRECTS_MAX: u32 = 5;
/// The shortest pause before a node is asked again that says its tenant is moving.
const MOVE_PAUSE_MIN: Duration = Duration::from_millis(10);

/// Where to log on.
pub(crate) struct Owner {
    /// The node to ask.
    pub(crate) address: SocketAddr,
    epoch: u64,
    followed: u32,
    /// How long a tenant that moves is waited for.
    deadline: Instant,
}

impl Owner {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            epoch: 0,
            followed: 0,
            deadline: Instant::now() + ANSWER_TIMEOUT,
        }
    }

    /// After a logon that came to nothing: waits if that is what to do, and gives whether to ask [`Self::address`].
    pub(crate) fn look_again(
        &mut self,
        error: &ConnectionError,
        redirect: Option<&Redirect>,
    ) -> bool {
        let ConnectionError::LogonRefused { code, retry_after } = error else {
            return false;
        };
        match code.reason() {
            Some(RejectReason::NotOwner) => redirect.is_some_and(|redirect| self.follow(redirect)),
            Some(RejectReason::TenantMoving) if Instant::now() < self.deadline => {
                std::thread::sleep((*retry_after).max(MOVE_PAUSE_MIN));
                true
            }
            _ => false,
        }
    }

    fn follow(&mut self, redirect: &Redirect) -> bool {
        let found = redirect.address.as_str().to_socket_addrs();
        let Some(address) = found.ok().and_then(|mut found| found.next()) else {
            return false;
        };
        if redirect.epoch < self.epoch || self.followed == REDIRECTS_MAX {
            return false;
        }
        self.address = address;
        self.epoch = redirect.epoch;
        self.followed += 1;
        true
    }
}

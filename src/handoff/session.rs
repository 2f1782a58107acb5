//! What a session asked for when it logged on, and how its orders are taken back.

use souk_engine::{Command, MassCancel};
use souk_protocol::{AccountId, CancelOnDisconnect, CancelReason, SessionId};

/// What a session asked for when it logged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTerms {
    /// Higher than in every earlier logon of the session.
    pub incarnation: u64,
    /// When its open orders are canceled because its connection ended.
    pub cancel_on_disconnect: CancelOnDisconnect,
    /// How long after the end a new logon still keeps them, in milliseconds.
    pub grace_ms: u32,
}

impl SessionTerms {
    /// The terms of a session that asks for nothing.
    #[must_use]
    pub const fn plain(incarnation: u64) -> Self {
        Self {
            incarnation,
            cancel_on_disconnect: CancelOnDisconnect::None,
            grace_ms: 0,
        }
    }

    /// Whether its orders are canceled after an end of its connection.
    #[must_use]
    pub const fn cancels_after(&self, logged_out: bool) -> bool {
        match self.cancel_on_disconnect {
            CancelOnDisconnect::None => false,
            CancelOnDisconnect::OnDisconnect => !logged_out,
            CancelOnDisconnect::OnLogout => logged_out,
            CancelOnDisconnect::Both => true,
        }
    }

    /// Whether its orders are canceled after any end of its connection.
    #[must_use]
    pub fn cancels(&self) -> bool {
        self.cancel_on_disconnect != CancelOnDisconnect::None
    }
}

/// The command that takes back what is open of an account and came through a session that has gone.
#[must_use]
pub const fn session_cancel(session: SessionId, account: AccountId) -> Command {
    Command::MassCancel(MassCancel {
        account,
        side: None,
        session,
        reason: CancelReason::OnDisconnect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_names_the_ends_that_cancel() {
        let cancels = |mode| {
            let terms = SessionTerms {
                cancel_on_disconnect: mode,
                ..SessionTerms::plain(1)
            };
            [false, true].map(|logged_out| terms.cancels_after(logged_out))
        };
        assert_eq!(cancels(CancelOnDisconnect::None), [false, false]);
        assert_eq!(cancels(CancelOnDisconnect::OnDisconnect), [true, false]);
        assert_eq!(cancels(CancelOnDisconnect::OnLogout), [false, true]);
        assert_eq!(cancels(CancelOnDisconnect::Both), [true, true]);
    }
}

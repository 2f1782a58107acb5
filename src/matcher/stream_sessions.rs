//! What a market's stream knows of sessions: who may come in, and what is canceled of those who are gone.

use souk_engine::Event;
use souk_protocol::{MarketState, RejectReason, SessionId};

use super::marks::{Entry, MarkPlace, SessionMark};
use super::stream::{Output, Place, Stream};
use crate::handoff::{Link, Outcome, Recorded, SessionTerms, session_cancel};

/// Accounts of a session that is gone whose orders are canceled before others have their turn.
const ACCOUNTS_CANCELED_AT_ONCE_MAX: usize = 16;

impl Stream {
    /// Lets a request of a session in, and records that its incarnation is a new one. What comes
    /// from an old one has no effect, and its connection ends.
    pub(super) fn enter(
        &mut self,
        link: &Link,
        place: Place,
        out: &mut Output<'_>,
    ) -> Option<MarkPlace> {
        if self.admission.recorded.is_some() {
            // Which incarnation it was is in a record of its own.
            return self.marks.place_of(link.session);
        }
        match self.marks.enter(link) {
            Entry::Known(mark) => Some(mark),
            Entry::Opened(mark) => {
                out.record(place, self.seq, Outcome::SessionOpened(link.terms));
                Some(mark)
            }
            Entry::Stale => {
                link.end(RejectReason::SessionTakenOver);
                None
            }
        }
    }

    /// Gives a session these terms, and records it.
    pub(super) fn opened(
        &mut self,
        session: SessionId,
        terms: SessionTerms,
        place: Place,
        out: &mut Output<'_>,
    ) {
        self.marks.open(session, terms);
        out.record(place, self.seq, Outcome::SessionOpened(terms));
    }

    /// A session that logged out keeps its orders: from now on its end is not one that cancels them.
    pub(super) fn keep_orders(
        &mut self,
        session: SessionId,
        incarnation: u64,
        place: Place,
        out: &mut Output<'_>,
    ) {
        let known = self.marks.of(session).map(|mark| mark.terms.incarnation);
        if known == Some(incarnation) {
            self.opened(session, SessionTerms::plain(incarnation), place, out);
        }
    }

    /// Where each session stands.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (SessionId, &SessionMark)> {
        self.marks.iter()
    }

    /// Cancels what some of a session's accounts have open through it, unless a later incarnation has
    /// been here. Gives whether accounts are left.
    pub(super) fn cancel_session(
        &mut self,
        session: SessionId,
        incarnation: u64,
        place: Place,
        out: &mut Output<'_>,
    ) -> bool {
        for _ in 0..ACCOUNTS_CANCELED_AT_ONCE_MAX {
            if !self.cancel_account(session, incarnation, place, out) {
                return false;
            }
        }
        self.marks
            .of(session)
            .is_some_and(|mark| !mark.accounts.is_empty())
    }

    /// Cancels what the next of a session's accounts has open through it. Gives whether there was one.
    pub(super) fn cancel_account(
        &mut self,
        session: SessionId,
        incarnation: u64,
        place: Place,
        out: &mut Output<'_>,
    ) -> bool {
        let mark = self.marks.of(session);
        let mark = mark.filter(|mark| mark.terms.incarnation <= incarnation);
        let Some(account) = mark.and_then(SessionMark::take_account) else {
            return false;
        };
        let first = out.events.len();
        self.seq += 1;
        if self.was_halted_then() {
            out.events.push(Event::Rejected(RejectReason::MarketHalted));
        } else {
            let command = session_cancel(session, account);
            self.admit_and_apply(&command, out.events);
        }
        let events = (out.events.len() - first) as u32;
        out.record(
            place,
            self.seq,
            Outcome::SessionCanceled { account, events },
        );
        true
    }

    /// Whether the record that is replayed says that the market refused to cancel, because it was halted: journals of
    /// before have such records, and what they say is what was.
    fn was_halted_then(&self) -> bool {
        let refused = match self.admission.recorded {
            Some(Recorded::SessionCanceled { refused, .. }) => refused,
            _ => None,
        };
        refused == Some(RejectReason::MarketHalted) && self.book().state() == MarketState::Halted
    }
}

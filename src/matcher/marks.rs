//! Where each session stands with a market. Part of the market's state.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use souk_protocol::{AccountId, SessionId};

use crate::handoff::{Link, SessionTerms};

/// Where a session stands with a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMark {
    /// The last `client_seq` applied.
    pub client_seq: u64,
    /// What the highest incarnation that the market has seen asked for.
    pub terms: SessionTerms,
    /// Accounts that it has entered or replaced orders for while its terms were to cancel them when it
    /// is gone.
    pub accounts: BTreeSet<AccountId>,
    /// The account added last: orders of one account come in runs.
    last_account: AccountId,
}

impl SessionMark {
    /// A session that has asked nothing yet.
    #[must_use]
    pub const fn new(terms: SessionTerms) -> Self {
        Self {
            client_seq: 0,
            terms,
            accounts: BTreeSet::new(),
            last_account: AccountId(0),
        }
    }

    /// Notes that an order of the account went in, if the session's end would cancel it.
    #[inline]
    pub(super) fn note_account(&mut self, account: AccountId) {
        if self.last_account != account && self.terms.cancels() {
            self.last_account = account;
            self.accounts.insert(account);
        }
    }

    /// An account whose orders are to be canceled, lowest first.
    pub(super) fn take_account(&mut self) -> Option<AccountId> {
        self.last_account = AccountId(0);
        self.accounts.pop_first()
    }
}

/// A session's place in [`Marks`]; it belongs to that session for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MarkPlace(u32);

/// What a request's incarnation is to a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The one it knows.
    Known(MarkPlace),
    /// A new one: the mark has its terms now.
    Opened(MarkPlace),
    /// An old one: what comes from it has no effect.
    Stale,
}

/// The sessions of one market.
#[derive(Debug, Default)]
pub(super) struct Marks {
    places: HashMap<SessionId, MarkPlace>,
    marks: Vec<(SessionId, SessionMark)>,
    /// The session that came last: requests of one session come in runs.
    last: Option<(SessionId, MarkPlace)>,
}

impl Marks {
    fn find(&mut self, session: SessionId) -> Option<MarkPlace> {
        if let Some((last, place)) = self.last
            && last == session
        {
            return Some(place);
        }
        let place = *self.places.get(&session)?;
        self.last = Some((session, place));
        Some(place)
    }

    /// Looks at the incarnation of a request.
    #[inline]
    pub(super) fn enter(&mut self, link: &Link) -> Entry {
        let Some(place) = self.find(link.session) else {
            return Entry::Opened(self.open(link.session, link.terms));
        };
        let known = self.mark(place).terms.incarnation;
        if link.terms.incarnation == known {
            return Entry::Known(place);
        }
        if link.terms.incarnation < known {
            return Entry::Stale;
        }
        Entry::Opened(self.open(link.session, link.terms))
    }

    /// Gives the session these terms, as its newest incarnation has them.
    pub(super) fn open(&mut self, session: SessionId, terms: SessionTerms) -> MarkPlace {
        if let Some(place) = self.find(session) {
            let mark = self.mark(place);
            mark.terms = terms;
            // Whether the next order's account counts is decided anew.
            mark.last_account = AccountId(0);
            return place;
        }
        let place = MarkPlace(self.marks.len() as u32);
        self.marks.push((session, SessionMark::new(terms)));
        self.places.insert(session, place);
        place
    }

    /// The place of a session that has been here.
    pub(super) fn place_of(&mut self, session: SessionId) -> Option<MarkPlace> {
        self.find(session)
    }

    #[inline]
    pub(super) fn mark(&mut self, place: MarkPlace) -> &mut SessionMark {
        &mut self.marks[place.0 as usize].1
    }

    /// The mark of a session that has been here.
    pub(super) fn of(&mut self, session: SessionId) -> Option<&mut SessionMark> {
        let place = self.find(session)?;
        Some(self.mark(place))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &SessionMark)> {
        self.marks.iter().map(|(session, mark)| (*session, mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use souk_protocol::CancelOnDisconnect;

    fn link(session: u32, incarnation: u64) -> Link {
        let terms = SessionTerms::plain(incarnation);
        Link::new(SessionId(session), terms, incarnation, 1)
    }

    #[test]
    fn a_higher_incarnation_opens_the_session_and_a_lower_one_is_stale() {
        let mut marks = Marks::default();
        let Entry::Opened(place) = marks.enter(&link(7, 5)) else {
            panic!("nobody was here")
        };
        marks.mark(place).client_seq = 12;
        assert_eq!(marks.enter(&link(7, 5)), Entry::Known(place));
        assert_eq!(marks.enter(&link(7, 4)), Entry::Stale);
        assert_eq!(marks.enter(&link(7, 6)), Entry::Opened(place));
        assert_eq!(marks.enter(&link(7, 5)), Entry::Stale);
        assert_eq!(marks.mark(place).client_seq, 12);
        let Entry::Opened(other) = marks.enter(&link(8, 1)) else {
            panic!("it is another session")
        };
        assert_ne!(other, place);
    }

    #[test]
    fn accounts_count_while_the_terms_ask_for_it() {
        let mut marks = Marks::default();
        let cancels = |incarnation| SessionTerms {
            cancel_on_disconnect: CancelOnDisconnect::Both,
            ..SessionTerms::plain(incarnation)
        };
        let session = SessionId(7);
        let place = marks.open(session, SessionTerms::plain(1));
        marks.mark(place).note_account(AccountId(3));
        marks.open(session, cancels(2));
        for account in [3, 3, 1, 3, 2] {
            marks.mark(place).note_account(AccountId(account));
        }
        marks.open(session, SessionTerms::plain(3));
        marks.mark(place).note_account(AccountId(9));
        let mark = marks.of(session).expect("it is here");
        let taken: Vec<_> = std::iter::from_fn(|| mark.take_account()).collect();
        assert_eq!(taken, [1, 2, 3].map(AccountId));
        marks.open(session, cancels(4));
        let mark = marks.of(session).expect("it is here");
        mark.note_account(AccountId(2));
        assert_eq!(mark.take_account(), Some(AccountId(2)));
        mark.note_account(AccountId(2));
        assert_eq!(mark.take_account(), Some(AccountId(2)));
    }
}

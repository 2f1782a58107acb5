//! The connections that frames can go to, and what this batch has for each.
//!
//! Must never: give one connection what was gathered for another, or gather without bound.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use souk_protocol::SessionId;

use crate::handoff::Link;

/// Bytes gathered for one connection before they are handed over without waiting for the end of the
/// batch; also the most that is kept for the next batch.
const FRAMES_GATHERED_MAX: usize = 262_144;

/// A session's place in [`Links`]; it belongs to that session for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkPlace(u32);

/// The connections that frames can go to.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_session: HashMap<SessionId, LinkPlace>,
    places: Vec<LinkState>,
    /// Places with something to send.
    dirty: Vec<LinkPlace>,
    /// The connection attached last, and its place: records of one connection come in runs.
    last_attached: Option<(SessionId, u64, LinkPlace)>,
}

#[derive(Debug, Default)]
struct LinkState {
    /// The session's newest connection that this publisher has seen; none after it left.
    link: Option<Arc<Link>>,
    /// Frames of this batch.
    frames: Vec<u8>,
    /// Messages answered in this batch.
    answered: u64,
    dirty: bool,
}

impl Links {
    /// Remembers the connection as its session's newest. Connections are numbered in the order in
    /// which they logged on, so an older one never takes over from a newer one.
    pub(super) fn attach(&mut self, link: &Arc<Link>) -> LinkPlace {
        // Both: connections of a replay, of whatever session, have the same number.
        if let Some((session, connection, place)) = self.last_attached
            && (session, connection) == (link.session, link.connection)
        {
            return place;
        }
        let place = self.place(link.session);
        self.last_attached = Some((link.session, link.connection, place));
        if link.connection == Link::AWAY {
            return place;
        }
        let state = &mut self.places[place.0 as usize];
        let newer = match &state.link {
            Some(known) => known.connection < link.connection,
            None => true,
        };
        if newer {
            // What was gathered for the connection before goes there, and nowhere else.
            state.hand_over();
            state.link = Some(Arc::clone(link));
        }
        place
    }

    /// A session's place.
    pub(super) fn place(&mut self, session: SessionId) -> LinkPlace {
        let places = &mut self.places;
        *self.by_session.entry(session).or_insert_with(|| {
            places.push(LinkState::default());
            LinkPlace(places.len() as u32 - 1)
        })
    }

    /// Forgets a connection.
    pub(super) fn detach(&mut self, link: &Arc<Link>) {
        let place = self.attach(link);
        self.last_attached = None;
        let state = &mut self.places[place.0 as usize];
        if state
            .link
            .as_ref()
            .is_some_and(|known| known.connection == link.connection)
        {
            state.hand_over();
            *state = LinkState {
                dirty: state.dirty,
                ..LinkState::default()
            };
        }
    }

    /// Sends a frame to whatever connection the session has.
    pub(super) fn send(&mut self, place: LinkPlace, frame: &[u8]) {
        let state = &mut self.places[place.0 as usize];
        state.frames.extend_from_slice(frame);
        if state.frames.len() > FRAMES_GATHERED_MAX {
            // The outbox knows its bound; this does not grow beyond it meanwhile.
            state.hand_over();
        }
        self.mark(place);
    }

    /// Sends a frame to the session if its connection is still this one.
    pub(super) fn send_to(&mut self, place: LinkPlace, connection: u64, frame: &[u8]) {
        let state = &self.places[place.0 as usize];
        if state
            .link
            .as_ref()
            .is_some_and(|link| link.connection == connection)
        {
            self.send(place, frame);
        }
    }

    /// Gives credits back to the connection that sent the messages, if it is still there.
    pub(super) fn answer(&mut self, place: LinkPlace, connection: u64, messages: u64) {
        let state = &mut self.places[place.0 as usize];
        if state
            .link
            .as_ref()
            .is_some_and(|link| link.connection == connection)
        {
            state.answered += messages;
            self.mark(place);
        }
    }

    fn mark(&mut self, place: LinkPlace) {
        let state = &mut self.places[place.0 as usize];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(place);
        }
    }

    /// Hands what was gathered to the connections, once each.
    pub(super) fn flush(&mut self) {
        for place in self.dirty.drain(..) {
            let state = &mut self.places[place.0 as usize];
            state.dirty = false;
            state.hand_over();
        }
    }
}

impl LinkState {
    /// Hands what was gathered to the connection.
    fn hand_over(&mut self) {
        if let Some(link) = &self.link {
            // Credits first: whoever is woken by the bytes finds them.
            link.answered.fetch_add(self.answered, Ordering::Release);
            link.outbox.give(&mut self.frames);
        }
        self.answered = 0;
        self.frames.clear();
        if self.frames.capacity() > FRAMES_GATHERED_MAX {
            self.frames = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(link: &Link) -> Vec<u8> {
        let mut bytes = Vec::new();
        link.outbox.take(&mut bytes);
        bytes
    }

    #[test]
    fn a_new_connection_gets_nothing_that_was_gathered_for_the_old_one() {
        let session = SessionId(7);
        let old = Arc::new(Link::new(
            session,
            crate::handoff::SessionTerms::plain(1),
            1,
            1_024,
        ));
        let new = Arc::new(Link::new(
            session,
            crate::handoff::SessionTerms::plain(2),
            2,
            1_024,
        ));
        let mut links = Links::default();
        let place = links.attach(&old);
        links.send(place, b"for the old one");
        links.answer(place, old.connection, 3);
        assert_eq!(links.attach(&new), place);
        links.send(place, b"for the new one");
        links.answer(place, old.connection, 5);
        links.flush();
        assert_eq!(waiting(&old), b"for the old one");
        assert_eq!(waiting(&new), b"for the new one");
        assert_eq!(old.answered.load(Ordering::Relaxed), 3);
        assert_eq!(new.answered.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_old_connection_does_not_take_over_from_a_newer_one() {
        let session = SessionId(7);
        let old = Arc::new(Link::new(
            session,
            crate::handoff::SessionTerms::plain(1),
            1,
            1_024,
        ));
        let new = Arc::new(Link::new(
            session,
            crate::handoff::SessionTerms::plain(2),
            2,
            1_024,
        ));
        let mut links = Links::default();
        let place = links.attach(&new);
        links.attach(&old);
        links.send(place, b"frame");
        links.flush();
        links.detach(&old);
        links.send(place, b" and frame");
        links.flush();
        assert_eq!(waiting(&new), b"frame and frame");
        assert_eq!(waiting(&old), b"");
    }

    #[test]
    fn sessions_of_a_replay_have_places_of_their_own() {
        let away = |session| Link::away(SessionId(session), crate::handoff::SessionTerms::plain(1));
        let (one, other) = (away(7), away(8));
        let mut links = Links::default();
        let place = links.attach(&Arc::new(one));
        assert_ne!(links.attach(&Arc::new(other)), place);
    }

    #[test]
    fn what_is_gathered_in_one_batch_is_bounded() {
        let link = Arc::new(Link::new(
            SessionId(7),
            crate::handoff::SessionTerms::plain(1),
            1,
            1 << 30,
        ));
        let mut links = Links::default();
        let place = links.attach(&link);
        for _ in 0..1_000 {
            links.send(place, &[0; 65_536]);
            let gathered = links.places[place.0 as usize].frames.len();
            assert!(gathered <= FRAMES_GATHERED_MAX, "{gathered}");
        }
        links.flush();
        assert!(links.places[place.0 as usize].frames.capacity() <= FRAMES_GATHERED_MAX);
        assert_eq!(waiting(&link).len(), 65_536_000);
    }
}

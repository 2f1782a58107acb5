//! Since when a node is silent, as another one sees it.

use std::collections::HashMap;
use std::time::Duration;

use super::identity::{Incarnation, NodeId, NodeRow};
use super::terms::LeaseTerms;
use crate::clock::Moment;

/// What one poll showed of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which.
    pub node: NodeId,
    /// Its process.
    pub incarnation: Incarnation,
    /// Its last renewal.
    pub beat: u64,
}

impl From<&NodeRow> for Sighting {
    fn from(row: &NodeRow) -> Self {
        Self {
            node: row.id,
            incarnation: row.incarnation,
            beat: row.beat,
        }
    }
}

/// Since when the beats of all nodes stand still.
///
/// Silence is counted from the answer of the first poll that showed a beat to the sending of the last one: time that passed
/// while nobody asked, or while an answer was under way, is never anybody's silence.
#[derive(Debug)]
pub struct Watch {
    gap: Duration,
    /// Which database server answers: beats of two are not compared.
    server: Option<Vec<u8>>,
    /// When the last poll was answered.
    answered: Option<Moment>,
    seen: HashMap<NodeId, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    incarnation: Incarnation,
    beat: u64,
    /// When the first poll that showed it was answered.
    first: Moment,
    /// When the last poll that showed it was sent.
    last: Moment,
}

impl Watch {
    /// A watch that has seen nothing.
    #[must_use]
    pub fn new(terms: &LeaseTerms) -> Self {
        Self {
            gap: terms.gap(),
            server: None,
            answered: None,
            seen: HashMap::new(),
        }
    }

    /// Takes a poll's answer.
    pub fn see(&mut self, server: &[u8], sent: Moment, answered: Moment, shown: &[Sighting]) {
        let late = self.answered.is_none_or(|last| sent.since(last) > self.gap);
        if late || self.server.as_deref() != Some(server) {
            self.seen.clear();
            self.server = Some(server.to_vec());
        }
        self.answered = Some(answered);
        self.seen
            .retain(|node, _| shown.iter().any(|sighting| sighting.node == *node));
        for sighting in shown {
            let new = Seen {
                incarnation: sighting.incarnation,
                beat: sighting.beat,
                first: answered,
                last: answered,
            };
            let seen = self.seen.entry(sighting.node).or_insert(new);
            if seen.incarnation == sighting.incarnation && seen.beat == sighting.beat {
                seen.last = seen.last.max(sent);
            } else {
                *seen = new;
            }
        }
    }

    /// How long a node has been silent.
    #[must_use]
    pub fn silence(&self, node: NodeId) -> Duration {
        let seen = self.seen.get(&node);
        seen.map_or(Duration::ZERO, |seen| seen.last.since(seen.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Moment {
        Moment(ms * 1_000_000)
    }

    fn watch() -> Watch {
        let of = Duration::from_millis;
        Watch::new(&LeaseTerms::new(of(2_000), of(200), of(150), of(25)).expect("good"))
    }

    const fn beat(beat: u64) -> Sighting {
        Sighting {
            node: NodeId(2),
            incarnation: Incarnation(7),
            beat,
        }
    }

    #[test]
    fn silence_is_counted_from_an_answer_to_a_sending() {
        let mut watch = watch();
        watch.see(b"a", ms(100), ms(140), &[beat(5)]);
        assert_eq!(watch.silence(NodeId(2)).as_millis(), 0);
        watch.see(b"a", ms(200), ms(290), &[beat(5)]);
        assert_eq!(
            watch.silence(NodeId(2)).as_millis(),
            60,
            "140 to 200, whatever the ways take"
        );
        watch.see(b"a", ms(300), ms(301), &[beat(6)]);
        assert_eq!(watch.silence(NodeId(2)).as_millis(), 0, "it has beaten");
        assert_eq!(watch.silence(NodeId(3)).as_millis(), 0, "nobody knows it");
    }

    #[test]
    fn a_pause_of_the_one_who_looks_is_not_the_other_ones_silence() {
        let mut watch = watch();
        watch.see(b"a", ms(0), ms(1), &[beat(5)]);
        watch.see(b"a", ms(200), ms(201), &[beat(5)]);
        // 250 ms are the gap.
        watch.see(b"a", ms(452), ms(453), &[beat(5)]);
        assert_eq!(watch.silence(NodeId(2)).as_millis(), 0, "begins anew");
        watch.see(b"a", ms(553), ms(554), &[beat(5)]);
        assert_eq!(watch.silence(NodeId(2)).as_millis(), 100);
    }

    #[test]
    fn another_server_and_another_process_begin_anew() {
        let mut watch = watch();
        watch.see(b"a", ms(0), ms(1), &[beat(5)]);
        watch.see(b"a", ms(101), ms(102), &[beat(5)]);
        assert_eq!(watch.silence(NodeId(2)).as_millis(), 100);
        watch.see(b"b", ms(201), ms(202), &[beat(5)]);
        assert_eq!(watch.silence(NodeId(2)).as_millis(), 0);
        watch.see(b"b", ms(301), ms(302), &[beat(5)]);
        let restarted = Sighting {
            incarnation: Incarnation(8),
            ..beat(5)
        };
        watch.see(b"b", ms(401), ms(402), &[restarted]);
        assert_eq!(watch.silence(NodeId(2)).as_millis(), 0);
    }
}

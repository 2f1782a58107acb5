//! The journal's thread with a store that says when a group is durable.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::*;
use crate::journal::{BatchWriter, Body, StreamRecord};
use souk_protocol::{MarketId, SessionId, TenantId};

/// How long anything may take that should take no time.
const DEADLINE: Duration = Duration::from_secs(30);

/// Tells of each group, and waits for what becomes of it.
struct Told {
    groups: Sender<(usize, u32)>,
    fates: Receiver<bool>,
    batches_len_max: usize,
}

impl GroupStore for Told {
    fn batches_len_max(&self) -> usize {
        self.batches_len_max
    }

    fn write(&mut self, batches: &[u8], count: u32) -> Result<usize, JournalError> {
        self.groups.send((batches.len(), count)).unwrap();
        match self.fates.recv() {
            Ok(true) => Ok(batches.len()),
            _ => Err(JournalError::Fenced { log: 1, row: 1 }),
        }
    }
}

fn batch() -> Vec<u8> {
    let mut writer = BatchWriter::new(crate::ids::Epoch::ALONE);
    writer.add(&StreamRecord {
        tenant: TenantId(1),
        market: MarketId(1),
        stream_seq: 1,
        transact_time: 1,
        session: SessionId(0),
        body: Body::StateHash(1),
    });
    writer.finish(1, 0).to_vec()
}

fn wait_for(journal: &Journal, ticket: Ticket) {
    let begun = clock::monotonic();
    while journal.durable() < ticket {
        assert!(
            begun.elapsed() < DEADLINE,
            "{ticket:?} does not get durable"
        );
        std::thread::yield_now();
    }
}

#[test]
fn more_than_a_group_takes_is_durable_group_by_group() {
    let (groups, told) = channel();
    let (fates, waits) = channel();
    let len = batch().len();
    let store = Told {
        groups,
        fates: waits,
        batches_len_max: 2 * len + len / 2,
    };
    let (journal, writer) = Journal::new(store, 1);
    let first = journal.append(&mut batch()).unwrap();
    let thread = std::thread::spawn(move || writer.run());
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), (len, 1));
    // While the first is under way, five come: two groups of two, and one of one.
    let tickets: Vec<_> = (0..5)
        .map(|_| journal.append(&mut batch()).unwrap())
        .collect();
    assert_eq!((tickets[0], tickets[2]), (tickets[1], tickets[3]));
    assert!(first < tickets[0] && tickets[1] < tickets[2] && tickets[3] < tickets[4]);
    fates.send(true).unwrap();
    for (ticket, batches, until) in [(tickets[1], 2, 4), (tickets[3], 2, 6), (tickets[4], 1, 7)] {
        let expected = (len * batches as usize, batches);
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), expected);
        assert!(journal.durable() < ticket, "it is under way");
        assert!(journal.durable_until() < until);
        fates.send(true).unwrap();
        wait_for(&journal, ticket);
        assert_eq!(journal.durable_until(), until);
    }
    assert_eq!(journal.lag(), JournalLag::default());
    assert_eq!(journal.counts().groups, 4);
    journal.close();
    thread.join().unwrap();
}

#[test]
fn nothing_behind_a_group_that_failed_is_written() {
    let (groups, told) = channel();
    let (fates, waits) = channel();
    let store = Told {
        groups,
        fates: waits,
        batches_len_max: 1,
    };
    let (journal, writer) = Journal::new(store, 1);
    let tickets: Vec<_> = (0..3)
        .map(|_| journal.append(&mut batch()).unwrap())
        .collect();
    fates.send(true).unwrap();
    fates.send(false).unwrap();
    writer.run();
    assert_eq!(told.try_iter().count(), 2, "the third is not tried");
    assert_eq!(journal.durable(), tickets[0]);
    assert!(journal.append(&mut batch()).is_err());
}

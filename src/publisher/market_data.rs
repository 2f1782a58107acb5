//! Market data of one market: snapshots, depth updates, trades, status.

use std::sync::Arc;

use souk_engine::Event;
use souk_protocol::message::{
    DepthSnapshot, DepthUpdate, LevelEntry, MarketStatus, SUBSCRIBE_DEPTH, SUBSCRIBE_SNAPSHOT_ONLY,
    SUBSCRIBE_TRADES, TradeTick,
};
use souk_protocol::{
    Block, FLAG_MORE_FOLLOWS, FRAME_FROM_SERVER_MAX, MarketId, MarketState, Reserved, Side,
    frame_len_with_group, write_frame_with_group,
};

use super::links::{LinkPlace, Links};
use crate::handoff::Link;

/// Levels that fit one frame.
const LEVELS_PER_FRAME_MAX: usize = (FRAME_FROM_SERVER_MAX as usize
    - frame_len_with_group::<DepthSnapshot, LevelEntry>(0))
    / LevelEntry::LEN;
/// Where `seq` lies in a frame.
const SEQ: std::ops::Range<usize> = 16..24;

/// The subscribers of a market, and what this batch has for them.
#[derive(Debug, Default)]
pub(super) struct Feed {
    subscribers: Vec<Subscriber>,
    /// Levels touched in this batch, in order; the last content of each counts.
    levels: Vec<LevelEntry>,
    /// Trade and status frames of this batch.
    frames: Vec<u8>,
    stream_seq: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Subscriber {
    place: LinkPlace,
    connection: u64,
    flags: u8,
    /// Messages sent.
    md_seq: u64,
}

/// The book at the point of a subscription.
pub(super) struct Snapshot<'a> {
    pub market: MarketId,
    pub state: MarketState,
    pub stream_seq: u64,
    pub book_hash: u64,
    /// Buys, then sells.
    pub levels: &'a [LevelEntry],
}

impl Feed {
    /// Ends the subscription of a connection.
    pub(super) fn forget(&mut self, connection: u64) {
        self.subscribers
            .retain(|subscriber| subscriber.connection != connection);
    }

    /// Begins a subscription: snapshot and status as the flags say. What the batch has gathered
    /// so far goes to the earlier subscribers first, because the snapshot contains it.
    pub(super) fn subscribe(
        &mut self,
        flags: u8,
        link: &Arc<Link>,
        place: LinkPlace,
        snapshot: &Snapshot<'_>,
        transact_time: u64,
        links: &mut Links,
    ) {
        self.flush(snapshot.market, transact_time, links);
        let mut subscriber = Subscriber {
            place,
            connection: link.connection,
            flags,
            md_seq: 0,
        };
        if flags & (SUBSCRIBE_DEPTH | SUBSCRIBE_SNAPSHOT_ONLY) != 0 {
            self.send_snapshot(&mut subscriber, snapshot, links);
        }
        if flags == SUBSCRIBE_SNAPSHOT_ONLY {
            return;
        }
        if flags & SUBSCRIBE_TRADES != 0 {
            let status = MarketStatus {
                market: snapshot.market,
                state: snapshot.state,
                reserved: Reserved,
                transact_time,
            };
            subscriber.send(&mut status.frame(0), links);
        }
        self.forget(link.connection);
        self.subscribers.push(subscriber);
    }

    fn send_snapshot(
        &mut self,
        subscriber: &mut Subscriber,
        snapshot: &Snapshot<'_>,
        links: &mut Links,
    ) {
        let buys = snapshot
            .levels
            .iter()
            .filter(|level| level.side == Side::Buy)
            .count();
        let root = DepthSnapshot {
            market: snapshot.market,
            state: snapshot.state,
            reserved: Reserved,
            stream_seq: snapshot.stream_seq,
            book_hash: snapshot.book_hash,
            buy_levels: buys as u32,
            sell_levels: (snapshot.levels.len() - buys) as u32,
        };
        let mut rest = snapshot.levels;
        loop {
            let (now, later) = rest.split_at(rest.len().min(LEVELS_PER_FRAME_MAX));
            let flags = if later.is_empty() {
                0
            } else {
                FLAG_MORE_FOLLOWS
            };
            let frame = encode(&root, now, flags, &mut self.buffer);
            subscriber.send(frame, links);
            if later.is_empty() {
                break;
            }
            rest = later;
        }
    }

    /// Gathers what a command did.
    pub(super) fn events(
        &mut self,
        market: MarketId,
        stream_seq: u64,
        events: &[Event],
        transact_time: u64,
    ) {
        if self.subscribers.is_empty() {
            return;
        }
        self.stream_seq = stream_seq;
        for event in events {
            match event {
                Event::Level(level) => self.levels.push(LevelEntry::from(*level)),
                Event::Trade(trade) => {
                    let tick = TradeTick {
                        market,
                        taker_side: trade.taker.side,
                        reserved: Reserved,
                        match_id: trade.match_id,
                        price: trade.price,
                        qty: trade.qty,
                        transact_time,
                    };
                    self.frames.extend_from_slice(&tick.frame(0));
                }
                Event::StateChanged(state) => {
                    let status = MarketStatus {
                        market,
                        state: *state,
                        reserved: Reserved,
                        transact_time,
                    };
                    self.frames.extend_from_slice(&status.frame(0));
                }
                _ => {}
            }
        }
    }

    /// Sends what was gathered to the subscribers.
    pub(super) fn flush(&mut self, market: MarketId, transact_time: u64, links: &mut Links) {
        if self.levels.is_empty() && self.frames.is_empty() {
            return;
        }
        for subscriber in self
            .subscribers
            .iter_mut()
            .filter(|s| s.flags & SUBSCRIBE_TRADES != 0)
        {
            subscriber.send_all(&mut self.frames, links);
        }
        keep_last_of_each(&mut self.levels);
        for levels in self.levels.chunks(LEVELS_PER_FRAME_MAX) {
            let root = DepthUpdate {
                market,
                reserved: Reserved,
                stream_seq: self.stream_seq,
                transact_time,
            };
            let frame = encode(&root, levels, 0, &mut self.buffer);
            for subscriber in self
                .subscribers
                .iter_mut()
                .filter(|s| s.flags & SUBSCRIBE_DEPTH != 0)
            {
                subscriber.send(frame, links);
            }
        }
        self.levels.clear();
        self.frames.clear();
    }
}

impl Subscriber {
    /// Numbers a frame for this subscription and sends it.
    fn send(&mut self, frame: &mut [u8], links: &mut Links) {
        self.md_seq += 1;
        frame[SEQ].copy_from_slice(&self.md_seq.to_le_bytes());
        links.send_to(self.place, self.connection, frame);
    }

    /// Numbers and sends frames that stand one after another.
    fn send_all(&mut self, frames: &mut [u8], links: &mut Links) {
        let mut rest = frames;
        while let Some(length) = rest.first_chunk::<4>() {
            let (frame, later) = rest.split_at_mut(u32::from_le_bytes(*length) as usize);
            self.send(frame, links);
            rest = later;
        }
    }
}

/// Keeps the last content of each level that a batch touched.
fn keep_last_of_each(levels: &mut Vec<LevelEntry>) {
    let key = |level: &LevelEntry| (level.side, level.price);
    // The latest first, and stable: of equal keys the first is the one to keep.
    levels.reverse();
    levels.sort_by_key(key);
    levels.dedup_by_key(|level| key(level));
}

fn encode<'a, B: Block>(
    root: &B,
    levels: &[LevelEntry],
    flags: u8,
    buffer: &'a mut Vec<u8>,
) -> &'a mut [u8] {
    buffer.resize(frame_len_with_group::<B, LevelEntry>(levels.len()), 0);
    let written = write_frame_with_group(root, levels, 0, flags, buffer);
    assert_eq!(
        written,
        Some(buffer.len()),
        "the buffer was made for this frame"
    );
    buffer
}

#[cfg(test)]
mod tests {
    use souk_protocol::{Price, Qty};

    use super::*;

    #[test]
    fn of_each_level_the_last_content_is_sent_however_many_there_are() {
        let level = |price, qty| LevelEntry {
            price: Price(price),
            qty: Qty(qty),
            orders: 1,
            side: Side::Buy,
            reserved: Reserved,
        };
        let mut levels: Vec<_> = (0..300_000).map(|n| level(n % 100_000, n as u64)).collect();
        keep_last_of_each(&mut levels);
        assert_eq!(levels.len(), 100_000);
        assert!(
            levels
                .iter()
                .all(|level| level.qty.0 == 200_000 + level.price.0 as u64)
        );
    }
}

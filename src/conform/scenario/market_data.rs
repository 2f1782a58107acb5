//! Books: kept exactly, and made anew when they are not.

use serde_json::json;
use souk_protocol::message::LevelEntry;
use souk_protocol::{FLAG_MORE_FOLLOWS, Side};

use crate::conform::Fault;
use crate::conform::line::Line;
use crate::conform::says;
use crate::conform::stage::{Stage, subscribed};

/// Two buys and two sells, in the order of the hash.
fn levels() -> [LevelEntry; 4] {
    [
        says::level(Side::Buy, 100, 5),
        says::level(Side::Buy, 99, 12),
        says::level(Side::Sell, 102, 7),
        says::level(Side::Sell, 103, 1),
    ]
}

/// A client that has the book of [`levels`].
fn watching(stage: &mut Stage<'_>) -> Result<Line, Fault> {
    let mut line = stage.joined()?;
    stage.subscribe(&mut line)?;
    line.send(&[&says::snapshot(&levels(), &levels(), 1, 0)])?;
    whole(stage)?;
    Ok(line)
}

/// The client tells the book of [`levels`].
fn whole(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.book(
        json!([[100, 5, 1], [99, 12, 1]]),
        json!([[102, 7, 1], [103, 1, 1]]),
    )
}

pub(super) fn book(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = watching(stage)?;
    let changes = [
        says::level(Side::Buy, 100, 0),
        says::level(Side::Sell, 101, 3),
        says::level(Side::Sell, 103, 9),
    ];
    line.send(&[&says::update(&changes, 2)])?;
    stage.book(
        json!([[99, 12, 1]]),
        json!([[101, 3, 1], [102, 7, 1], [103, 9, 1]]),
    )
}

pub(super) fn two_frames(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    stage.subscribe(&mut line)?;
    let book = levels();
    line.send(&[&says::snapshot(&book, &book[..3], 1, FLAG_MORE_FOLLOWS)])?;
    line.send(&[&says::snapshot(&book, &book[3..], 2, 0)])?;
    whole(stage)?;
    line.send(&[&says::update(&[says::level(Side::Buy, 99, 1)], 3)])?;
    stage.book(
        json!([[100, 5, 1], [99, 1, 1]]),
        json!([[102, 7, 1], [103, 1, 1]]),
    )
}

/// The client subscribes again; what is still on its way of the old subscription is nothing to it.
fn anew(stage: &mut Stage<'_>, line: &mut Line, md_seq: u64) -> Result<(), Fault> {
    subscribed(line)?;
    line.send(&[&says::update(&[says::level(Side::Buy, 98, 1)], md_seq)])?;
    let book = &levels()[1..3];
    line.send(&[&says::snapshot(book, book, 1, 0)])?;
    stage.book(json!([[99, 12, 1]]), json!([[102, 7, 1]]))?;
    line.send(&[&says::update(&[says::level(Side::Buy, 97, 2)], 2)])?;
    stage.book(json!([[99, 12, 1], [97, 2, 1]]), json!([[102, 7, 1]]))?;
    stage.last_order(line, 1, 1, 11)
}

pub(super) fn gap(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = watching(stage)?;
    line.send(&[&says::update(&[says::level(Side::Buy, 101, 1)], 3)])?;
    anew(stage, &mut line, 4)
}

pub(super) fn wrong_hash(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let mut line = stage.joined()?;
    stage.subscribe(&mut line)?;
    let (book, wrong) = (levels(), says::book_hash(&levels()) ^ 1);
    line.send(&[&says::snapshot_with_hash(&book, &book, 1, 0, wrong)])?;
    anew(stage, &mut line, 2)
}

pub(super) fn after_a_cut(stage: &mut Stage<'_>) -> Result<(), Fault> {
    let line = watching(stage)?;
    line.cut();
    let mut line = stage.log_on()?;
    // Resuming the market and subscribing come in either order.
    let mut open = [true, true];
    while open.contains(&true) {
        let received = line.next("ResumeMarket and Subscribe")?;
        match received.message()? {
            souk_protocol::ClientMessage::ResumeMarket(_) if open[0] => open[0] = false,
            souk_protocol::ClientMessage::Subscribe(_) if open[1] => open[1] = false,
            _ => {
                let found = crate::conform::line::shown(&received)?;
                return Err(Fault::other("ResumeMarket and Subscribe", found));
            }
        }
    }
    let book = &levels()[..3];
    line.send(&[
        &says::joined(0, 0),
        &says::reports_resent(1, 0),
        &says::snapshot(book, book, 1, 0),
    ])?;
    stage.book(json!([[100, 5, 1], [99, 12, 1]]), json!([[102, 7, 1]]))
}

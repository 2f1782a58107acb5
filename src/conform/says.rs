//! What the server says: frames with the values that the scenarios have in common.

use souk_protocol::message::{
    Accepted, AccountEntry, BatchEntry, Block, DepthSnapshot, DepthUpdate, LevelEntry, LogonAck,
    LogonReject, MarketJoined, NewOrder, NotApplied, Redirect, Rejected, ReportsResent,
};
use souk_protocol::{
    AccountId, ClOrdId, Code, Durability, FLAG_POSS_RESEND, MarketId, MarketState, OrderId,
    OrderType, PostOnly, Price, Qty, RejectReason, Reserved, SessionId, Side, TenantId, Text,
    TimeInForce, frame_len_with_group, write_frame_with_group,
};

use crate::clock;

/// The market that is traded in.
pub(super) const MARKET: MarketId = MarketId(7);
/// The account that trades.
pub(super) const ACCOUNT: AccountId = AccountId(1001);
/// Limits of a session that has no reason to meet them.
const RATE: u32 = 10_000;

/// The terms of a logon that is accepted.
pub(super) fn logon_ack(session_id: SessionId, incarnation: u64, keepalive_ms: u32) -> LogonAck {
    LogonAck {
        session_id,
        tenant: TenantId(1),
        incarnation,
        server_time: clock::wall_ns(),
        max_inflight: 64,
        order_rate: RATE,
        order_burst: RATE,
        cancel_rate: RATE,
        cancel_burst: RATE,
        keepalive_ms,
        durability: Durability::Local,
        reserved: Reserved,
    }
}

/// A logon that is accepted.
pub(super) fn accounts(ack: &LogonAck) -> Vec<u8> {
    let account = AccountEntry {
        account: ACCOUNT,
        reserved: Reserved,
    };
    grouped(ack, &[account], 0, 0)
}

pub(super) fn logon_reject(reason: RejectReason, retry_after_ms: u32) -> Vec<u8> {
    let reject = LogonReject {
        code: Code::from(reason),
        reserved: Reserved,
        retry_after_ms,
        server_time: clock::wall_ns(),
    };
    reject.frame(0).to_vec()
}

/// Another node has the tenant.
pub(super) fn redirect(epoch: u64, address: &str) -> Vec<u8> {
    let address = Text::new(address).unwrap_or(Text([0; 64]));
    Redirect { epoch, address }.frame(0).to_vec()
}

pub(super) fn joined(last_client_seq: u64, last_report_seq: u64) -> Vec<u8> {
    let joined = MarketJoined {
        market: MARKET,
        state: MarketState::Continuous,
        reserved: Reserved,
        epoch: 1,
        last_client_seq,
        last_report_seq,
        stream_seq: last_client_seq,
    };
    joined.frame(0).to_vec()
}

pub(super) fn reports_resent(from_report_seq: u64, to_report_seq: u64) -> Vec<u8> {
    let resent = ReportsResent {
        market: MARKET,
        reserved: Reserved,
        from_report_seq,
        to_report_seq,
    };
    resent.frame(0).to_vec()
}

/// The order is accepted, and rests.
pub(super) fn accept(order: &NewOrder, client_seq: u64) -> Accepted {
    Accepted {
        market: order.market,
        account: order.account,
        transact_time: clock::wall_ns(),
        client_seq,
        cl_ord_id: order.cl_ord_id,
        order_id: OrderId(1_000 + client_seq),
        price: order.price,
        qty: order.qty,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        post_only: order.post_only,
        batch_index: 0,
        reserved: Reserved,
    }
}

pub(super) fn accepted(order: &NewOrder, client_seq: u64, report_seq: u64) -> Vec<u8> {
    accept(order, client_seq).frame(report_seq).to_vec()
}

/// The same bytes as the first time, but for the flag.
pub(super) fn accepted_again(order: &NewOrder, client_seq: u64, report_seq: u64) -> Vec<u8> {
    let again = accept(order, client_seq);
    again
        .frame_with_flags(report_seq, FLAG_POSS_RESEND)
        .to_vec()
}

/// The entry of a batch is accepted.
pub(super) fn accepted_entry(
    entry: &BatchEntry,
    client_seq: u64,
    report_seq: u64,
    index: u8,
) -> Vec<u8> {
    let report = Accepted {
        market: MARKET,
        account: entry.account,
        transact_time: clock::wall_ns(),
        client_seq,
        cl_ord_id: entry.cl_ord_id,
        order_id: OrderId(2_000 + u64::from(index)),
        price: entry.price,
        qty: entry.qty,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        batch_index: index,
        reserved: Reserved,
    };
    report.frame(report_seq).to_vec()
}

/// The market has refused a message of this template.
pub(super) fn rejected(
    cl_ord_id: ClOrdId,
    ref_template: u16,
    client_seq: u64,
    report_seq: u64,
    code: Code,
) -> Vec<u8> {
    let report = Rejected {
        market: MARKET,
        account: ACCOUNT,
        transact_time: clock::wall_ns(),
        client_seq,
        cl_ord_id,
        order_id: OrderId(0),
        code,
        ref_template,
        batch_index: 0,
        reserved: Reserved,
    };
    report.frame(report_seq).to_vec()
}

/// Numbers in a row that were not applied; the first of them is the one that is expected.
pub(super) fn not_applied(
    from_client_seq: u64,
    count: u32,
    expected_client_seq: u64,
    reason: RejectReason,
    retry_after_us: u32,
) -> Vec<u8> {
    let news = NotApplied {
        from_client_seq,
        count,
        market: MARKET,
        expected_client_seq,
        code: Code::from(reason),
        reserved: Reserved,
        retry_after_us,
    };
    news.frame(0).to_vec()
}

pub(super) fn level(side: Side, price: i64, qty: u64) -> LevelEntry {
    LevelEntry {
        price: Price(price),
        qty: Qty(qty),
        orders: u32::from(qty > 0),
        side,
        reserved: Reserved,
    }
}

/// A snapshot's frame with these levels of the whole `book`, which is in the order of its hash.
pub(super) fn snapshot(
    book: &[LevelEntry],
    levels: &[LevelEntry],
    md_seq: u64,
    flags: u8,
) -> Vec<u8> {
    snapshot_with_hash(book, levels, md_seq, flags, book_hash(book))
}

pub(super) fn snapshot_with_hash(
    book: &[LevelEntry],
    levels: &[LevelEntry],
    md_seq: u64,
    flags: u8,
    book_hash: u64,
) -> Vec<u8> {
    let on = |side| book.iter().filter(|level| level.side == side).count() as u32;
    let root = DepthSnapshot {
        market: MARKET,
        state: MarketState::Continuous,
        reserved: Reserved,
        stream_seq: 100,
        book_hash,
        buy_levels: on(Side::Buy),
        sell_levels: on(Side::Sell),
    };
    grouped(&root, levels, md_seq, flags)
}

pub(super) fn update(levels: &[LevelEntry], md_seq: u64) -> Vec<u8> {
    let root = DepthUpdate {
        market: MARKET,
        reserved: Reserved,
        stream_seq: 100 + md_seq,
        transact_time: clock::wall_ns(),
    };
    grouped(&root, levels, md_seq, 0)
}

/// 64-bit FNV-1a over the levels, as the protocol's section 13 has it.
pub(super) fn book_hash(book: &[LevelEntry]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for level in book {
        take(&[level.side as u8]);
        take(&level.price.0.to_le_bytes());
        take(&level.qty.0.to_le_bytes());
        take(&level.orders.to_le_bytes());
    }
    hash
}

fn grouped<B: Block, E: Block>(root: &B, entries: &[E], seq: u64, flags: u8) -> Vec<u8> {
    let mut frame = vec![0; frame_len_with_group::<B, E>(entries.len())];
    let written = write_frame_with_group(root, entries, seq, flags, &mut frame);
    assert_eq!(
        written,
        Some(frame.len()),
        "the frame is as long as its group"
    );
    frame
}

/// The frame as a later version may send it: with `more` bytes at the end of its block.
pub(super) fn longer_block(frame: &[u8], more: usize) -> Vec<u8> {
    let block_len = u16::from_le_bytes([frame[6], frame[7]]);
    let mut longer = frame.to_vec();
    let end = 24 + usize::from(block_len);
    longer.splice(end..end, std::iter::repeat_n(0xee, more));
    let frame_len = longer.len() as u32;
    longer[..4].copy_from_slice(&frame_len.to_le_bytes());
    longer[6..8].copy_from_slice(&(block_len + more as u16).to_le_bytes());
    longer[9] = 2;
    longer
}

/// The frame with `more` bytes at the end of each entry of its group.
pub(super) fn longer_entries(frame: &[u8], more: usize) -> Vec<u8> {
    let block_len = u16::from_le_bytes([frame[6], frame[7]]);
    let group = 24 + usize::from(block_len);
    let entry_len = usize::from(u16::from_le_bytes([frame[group], frame[group + 1]]));
    let mut longer = frame[..group + 8].to_vec();
    for entry in frame[group + 8..].chunks(entry_len) {
        longer.extend_from_slice(entry);
        longer.extend(std::iter::repeat_n(0xee, more));
    }
    let frame_len = longer.len() as u32;
    longer[..4].copy_from_slice(&frame_len.to_le_bytes());
    longer[group..group + 2].copy_from_slice(&((entry_len + more) as u16).to_le_bytes());
    longer
}

/// A frame whose template version 1 does not know, with the bytes of this one.
pub(super) fn unknown_template(frame: &[u8]) -> Vec<u8> {
    let mut unknown = frame.to_vec();
    unknown[4..6].copy_from_slice(&900_u16.to_le_bytes());
    unknown[9] = 2;
    unknown
}

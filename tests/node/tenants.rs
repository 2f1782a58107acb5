//! What belongs to another tenant does not exist: every message that can name it, tried with an id of
//! another tenant and with an id of nobody, is answered with the same bytes.

use crate::support::*;
use souk_protocol::message::*;
use souk_protocol::*;

/// Every message to or about a market, naming this market, account and order.
fn messages(market: u32, account: u32, order_id: u64) -> Vec<(&'static str, Vec<u8>)> {
    let (market, account) = (MarketId(market), AccountId(account));
    let order_id = OrderId(order_id);
    let orig_cl_ord_id = ClOrdId(0);
    let order = NewOrder {
        market,
        account,
        ..limit(900, 1, Side::Buy, 5, 1)
    };
    let cancel = CancelOrder {
        orig_cl_ord_id,
        order_id,
        market,
        account,
    };
    let replace = ReplaceOrder {
        cl_ord_id: ClOrdId(0),
        orig_cl_ord_id,
        order_id,
        price: Price(6),
        total_qty: Qty(2),
        market,
        account,
    };
    let status = OrderStatusRequest {
        orig_cl_ord_id,
        order_id,
        market,
        account,
    };
    let mass = MassCancel {
        market,
        account,
        side: None,
        reserved: Reserved,
    };
    let entry = BatchEntry::from(CancelOrder { ..cancel });
    let root = Batch {
        market,
        mode: BatchMode::Independent,
        reserved: Reserved,
    };
    let mut batch = vec![0; frame_len_with_group::<Batch, BatchEntry>(1)];
    write_frame_with_group(&root, &[entry], 1, 0, &mut batch).unwrap();
    let reserved = Reserved;
    vec![
        ("new order", order.frame(1).to_vec()),
        ("cancel", cancel.frame(1).to_vec()),
        ("replace", replace.frame(1).to_vec()),
        ("mass cancel", mass.frame(1).to_vec()),
        ("order status", status.frame(1).to_vec()),
        ("batch", batch),
        ("join", JoinMarket { market, reserved }.frame(0).to_vec()),
        ("subscribe", subscribe(market, SUBSCRIBE_DEPTH)),
        ("snapshot", subscribe(market, SUBSCRIBE_SNAPSHOT_ONLY)),
        (
            "unsubscribe",
            Unsubscribe { market, reserved }.frame(0).to_vec(),
        ),
    ]
}

fn subscribe(market: MarketId, flags: u8) -> Vec<u8> {
    let reserved = Reserved;
    let subscribe = Subscribe {
        market,
        flags,
        reserved,
    };
    subscribe.frame(0).to_vec()
}

/// The first answer to a message on a session of its own, without what it quotes of the ids and
/// the time.
fn answer(server: &souk::server::Server, key: u32, session: u16, frame: &[u8]) -> (u16, Vec<u8>) {
    let mut wire = Wire::connect(server.address());
    let ack = wire.log_on(key, session, now_ns());
    assert!(
        matches!(ack.message(), ServerMessage::LogonAck(..)),
        "{ack:?}"
    );
    wire.send(frame);
    let got = wire.next();
    let template = got.frame().header.template_id;
    let bytes = match got.message() {
        ServerMessage::SessionReject(mut reject) => {
            reject.market = MarketId(0);
            reject.frame(got.seq()).to_vec()
        }
        ServerMessage::Rejected(mut rejected) => {
            rejected.transact_time = 0;
            rejected.order_id = OrderId(0);
            rejected.market = MarketId(0);
            rejected.frame(got.seq()).to_vec()
        }
        other => panic!("{other:?} tells that something is there"),
    };
    (template, bytes)
}

/// Asks with foreign ids and with nobody's; both must be refused alike. Each question has a session
/// of its own, numbered from `first_session`.
fn alike(
    server: &souk::server::Server,
    key: u32,
    first_session: u16,
    foreign: &[(&'static str, Vec<u8>)],
    nobodys: &[(&'static str, Vec<u8>)],
) {
    for (index, ((name, theirs), (_, none))) in foreign.iter().zip(nobodys).enumerate() {
        let session = first_session + 2 * index as u16;
        assert_eq!(
            answer(server, key, session, theirs),
            answer(server, key, session + 1, none),
            "{name}"
        );
    }
}

#[test]
fn a_market_of_another_tenant_is_a_market_of_nobody() {
    let server = start("");
    // Market 2 is acme's alone; key 3 is globex's.
    alike(
        &server,
        3,
        100,
        &messages(2, 1, 1),
        &messages(4_000_000_000, 1, 1),
    );
}

#[test]
fn an_account_of_another_tenant_is_an_account_of_nobody() {
    let server = start("");
    let about_accounts = |account| {
        let mut all = messages(1, account, 1);
        all.truncate(6);
        all
    };
    // Account 77 is globex's alone; key 1 is acme's, and may use account 1 only: 2 is another
    // user's of the same tenant.
    alike(
        &server,
        1,
        100,
        &about_accounts(77),
        &about_accounts(4_000_000_000),
    );
    alike(
        &server,
        1,
        200,
        &about_accounts(2),
        &about_accounts(4_000_000_000),
    );
}

#[test]
fn an_order_of_another_tenant_or_account_is_an_order_of_nobody() {
    let server = start("");
    let enter = |key, account| {
        let mut wire = Wire::logged_on(server.address(), key);
        // The second order's id is one that the other tenant's market has not given yet.
        let orders = [
            limit(1, account, Side::Buy, 5, 1),
            limit(2, account, Side::Buy, 5, 1),
        ];
        wire.send(&[orders[0].frame(1), orders[1].frame(2)].concat());
        let _ = wire.next();
        let got = wire.next();
        let ServerMessage::Accepted(accepted) = got.message() else {
            panic!("{got:?}")
        };
        accepted.order_id.0
    };
    let theirs = enter(3, 1);
    let by_order = |order_id| {
        let mut all = messages(1, 1, order_id);
        all.retain(|(name, _)| ["cancel", "replace", "order status", "batch"].contains(name));
        all
    };
    alike(&server, 1, 100, &by_order(theirs), &by_order(u64::MAX));
    // Now acme's market has given the same id, to another account.
    assert_eq!(enter(2, 2), theirs);
    alike(&server, 1, 200, &by_order(theirs), &by_order(u64::MAX));
}

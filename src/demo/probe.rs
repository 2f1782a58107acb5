//! The proof of isolation: what would trade, or be seen, if the two tenants shared anything.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use souk_loadgen::connection::Connection;
use souk_protocol::message::{CancelOrder, NewOrder};
use souk_protocol::{
    AccountId, Amount, ClOrdId, Code, MarketId, OrderId, OrderType, PostOnly, Price, Qty,
    RejectReason, Reserved, ServerMessage, Side, StpMode, StpScope, TimeInForce,
};

use super::{DemoKey, TENANTS, log_on};

/// GOLD-USDT, which nobody but the probes trades.
const QUIET_MARKET: MarketId = MarketId(2);
const ACCOUNT: AccountId = AccountId(6);
const PATIENCE: Duration = Duration::from_secs(5);

/// What a market said to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accepted(OrderId),
    Traded,
    Canceled(Qty),
    Rejected(Code),
}

/// Enters a sell in one tenant and a buy above it in the other, in the same pair; then one tries to
/// cancel the other's order. Gives the story in lines.
pub(super) fn prove_isolation(
    address: SocketAddr,
    seller: &DemoKey,
    buyer: &DemoKey,
) -> anyhow::Result<Vec<String>> {
    let mut seller = log_on(address, seller, 0)?;
    let mut buyer = log_on(address, buyer, 0)?;
    // Ids are given market by market. One order more before the sell, and the buyer's market has
    // never given the sell's id.
    ask(&mut seller, &order(Side::Sell, 1_000).frame(1))?;
    ask(&mut seller, &cancel(OrderId(0), ClOrdId(1)).frame(2))?;
    let sell = ask(&mut seller, &order(Side::Sell, 1_000).frame(3))?;
    let Answer::Accepted(theirs) = sell else {
        bail!("the probe's sell was answered with {sell:?}");
    };
    let buy = ask(&mut buyer, &order(Side::Buy, 2_000).frame(1))?;
    ensure!(
        matches!(buy, Answer::Accepted(_)),
        "the probe's buy was answered with {buy:?}"
    );
    let stolen = ask(&mut buyer, &cancel(theirs, ClOrdId(0)).frame(2))?;
    let nobodys = ask(&mut buyer, &cancel(OrderId(u64::MAX), ClOrdId(0)).frame(3))?;
    let unknown = Answer::Rejected(Code::from(RejectReason::UnknownOrder));
    ensure!(
        (stolen, nobodys) == (unknown, unknown),
        "another tenant's order is answered with {stolen:?}, nobody's with {nobodys:?}"
    );
    for (connection, seq, name) in [(&mut seller, 4, "sell"), (&mut buyer, 4, "buy")] {
        let rested = ask(connection, &cancel(OrderId(0), ClOrdId(1)).frame(seq))?;
        ensure!(
            rested == Answer::Canceled(Qty(5)),
            "the {name} did not rest untouched: {rested:?}"
        );
    }
    let [acme, globex] = TENANTS;
    Ok(vec![
        "proof of isolation, in the pair GOLD-USDT of both tenants:".to_owned(),
        format!(
            "  {acme} sells 5 lots at 10.00, {globex} buys 5 lots at 20.00: no trade, both rested in full"
        ),
        format!(
            "  {globex} cancels by the id of {acme}'s order: UnknownOrder, as for an id that never was"
        ),
    ])
}

/// Sends one message and gives the first report on it.
fn ask(connection: &mut Connection, frame: &[u8]) -> anyhow::Result<Answer> {
    connection.send(frame)?;
    let mut answer = None;
    while answer.is_none() {
        let frames = connection.next_frames(PATIENCE, |message, _| {
            let next = match message {
                ServerMessage::Accepted(accepted) => Some(Answer::Accepted(accepted.order_id)),
                ServerMessage::Trade(_) => Some(Answer::Traded),
                ServerMessage::Canceled(canceled) => Some(Answer::Canceled(canceled.qty)),
                ServerMessage::Rejected(rejected) => Some(Answer::Rejected(rejected.code)),
                _ => None,
            };
            answer = match (answer, next) {
                (_, Some(Answer::Traded)) => Some(Answer::Traded),
                (None, next) => next,
                (first, _) => first,
            };
        })?;
        ensure!(frames > 0, "a probe got no answer in {PATIENCE:?}");
    }
    answer.context("the loop ends with an answer")
}

const fn order(side: Side, price: i64) -> NewOrder {
    NewOrder {
        cl_ord_id: ClOrdId(1),
        price: Price(price),
        qty: Qty(5),
        budget: Amount(0),
        market: QUIET_MARKET,
        account: ACCOUNT,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::No,
        stp_mode: StpMode::None,
        stp_scope: StpScope::Account,
        reserved: Reserved,
    }
}

const fn cancel(order_id: OrderId, orig_cl_ord_id: ClOrdId) -> CancelOrder {
    CancelOrder {
        orig_cl_ord_id,
        order_id,
        market: QUIET_MARKET,
        account: ACCOUNT,
    }
}

//! A step as Rust text, to be pasted into a test.

use super::Step;
use souk_engine::{Command, OrderRef};

pub fn rust_text(step: &Step) -> String {
    let command = match &step.command {
        Command::New(n) => format!(
            "New(NewOrder {{ cl_ord_id: {:?}, account: {:?}, session: {:?}, side: Side::{:?}, \
             order_type: OrderType::{:?}, time_in_force: TimeInForce::{:?}, \
             post_only: PostOnly::{:?}, price: {:?}, qty: {:?}, budget: {:?}, \
             stp_mode: StpMode::{:?}, stp_scope: StpScope::{:?}, stp_group: {:?}, \
             fee_tier: {:?} }})",
            n.cl_ord_id,
            n.account,
            n.session,
            n.side,
            n.order_type,
            n.time_in_force,
            n.post_only,
            n.price,
            n.qty,
            n.budget,
            n.stp_mode,
            n.stp_scope,
            n.stp_group,
            n.fee_tier
        ),
        Command::Cancel(c) => {
            format!(
                "Cancel(CancelOrder {{ account: {:?}, {} }})",
                c.account,
                order_text(c.order)
            )
        }
        Command::Replace(r) => format!(
            "Replace(ReplaceOrder {{ account: {:?}, session: {:?}, {}, cl_ord_id: {:?}, \
             price: {:?}, total_qty: {:?} }})",
            r.account,
            r.session,
            order_text(r.order),
            r.cl_ord_id,
            r.price,
            r.total_qty
        ),
        Command::MassCancel(m) => {
            let side = m
                .side
                .map_or("None".to_owned(), |side| format!("Some(Side::{side:?})"));
            format!(
                "MassCancel(MassCancel {{ account: {:?}, side: {side}, session: {:?}, reason: \
                 CancelReason::{:?} }})",
                m.account, m.session, m.reason
            )
        }
        Command::Status(s) => {
            format!(
                "Status(OrderStatus {{ account: {:?}, {} }})",
                s.account,
                order_text(s.order)
            )
        }
        Command::AddFees(rates) => format!("AddFees({rates:?})"),
        Command::SetLimits(limits) => format!("SetLimits({limits:?})"),
        Command::SetState(state) => format!("SetState(MarketState::{state:?})"),
    };
    let funding = step
        .funding
        .map_or(String::new(), |funding| format!("    fund({funding:?}),\n"));
    let levels = if step.levels { " // with levels" } else { "" };
    format!("{funding}    Command::{command},{levels}\n")
}

fn order_text(order: OrderRef) -> String {
    let OrderRef {
        order_id,
        cl_ord_id,
    } = order;
    let (generation, slot) = (order_id.0 >> 32, order_id.0 & 0xffff_ffff);
    if cl_ord_id.0 == 0 && order_id.0 != 0 {
        return format!("order: by_id(OrderId(({generation} << 32) + {slot}))");
    }
    format!("order: OrderRef {{ order_id: {order_id:?}, cl_ord_id: {cl_ord_id:?} }}")
}

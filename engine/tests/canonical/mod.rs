//! Events as bytes that mean the same for ever, for golden hashes: every field as a little-endian
//! u64, in the order of its declaration.

use souk_engine::{Event, OrderView};

pub fn write(event: &Event, bytes: &mut Vec<u8>) {
    let words = match event {
        Event::Accepted(a) => vec![1, a.order_id.0, a.price.0.cast_unsigned()],
        Event::Rejected(reason) => vec![2, u64::from(reason.code())],
        Event::Trade(t) => [
            &[3, t.match_id.0, t.price.0.cast_unsigned(), t.qty.0],
            &view(&t.maker)[..],
            &view(&t.taker)[..],
        ]
        .concat(),
        Event::Canceled(c) => {
            let rest = [c.price.0.cast_unsigned(), c.reason as u64];
            [&[4], &view(&c.order)[..], &rest].concat()
        }
        Event::Replaced(r) => {
            let rest = [
                r.orig_cl_ord_id.0,
                r.price.0.cast_unsigned(),
                r.old_price.0.cast_unsigned(),
                r.old_leaves.0,
                u64::from(r.kept_priority),
            ];
            [&[5], &view(&r.order)[..], &rest].concat()
        }
        Event::SelfTradePrevented(p) => {
            let first = [6, p.qty.0, p.price.0.cast_unsigned()];
            [&first, &view(&p.maker)[..], &view(&p.taker)[..]].concat()
        }
        Event::MassCanceled { count } => vec![7, u64::from(*count)],
        Event::Status(s) => {
            let rest = [s.price.0.cast_unsigned(), s.stp_mode as u64];
            [&[8], &view(&s.order)[..], &rest].concat()
        }
        Event::StateChanged(state) => vec![9, *state as u64],
        Event::Level(l) => {
            vec![
                10,
                l.side as u64,
                l.price.0.cast_unsigned(),
                l.qty.0,
                u64::from(l.orders),
            ]
        }
        Event::FeesAdded { tier } => vec![11, u64::from(tier.0)],
        Event::LimitsChanged => vec![12],
    };
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn view(order: &OrderView) -> [u64; 8] {
    [
        order.order_id.0,
        order.cl_ord_id.0,
        u64::from(order.account.0),
        u64::from(order.session.0),
        order.side as u64,
        order.leaves.0,
        order.cum.0,
        u64::from(order.fee_tier.0),
    ]
}

//! Rows of orders and trades.

use rusqlite::params;
use souk_engine::{NewOrder, OrderView, Trade, TradeMoney};
use souk_protocol::{CancelReason, Code, OrderType, Price, Qty, Side, TimeInForce};

use super::{At, Writer, Written};
use crate::history::MINUTE_NS;
use crate::history::rows::Happened;
use crate::history::schema::{CANCELED, FILLED, OPEN, REJECTED};

/// A line of an order's story.
struct Line {
    id: i64,
    what: i64,
    price: Price,
    qty: Qty,
    leaves: Qty,
    reason: i64,
}

/// What a line of an order's story tells.
pub(in crate::history) mod what {
    pub const ENTERED: i64 = 1;
    pub const TRADED: i64 = 2;
    pub const CANCELED: i64 = 3;
    pub const REPLACED: i64 = 4;
    pub const PREVENTED: i64 = 5;
}

impl Writer<'_> {
    pub(super) fn happened(&mut self, at: At, happened: &Happened) -> Written {
        match happened {
            Happened::Entered { order, accepted } => {
                let id = accepted.order_id.0.cast_signed();
                self.order(at, id, order, accepted.price, OPEN, 0)?;
                self.line(
                    at,
                    &line(id, what::ENTERED, accepted.price, order.qty, order.qty),
                )
            }
            Happened::Refused { order, reason } => {
                let reason = i64::from(Code::from(*reason).0);
                self.order(at, 0, order, order.price, REJECTED, reason)
            }
            Happened::Traded { trade, money } => self.traded(at, trade, money),
            Happened::Canceled(canceled) => {
                let order = &canceled.order;
                let reason = canceled.reason as i64;
                self.left(at, order, Qty(0), CANCELED, reason)?;
                let id = order.order_id.0.cast_signed();
                let line = line(id, what::CANCELED, canceled.price, order.leaves, Qty(0));
                self.line(at, &Line { reason, ..line })
            }
            Happened::Replaced(replaced) => {
                let order = &replaced.order;
                let id = order.order_id.0.cast_signed();
                self.run(
                    "UPDATE orders SET price = ?4, leaves = ?5, qty = executed + ?5, cl_ord_id = ?6, session = ?7,
                     updated_at = ?8 WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
                    params![
                        at.tenant,
                        at.market,
                        id,
                        replaced.price.0,
                        order.leaves.0.cast_signed(),
                        order.cl_ord_id.0.cast_signed(),
                        order.session.0,
                        at.at
                    ],
                )?;
                let total = Qty(order.cum.0 + order.leaves.0);
                self.line(
                    at,
                    &line(id, what::REPLACED, replaced.price, total, order.leaves),
                )
            }
            Happened::Prevented(prevented) => {
                for order in [&prevented.maker, &prevented.taker] {
                    let id = order.order_id.0.cast_signed();
                    let gone = order.leaves == Qty(0);
                    let state = if gone { CANCELED } else { OPEN };
                    let reason = CancelReason::SelfTrade as i64;
                    self.left(at, order, order.leaves, state, reason)?;
                    let line = line(
                        id,
                        what::PREVENTED,
                        prevented.price,
                        prevented.qty,
                        order.leaves,
                    );
                    self.line(at, &Line { reason, ..line })?;
                }
                Ok(())
            }
            Happened::Gap => self.run(
                "UPDATE orders SET state = 3, leaves = 0, reason = 0, updated_at = ?3
                 WHERE tenant = ?1 AND market = ?2 AND state = 1",
                params![at.tenant, at.market, at.at],
            ),
            Happened::Rests { order, price } => self.rests(at, order, *price),
            Happened::State(state) => self.run(
                "INSERT INTO states (tenant, market, state, at) VALUES (?1, ?2, ?3, ?4)",
                params![at.tenant, at.market, *state as u8, at.at],
            ),
        }
    }

    /// An order that came in a gap, or was there before it: what can be told of it is what the book has.
    fn rests(&mut self, at: At, order: &OrderView, price: Price) -> Written {
        let total = order.cum.0 + order.leaves.0;
        self.run(
            "INSERT INTO orders (tenant, market, id, cl_ord_id, account, session, side, type, time_in_force, price, qty, budget,
             executed, leaves, value_high, value_low, state, reason, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13, -1, 0, 1, 0, ?14, ?14)
             ON CONFLICT (tenant, market, id) WHERE id != 0 DO UPDATE SET price = excluded.price, qty = excluded.qty,
             executed = excluded.executed, leaves = excluded.leaves, value_high = -1, state = 1, reason = 0,
             cl_ord_id = excluded.cl_ord_id, session = excluded.session, updated_at = excluded.updated_at",
            params![
                at.tenant,
                at.market,
                order.order_id.0.cast_signed(),
                order.cl_ord_id.0.cast_signed(),
                order.account.0,
                order.session.0,
                order.side as u8,
                OrderType::Limit as u8,
                TimeInForce::Gtc as u8,
                price.0,
                total.cast_signed(),
                order.cum.0.cast_signed(),
                order.leaves.0.cast_signed(),
                at.at
            ],
        )
    }

    fn order(
        &mut self,
        at: At,
        id: i64,
        order: &NewOrder,
        price: Price,
        state: i64,
        reason: i64,
    ) -> Written {
        let qty = order.qty.0.cast_signed();
        let leaves = if state == OPEN { qty } else { 0 };
        self.run(
            "INSERT INTO orders (tenant, market, id, cl_ord_id, account, session, side, type, time_in_force, price, qty, budget,
             executed, leaves, value_high, value_low, state, reason, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, 0, 0, ?14, ?15, ?16, ?16)",
            params![
                at.tenant,
                at.market,
                id,
                order.cl_ord_id.0.cast_signed(),
                order.account.0,
                order.session.0,
                order.side as u8,
                order.order_type as u8,
                order.time_in_force as u8,
                price.0,
                qty,
                order.budget.0.cast_signed(),
                leaves,
                state,
                reason,
                at.at
            ],
        )
    }

    /// An order has this many lots left, for another reason than a trade.
    fn left(&mut self, at: At, order: &OrderView, leaves: Qty, state: i64, reason: i64) -> Written {
        self.run(
            "UPDATE orders SET leaves = ?4, state = ?5, reason = iif(?5 = 3, ?6, reason), updated_at = ?7
             WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
            params![
                at.tenant,
                at.market,
                order.order_id.0.cast_signed(),
                leaves.0.cast_signed(),
                state,
                reason,
                at.at
            ],
        )
    }

    fn traded(&mut self, at: At, trade: &Trade, money: &TradeMoney) -> Written {
        for order in [&trade.maker, &trade.taker] {
            self.filled(at, trade, order)?;
        }
        let (maker, taker) = (
            (&trade.maker, money.maker_fee),
            (&trade.taker, money.taker_fee),
        );
        let (buyer, seller) = match trade.taker.side {
            Side::Buy => (taker, maker),
            Side::Sell => (maker, taker),
        };
        let (qty, notional) = (saturated(trade.qty.0), saturated(money.notional.0));
        self.run(
            "INSERT INTO trades (tenant, market, id, at, price, qty, notional, taker_side, buyer, seller, buyer_order,
             seller_order, buyer_fee, seller_fee) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                at.tenant,
                at.market,
                trade.match_id.0.cast_signed(),
                at.at,
                trade.price.0,
                qty,
                notional,
                trade.taker.side as u8,
                buyer.0.account.0,
                seller.0.account.0,
                buyer.0.order_id.0.cast_signed(),
                seller.0.order_id.0.cast_signed(),
                buyer.1,
                seller.1
            ],
        )?;
        // A sum that does not fit stays at the highest value, and never becomes a float.
        self.run(
            "INSERT INTO minutes VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?6, ?6, ?6) ON CONFLICT DO UPDATE SET
             trades = trades + 1,
             qty = iif(qty > 9223372036854775807 - ?4, 9223372036854775807, qty + ?4),
             notional = iif(notional > 9223372036854775807 - ?5, 9223372036854775807, notional + ?5),
             high = max(high, ?6), low = min(low, ?6), last_price = ?6",
            params![
                at.tenant,
                at.market,
                (at.at.cast_unsigned() / MINUTE_NS).cast_signed(),
                qty,
                notional,
                trade.price.0
            ],
        )
    }

    fn filled(&mut self, at: At, trade: &Trade, order: &OrderView) -> Written {
        let id = order.order_id.0.cast_signed();
        let value = i128::from(trade.price.0) * i128::from(trade.qty.0);
        let (high, low) = (value >> 32, value & 0xffff_ffff);
        // -1 from the first trade on that is too large to be added up.
        let high = i64::try_from(high).ok().filter(|high| *high < 1 << 58);
        self.run(
            "UPDATE orders SET executed = ?4, leaves = ?5, state = iif(?5 = 0, ?6, state),
             value_high = iif(value_high < 0 OR ?7 < 0 OR value_high >= 1 << 61, -1, value_high + ?7 + ((value_low + ?8) >> 32)),
             value_low = (value_low + ?8) & 4294967295, updated_at = ?9
             WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
            params![
                at.tenant,
                at.market,
                id,
                order.cum.0.cast_signed(),
                order.leaves.0.cast_signed(),
                FILLED,
                high.unwrap_or(-1),
                low as i64,
                at.at
            ],
        )?;
        self.line(
            at,
            &line(id, what::TRADED, trade.price, trade.qty, order.leaves),
        )
    }

    fn line(&mut self, at: At, line: &Line) -> Written {
        self.run(
            "INSERT INTO order_events (tenant, market, id, stream_seq, at, what, price, qty, leaves, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                at.tenant,
                at.market,
                line.id,
                at.seq,
                at.at,
                line.what,
                line.price.0,
                line.qty.0.cast_signed(),
                line.leaves.0.cast_signed(),
                line.reason
            ],
        )
    }
}

const fn line(id: i64, what: i64, price: Price, qty: Qty, leaves: Qty) -> Line {
    Line {
        id,
        what,
        price,
        qty,
        leaves,
        reason: 0,
    }
}

/// A count that tables can keep: 2^63 - 1 stands for that or more.
fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

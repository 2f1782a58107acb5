//! Rows of orders and trades.

use souk_engine::{NewOrder, OrderView, Trade, TradeMoney};
use souk_protocol::{CancelReason, Code, OrderType, Price, Qty, Side, TimeInForce};

use super::{At, Writer, Written};
use crate::history::MINUTE_NS;
use crate::history::rows::Happened;
use crate::history::schema::{CANCELED, FILLED, OPEN, REJECTED};
use crate::tables::values;

/// A line of an order's story.
struct Line {
    id: i64,
    what: i64,
    price: Price,
    qty: Qty,
    leaves: Qty,
    reason: i64,
}

const INSERT_ORDER: &str = "INSERT INTO orders (number, tenant, market, id, cl_ord_id, account, session, side, type, \
     time_in_force, price, qty, budget, executed, leaves, value_high, value_low, state, reason, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?20)";

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
                    values![
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
                values![at.tenant, at.market, at.at],
            ),
            Happened::Rests { order, price } => self.rests(at, order, *price),
            Happened::State(state) => {
                let number = self.number();
                self.run(
                    "INSERT INTO states (number, tenant, market, state, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                    values![number, at.tenant, at.market, *state as u8, at.at],
                )
            }
        }
    }

    /// An order that came in a gap, or was there before it: what can be told of it is what the book has.
    fn rests(&mut self, at: At, order: &OrderView, price: Price) -> Written {
        let total = order.cum.0 + order.leaves.0;
        let changed = self.session.execute(
            "UPDATE orders SET price = ?4, qty = ?5, executed = ?6, leaves = ?7, value_high = -1, state = 1, reason = 0,
             cl_ord_id = ?8, session = ?9, updated_at = ?10 WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
            values![
                at.tenant,
                at.market,
                order.order_id.0.cast_signed(),
                price.0,
                total.cast_signed(),
                order.cum.0.cast_signed(),
                order.leaves.0.cast_signed(),
                order.cl_ord_id.0.cast_signed(),
                order.session.0,
                at.at
            ],
        )?;
        if changed > 0 {
            return Ok(());
        }
        let number = self.number();
        self.run(
            INSERT_ORDER,
            values![
                number,
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
                0,
                order.cum.0.cast_signed(),
                order.leaves.0.cast_signed(),
                -1,
                0,
                OPEN,
                0,
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
        let number = self.number();
        self.run(
            INSERT_ORDER,
            values![
                number,
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
                0,
                leaves,
                0,
                0,
                state,
                reason,
                at.at
            ],
        )
    }

    /// An order has this many lots left, for another reason than a trade.
    fn left(&mut self, at: At, order: &OrderView, leaves: Qty, state: i64, reason: i64) -> Written {
        self.run(
            "UPDATE orders SET leaves = ?4, state = ?5, reason = CASE WHEN ?5 = 3 THEN ?6 ELSE reason END, updated_at = ?7
             WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
            values![
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
        let number = self.number();
        self.trades.add(values![
            number,
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
        ]);
        // A sum that does not fit stays at the highest value, and never becomes a float.
        let sql = format!(
            "INSERT INTO minutes (tenant, market, minute, trades, qty, notional, first_price, high, low, last_price)
             VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?6, ?6, ?6) {}
             trades = minutes.trades + 1,
             qty = CASE WHEN minutes.qty > 9223372036854775807 - ?4 THEN 9223372036854775807 ELSE minutes.qty + ?4 END,
             notional = CASE WHEN minutes.notional > 9223372036854775807 - ?5 THEN 9223372036854775807 ELSE minutes.notional + ?5 END,
             high = CASE WHEN minutes.high > ?6 THEN minutes.high ELSE ?6 END,
             low = CASE WHEN minutes.low < ?6 THEN minutes.low ELSE ?6 END, last_price = ?6",
            self.dialect.on_conflict("tenant, market, minute")
        );
        self.run(
            &sql,
            values![
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
            "UPDATE orders SET executed = ?4, leaves = ?5, state = CASE WHEN ?5 = 0 THEN ?6 ELSE state END,
             value_high = CASE WHEN value_high < 0 OR ?7 < 0 OR value_high >= 2305843009213693952 THEN -1
             ELSE value_high + ?7 + ((value_low + ?8) >> 32) END,
             value_low = (value_low + ?8) & 4294967295, updated_at = ?9
             WHERE tenant = ?1 AND market = ?2 AND id = ?3 AND id != 0",
            values![
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
        let number = self.number();
        self.events.add(values![
            number,
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
        ]);
        Ok(())
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

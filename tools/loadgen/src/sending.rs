//! Writing the workload's next command as a frame.

use souk_protocol::message::{CancelOrder, NewOrder, ReplaceOrder};
use souk_protocol::{
    Amount, ClOrdId, OrderType, PostOnly, Price, Qty, Reserved, StpScope, TimeInForce,
};

use crate::model::Op;
use crate::orders::NewTerms;
use crate::rng::Rng;
use crate::stream::{Common, Kind, MarketView, Sent, Stream, Times};

impl Stream {
    /// Writes the next command of the workload to `out`.
    #[inline]
    pub fn send_next(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        rng: &mut Rng,
        times: Times,
        out: &mut Vec<u8>,
    ) {
        let model = &common.model;
        let resting = view.venue.resting();
        let target = model.resting();
        // Commands are drawn by the table; the book is kept near the size that the table tells.
        let op = match model.op(rng) {
            Op::New if resting > target + target / 4 => Op::Cancel,
            Op::Cancel if resting < target / 2 => Op::New,
            op => op,
        };
        let changed = match op {
            Op::New | Op::Ioc => None,
            Op::Cancel | Op::Reduce | Op::Replace => {
                let age = model.age(rng) / self.orders_shared;
                self.orders.pick(age, rng)
            }
        };
        match (op, changed) {
            (Op::Ioc, _) if resting > 0 => self.send_new(common, view, rng, times, true, out),
            (Op::Cancel, Some(slot)) => self.send_cancel(common, slot, times, out),
            (Op::Reduce, Some(slot)) => self.send_reduce(common, view, slot, times, out),
            (Op::Replace, Some(slot)) => self.send_replace(common, view, rng, slot, times, out),
            _ => self.send_new(common, view, rng, times, false, out),
        }
    }

    fn send_new(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        rng: &mut Rng,
        times: Times,
        immediate: bool,
        out: &mut Vec<u8>,
    ) {
        let (side, price) = if immediate {
            view.venue.aggressive(&common.model, rng)
        } else {
            view.venue.passive(&common.model, rng)
        };
        let terms = NewTerms {
            account: self.account_choice.draw(rng) as u32,
            side,
            price,
            qty: view.venue.qty(&common.model, rng),
            immediate,
        };
        let Some(slot) = self.orders.enter(&terms) else {
            // A million open orders of one session: make room.
            if let Some(slot) = self.orders.pick(u32::MAX, rng) {
                self.send_cancel(common, slot, times, out);
            }
            return;
        };
        let message = NewOrder {
            cl_ord_id: self.orders.cl_ord_id(slot),
            price,
            qty: terms.qty,
            budget: Amount(0),
            market: self.market,
            account: self.accounts[terms.account as usize],
            side,
            order_type: OrderType::Limit,
            time_in_force: if immediate {
                TimeInForce::Ioc
            } else {
                TimeInForce::Gtc
            },
            post_only: PostOnly::No,
            stp_mode: common.stp_mode,
            stp_scope: StpScope::Account,
            reserved: Reserved,
        };
        common.tally.new_sent += 1;
        common.tally.ioc_sent += u64::from(immediate);
        out.extend_from_slice(&message.frame(self.next_seq));
        self.note_sent(common, times, Sent::about(slot, Kind::New));
    }

    fn send_cancel(&mut self, common: &mut Common, slot: u32, times: Times, out: &mut Vec<u8>) {
        let order = self.orders.at_mut(slot);
        order.busy = true;
        let message = CancelOrder {
            orig_cl_ord_id: ClOrdId(0),
            order_id: order.order_id,
            market: self.market,
            account: self.accounts[order.account as usize],
        };
        common.tally.cancel_sent += 1;
        out.extend_from_slice(&message.frame(self.next_seq));
        self.note_sent(common, times, Sent::about(slot, Kind::Cancel));
    }

    fn send_reduce(
        &mut self,
        common: &mut Common,
        view: &MarketView,
        slot: u32,
        times: Times,
        out: &mut Vec<u8>,
    ) {
        let order = self.orders.at(slot);
        let total = (order.cum.0 + order.leaves.0.div_ceil(2)).max(view.venue.qty_min());
        let price = order.price;
        self.send_change(common, slot, price, Qty(total), times, out);
    }

    fn send_replace(
        &mut self,
        common: &mut Common,
        view: &mut MarketView,
        rng: &mut Rng,
        slot: u32,
        times: Times,
        out: &mut Vec<u8>,
    ) {
        let order = *self.orders.at(slot);
        let price = view.venue.passive_on(order.side, &common.model, rng);
        let total = Qty(order.cum.0 + view.venue.qty(&common.model, rng).0);
        let total = Qty(total.0.min(view.venue.qty_max()));
        self.send_change(common, slot, price, total, times, out);
    }

    fn send_change(
        &mut self,
        common: &mut Common,
        slot: u32,
        price: Price,
        total_qty: Qty,
        times: Times,
        out: &mut Vec<u8>,
    ) {
        let order = self.orders.at_mut(slot);
        order.busy = true;
        let message = ReplaceOrder {
            cl_ord_id: ClOrdId(0),
            orig_cl_ord_id: ClOrdId(0),
            order_id: order.order_id,
            price,
            total_qty,
            market: self.market,
            account: self.accounts[order.account as usize],
        };
        common.tally.replace_sent += 1;
        out.extend_from_slice(&message.frame(self.next_seq));
        let mut sent = Sent::about(slot, Kind::Replace);
        sent.total_qty = total_qty;
        sent.price = price;
        self.note_sent(common, times, sent);
    }
}

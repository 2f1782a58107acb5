//! What must always be true of a market, checked in full.

use crate::accounts::AccountSlot;
use crate::level::Rank;
use crate::market::{Market, index};
use souk_protocol::{Qty, Side};

impl Market {
    /// Checks every rule that ties the parts of the market together. Reads everything: for tests
    /// and snapshots.
    ///
    /// # Panics
    /// With the rule that does not hold, which is a bug in the engine.
    pub fn check_invariants(&self) {
        let (bid, ask) = (self.best(Side::Buy), self.best(Side::Sell));
        if let (Some(bid), Some(ask)) = (bid, ask) {
            assert!(
                bid < ask,
                "a book is never crossed or locked: {bid} >= {ask}"
            );
        }
        let resting = self.check_side(Side::Buy) + self.check_side(Side::Sell);
        assert_eq!(resting, self.open.count, "every open order rests");
        self.check_slots();
        self.check_accounts();
    }

    /// Checks the levels and queues of one side and gives the number of its orders.
    fn check_side(&self, side: Side) -> u32 {
        let book = &self.sides[index(side)];
        book.check_invariants();
        let (mut qty, mut orders, mut last) = (0, 0, None);
        for (rank, level) in self.ranked_levels(side) {
            assert!(last < Some(rank), "levels are ranked from the best");
            last = Some(rank);
            assert!(level.orders > 0, "a level has orders");
            let (mut level_qty, mut level_orders, mut prev) = (0, 0, None);
            for slot in self.queue(level) {
                let order = &self.open.orders[slot];
                assert_eq!(book.rank(order.price), rank, "an order is at its price");
                assert_eq!(order.flags.side(), side, "an order is on its side");
                assert!(order.leaves.0 > 0, "a resting order has leaves");
                assert!(
                    prev.is_none_or(|prev| prev == order.prev),
                    "a queue is linked both ways"
                );
                prev = Some(slot);
                level_qty += order.leaves.0;
                level_orders += 1;
                assert!(level_orders <= level.orders, "a queue ends");
            }
            assert_eq!(
                level.qty,
                Qty(level_qty),
                "a level's quantity is its orders' leaves"
            );
            assert_eq!(level.orders, level_orders, "a level counts its orders");
            qty += level_qty;
            orders += level_orders;
        }
        assert_eq!(book.qty(), Qty(qty), "a side's quantity is its levels'");
        assert_eq!(
            last.is_none(),
            book.best() == Rank::NONE,
            "an empty side has no best"
        );
        orders
    }

    fn check_slots(&self) {
        let free = self.open.orders.free_slots();
        let free = free.inspect(|&slot| {
            assert_eq!(
                self.open.orders[slot].account,
                AccountSlot::NONE,
                "a free slot has no account"
            );
        });
        let retired = self.open.orders.retired();
        let slots = free.count() as u64 + u64::from(self.open.count) + u64::from(retired);
        assert_eq!(
            slots,
            u64::from(self.open.orders.len()),
            "a slot is open, free or retired"
        );
    }

    fn check_accounts(&self) {
        let (mut open, mut busy, mut named) = (0, 0, 0);
        for (account, entry) in self.open.accounts.iter() {
            assert_eq!(
                self.open.accounts.find(entry.id),
                account,
                "an account is found"
            );
            open += entry.open;
            busy += u32::from(entry.open > 0);
            let (mut slot, mut prev) = (entry.first, None);
            for _ in 0..entry.open {
                let order = &self.open.orders[slot];
                assert_eq!(order.account, account, "an order is in its account's list");
                assert!(
                    prev.is_none_or(|prev| prev == order.account_prev),
                    "an account's list is linked both ways"
                );
                if order.cl_ord_id.0 != 0 {
                    let found = self.open.find_client(entry.id, order.cl_ord_id);
                    assert_eq!(
                        found,
                        Some(slot),
                        "an order is found by its client order id"
                    );
                    named += 1;
                }
                prev = Some(slot);
                slot = order.account_next;
            }
            if entry.open > 0 {
                assert_eq!(
                    prev,
                    Some(entry.last),
                    "an account's list ends with its last order"
                );
            }
        }
        assert_eq!(
            open, self.open.count,
            "every open order is in an account's list"
        );
        assert_eq!(
            self.open.clients.len(),
            named,
            "only open orders have client order ids"
        );
        assert_eq!(
            self.open.accounts.busy(),
            busy,
            "the busy accounts are counted"
        );
    }
}

//! The order that takes, and what it must not trade with.

use crate::accounts::AccountSlot;
use crate::level::Rank;
use crate::orders::Order;
use crate::{FeeTier, OrderView};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderId, Price, Qty, SessionId, Side, StpGroup, StpMode, StpScope,
};

/// An order while it takes: a new one, or one whose replace lost priority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub order_id: OrderId,
    pub cl_ord_id: ClOrdId,
    pub account: AccountId,
    pub session: SessionId,
    pub side: Side,
    pub leaves: Qty,
    pub cum: Qty,
    /// Its limit price, after a slide the price it slid to; 0 for none.
    pub price: Price,
    /// The worst rank of the other side that it takes.
    pub limit: Rank,
    /// What it may still spend, if that is bounded.
    pub budget: Option<Amount>,
    pub stp_mode: StpMode,
    pub owner: Owner,
    pub fee_tier: FeeTier,
}

/// Whose orders self-trade prevention keeps a taker from trading with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    /// None if there is nothing to prevent.
    account: AccountSlot,
    /// 0 if the group does not matter.
    group: StpGroup,
}

impl Owner {
    /// The owner of an order. `account` is its account's entry, if there is one.
    #[inline]
    pub(crate) const fn new(
        mode: StpMode,
        scope: StpScope,
        account: AccountSlot,
        group: StpGroup,
    ) -> Self {
        match (mode, scope) {
            (StpMode::None, _) => Self {
                account: AccountSlot::NONE,
                group: StpGroup(0),
            },
            (_, StpScope::Account) => Self {
                account,
                group: StpGroup(0),
            },
            (_, StpScope::Group) => Self { account, group },
        }
    }

    /// Whether no resting order can be this owner's.
    #[inline]
    pub(crate) fn owns_nothing(self) -> bool {
        self.account == AccountSlot::NONE && self.group.0 == 0
    }

    /// Whether a resting order is this owner's.
    #[inline]
    pub(crate) fn owns(self, maker: &Order) -> bool {
        maker.account == self.account || (self.group.0 != 0 && maker.stp_group == self.group)
    }
}

impl Taker {
    #[inline]
    pub(crate) const fn view(&self) -> OrderView {
        OrderView {
            order_id: self.order_id,
            cl_ord_id: self.cl_ord_id,
            account: self.account,
            session: self.session,
            side: self.side,
            leaves: self.leaves,
            cum: self.cum,
            fee_tier: self.fee_tier,
        }
    }

    /// What the budget left buys at a unit cost; all of the leaves without a budget.
    pub(crate) fn affordable(&self, cost: u128) -> Qty {
        match self.budget {
            None => self.leaves,
            // No truncation: a budget is 64 bits and a lot costs at least 1.
            Some(budget) => Qty((u128::from(budget.0) / cost) as u64),
        }
    }

    /// Takes the cost of `qty` lots, which were affordable, off the budget.
    pub(crate) fn spend(&mut self, qty: Qty, cost: u128) {
        if let Some(budget) = &mut self.budget {
            // No overflow: qty was affordable, so the product is at most the budget.
            budget.0 -= (u128::from(qty.0) * cost) as u64;
        }
    }
}

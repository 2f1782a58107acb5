//! One hash of a node's state: the same for all nodes that did the same, on however many matchers and from whichever snapshot.
//!
//! It has everything that decides what comes next: control streams, markets with their sessions and tiers, the numbers of
//! reports and settlements, balances. It leaves out what is only kept to be shown again (statements, reports, settlements), of
//! which settings say how much there is, and how often a balance has changed: fees are added once a batch of each matcher.

use std::hash::Hasher;

use twox_hash::XxHash64;

use super::Recovery;
use super::state::write_change;
use crate::handoff::Seat;
use crate::ledger::BalanceRecord;
use crate::matcher::Matcher;
use crate::publisher::Publisher;
use crate::storage::StateWriter;

impl Recovery {
    /// `of_market` gives the hash of a market's stream.
    pub(super) fn state_hash(
        &self,
        of_market: impl Fn(&Matcher<Publisher>, Seat) -> Option<u64>,
    ) -> u64 {
        let mut out = StateWriter::to_nowhere();
        let mut controls: Vec<_> = self.controls().collect();
        controls.sort_unstable_by_key(|(_, id, _)| *id);
        for (_, id, control) in controls {
            out.u32(id.0);
            out.u64(control.state_hash());
        }
        for ((tenant, market), route) in self.streams.markets() {
            let (matcher, seat) = (&self.matchers[route.matcher], route.seat);
            out.u32(tenant.0);
            out.u32(market.0);
            out.u64(of_market(matcher, seat).unwrap_or(0));
            for (group, tier) in matcher.tiers(seat) {
                out.u16(group.0);
                out.u8(tier.0);
            }
            matcher.journal().write_numbers(seat, &mut out);
            for change in self.streams.decided_of(tenant, market) {
                write_change(&change, &mut out);
            }
        }
        out.u64(self.balances_hash());
        out.checksum()
    }

    /// A hash of all balances, in whatever order they are kept.
    fn balances_hash(&self) -> u64 {
        let ledger = self.treasury.ledger();
        let hash = |balance: BalanceRecord| {
            let (tenant, account) = ledger.account_owner(balance.account);
            let code = self.treasury.code(balance.currency);
            let mut hasher = XxHash64::with_seed(tenant.0.into());
            hasher.write_u32(account.0);
            hasher.write(&code.expect("a balance has a currency that has a code").0);
            hasher.write_u64(balance.view.total.0);
            hasher.write_u64(balance.view.held.0);
            hasher.finish()
        };
        ledger.all_balances().map(hash).fold(0, u64::wrapping_add)
    }
}

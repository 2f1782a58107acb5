//! Changes of balances with what statements say of them. A replay finds them on one thread and makes them on another, in
//! the journal's order.

use souk_protocol::message::StatementEntry;
use souk_protocol::{AccountId, Amount, MarketId, Reserved, StatementKind};

use super::{Moved, Treasury};
use crate::control::{CurrencyCode, Movement};
use crate::handoff::TenantIndex;
use crate::ledger::{BalanceSlot, BalanceView, Change};

/// A change of a balance, and what a statement says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Whose tenant.
    pub tenant: TenantIndex,
    /// Whose balance.
    pub account: AccountId,
    /// In which currency.
    pub currency: CurrencyCode,
    /// Where the balance is.
    pub slot: BalanceSlot,
    /// What the command took off what was available before the change; 0 if nothing.
    pub hold: Amount,
    /// The change.
    pub change: Change,
    /// The market whose record changes it; 0 is the control stream.
    pub market: MarketId,
    /// The record's number there.
    pub stream_seq: u64,
    /// The last trade it comes from, or 0; of the control stream what whoever moved it calls it.
    pub reference: u64,
    /// Why.
    pub kind: StatementKind,
}

impl Treasury {
    /// What a command of the control stream changes: where the money leaves, then where it comes.
    ///
    /// # Panics
    /// When its accounts or its currency are not known: the control stream has made them before.
    pub fn movement_postings(
        &self,
        tenant: TenantIndex,
        moved: &Moved<'_>,
    ) -> [Option<Posting>; 2] {
        let Movement {
            from,
            to,
            currency,
            amount,
            ..
        } = *moved.movement;
        let index = self.currency(tenant, currency);
        let index = index.expect("money moves in a currency that exists");
        // No overflow: an amount is at most 2^63 - 1.
        let units = amount.0.cast_signed();
        let posting = |id, kind| {
            let account = self.ledger.account(tenant, id);
            let account = account.expect("money moves between accounts that exist");
            let leaves = matches!(kind, StatementKind::Debit | StatementKind::TransferOut);
            let change = Change {
                total: if leaves { -units } else { units },
                held: 0,
                // What leaves is no longer available since it was taken.
                available: if leaves { 0 } else { units },
            };
            Posting {
                tenant,
                account: id,
                currency,
                slot: self.ledger.balance_or_new(account, index),
                hold: if leaves { amount } else { Amount(0) },
                change,
                market: MarketId(0),
                stream_seq: moved.control_seq,
                reference: moved.movement.business_id,
                kind,
            }
        };
        let [out, into] = match (from, to) {
            (Some(_), Some(_)) => [StatementKind::TransferOut, StatementKind::TransferIn],
            _ => [StatementKind::Debit, StatementKind::Credit],
        };
        [
            from.map(|from| posting(from, out)),
            to.map(|to| posting(to, into)),
        ]
    }

    /// Makes a change, which has passed the journal, and tells a statement of it. What it held was taken before.
    #[inline(never)]
    pub fn post(&self, posting: &Posting, transact_time: u64) {
        let Posting {
            tenant,
            account,
            currency,
            ..
        } = *posting;
        self.statements.record(tenant, account, currency, || {
            let view = self.commit(posting);
            StatementEntry {
                sequence: view.sequence,
                transact_time,
                change: posting.change.total,
                total: view.total,
                reference: posting.reference,
                stream_seq: posting.stream_seq,
                market: posting.market,
                kind: posting.kind,
                reserved: Reserved,
            }
        });
    }

    fn commit(&self, posting: &Posting) -> BalanceView {
        let (slot, change) = (posting.slot, posting.change);
        let amount = Amount(change.total.unsigned_abs());
        match posting.kind {
            StatementKind::Credit => self.ledger.commit_credit(slot, amount),
            StatementKind::Debit => self.ledger.commit_debit(slot, amount),
            StatementKind::TransferIn
            | StatementKind::TransferOut
            | StatementKind::Trade
            | StatementKind::Fee => self.ledger.commit(slot, change),
        }
    }

    /// Takes the holds and makes the changes of recorded commands, in order, and removes them from `postings`.
    ///
    /// # Errors
    /// The first whose hold is not covered; it and those behind it are left.
    pub(crate) fn post_recorded(
        &self,
        postings: &mut Vec<Posting>,
        transact_time: u64,
    ) -> Result<(), Posting> {
        let is_covered = |posting: &Posting| {
            let Posting { slot, hold, .. } = *posting;
            hold.0 == 0 || self.ledger.hold(slot, hold).is_ok()
        };
        let mut posted = 0;
        for posting in postings.iter().take_while(|posting| is_covered(posting)) {
            // Of what a trade's orders hold a statement tells nothing.
            if posting.change.total == 0 && posting.kind == StatementKind::Trade {
                self.ledger.commit(posting.slot, posting.change);
            } else {
                self.post(posting, transact_time);
            }
            posted += 1;
        }
        match postings.get(posted).copied() {
            None => {
                postings.clear();
                Ok(())
            }
            Some(refused) => {
                postings.drain(..posted);
                Err(refused)
            }
        }
    }
}

//! The money of a tenant in bytes, and back: its balances, and what is kept of its statements. Nothing is under way.

use souk_engine::TakesBytes;
use souk_protocol::message::StatementEntry;
use souk_protocol::{AMOUNT_MAX, AccountId, Amount, Reserved, Text};

use super::Treasury;
use crate::handoff::TenantIndex;
use crate::ledger::BalanceView;
use crate::storage::{StateFileError, StateReader, StateWriter};

impl Treasury {
    /// Writes what a tenant has.
    pub(crate) fn write_state(&self, tenant: TenantIndex, out: &mut StateWriter) {
        let ledger = &self.ledger;
        let own = || {
            let of = |account| ledger.account_owner(account).0 == tenant;
            ledger
                .all_balances()
                .filter(move |balance| of(balance.account))
        };
        out.u32(own().count() as u32);
        for balance in own() {
            let code = self.code(balance.currency);
            out.u32(ledger.account_owner(balance.account).1.0);
            out.take(&code.expect("a balance has a currency that has a code").0);
            out.u64(balance.view.total.0);
            out.u64(balance.view.held.0);
            out.u64(balance.view.sequence);
        }
        let mut entries = 0;
        self.statements.each(tenant, |_, _, _| entries += 1);
        out.u32(entries);
        self.statements.each(tenant, |account, currency, entry| {
            out.u32(account.0);
            out.take(&currency.0);
            for number in [
                entry.sequence,
                entry.transact_time,
                entry.change.cast_unsigned(),
                entry.total.0,
                entry.reference,
                entry.stream_seq,
            ] {
                out.u64(number);
            }
            out.u32(entry.market.0);
            out.u8(entry.kind as u8);
        });
    }

    /// Restores what a tenant has, whose accounts and currencies are known and have nothing yet.
    ///
    /// # Errors
    /// The first thing that is not a tenant's.
    pub(crate) fn read_state(
        &self,
        tenant: TenantIndex,
        source: &mut StateReader,
    ) -> Result<(), StateFileError> {
        for _ in 0..source.u32()? {
            let id = AccountId(source.u32()?);
            let code = Text(source.bytes()?);
            let (total, held) = (Amount(source.u64()?), Amount(source.u64()?));
            let sequence = source.sequence()?;
            let account = self.ledger.account(tenant, id);
            let (Some(account), Some(currency)) = (account, self.currency(tenant, code)) else {
                return Err(source.content("a balance's account", id.0.into()));
            };
            if total > AMOUNT_MAX || held > total {
                return Err(source.content("a balance", total.0));
            }
            let slot = self.ledger.balance_or_new(account, currency);
            let available = Amount(total.0 - held.0);
            self.ledger.restore(
                slot,
                &BalanceView {
                    total,
                    held,
                    available,
                    sequence,
                },
            );
        }
        for _ in 0..source.u32()? {
            let (account, currency) = (AccountId(source.u32()?), Text(source.bytes()?));
            let entry = StatementEntry {
                sequence: source.u64()?,
                transact_time: source.u64()?,
                change: source.u64()?.cast_signed(),
                total: Amount(source.u64()?),
                reference: source.u64()?,
                stream_seq: source.u64()?,
                market: souk_protocol::MarketId(source.u32()?),
                kind: source.word()?,
                reserved: Reserved,
            };
            self.statements.record(tenant, account, currency, || entry);
        }
        Ok(())
    }
}

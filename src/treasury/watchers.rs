//! Who wants to hear of an account's balances.
//!
//! Must never: keep a connection alive, or send one what belongs to another tenant.

use std::collections::HashMap;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use souk_protocol::RejectReason;

use crate::handoff::Link;
use crate::ledger::{AccountIndex, Ledger};

/// Connections that may watch one account: each costs whoever changes the balance.
const WATCHERS_MAX: usize = 16;

/// Connections by account.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    by_account: RwLock<HashMap<AccountIndex, Vec<Weak<Link>>>>,
}

impl Watchers {
    /// Sends a connection what happens to an account from now on.
    ///
    /// # Errors
    /// `TooManySubscriptions`.
    pub(super) fn add(
        &self,
        ledger: &Ledger,
        account: AccountIndex,
        link: &Arc<Link>,
    ) -> Result<(), RejectReason> {
        let mut by_account = self
            .by_account
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let links = by_account.entry(account).or_default();
        links.retain(|known| known.strong_count() > 0);
        let new = !links
            .iter()
            .any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(link)));
        if new && links.len() >= WATCHERS_MAX {
            return Err(RejectReason::TooManySubscriptions);
        }
        if new {
            links.push(Arc::downgrade(link));
        }
        ledger.set_watched(account, true);
        // A commit that did not see this has its lock taken before: whoever reads the balance after
        // this waits for it. So what is not told is in the answer to the subscription.
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Sends frames to everybody who watches an account.
    pub(super) fn send(&self, ledger: &Ledger, account: AccountIndex, frames: &[u8]) {
        let mut gone = false;
        let by_account = self
            .by_account
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for link in by_account.get(&account).into_iter().flatten() {
            match link.upgrade() {
                Some(link) => link.outbox.append(frames),
                None => gone = true,
            }
        }
        drop(by_account);
        if gone {
            self.forget_the_gone(ledger, account);
        }
    }

    fn forget_the_gone(&self, ledger: &Ledger, account: AccountIndex) {
        let mut by_account = self
            .by_account
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(links) = by_account.get_mut(&account) {
            links.retain(|link| link.strong_count() > 0);
            if links.is_empty() {
                by_account.remove(&account);
                ledger.set_watched(account, false);
            }
        }
    }
}

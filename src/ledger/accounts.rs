//! The accounts of all tenants: what matchers read of them without a lock, and where they are.
//!
//! Must never: find an account by anything but its tenant and id together.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use hashbrown::{DefaultHashBuilder, HashTable};
use souk_protocol::{AccountId, AccountStatus, StpGroup};

use super::chunks::Chunks;
use crate::ids::TenantIndex;

const CHUNK_LEN: usize = 1 << 14;
const ACTIVE: u8 = AccountStatus::Active as u8;
const CANCEL_ONLY: u8 = AccountStatus::CancelOnly as u8;
/// Accounts that a node can hold.
pub const ACCOUNTS_MAX: usize = 1 << 28;
/// Parts of the index. Each grows alone, so that at ten million accounts growing stops nobody for
/// longer than it takes to move some ten thousand numbers.
const SHARDS: usize = 512;

/// An account's place in the node's table of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIndex(pub(super) u32);

/// What an operator sets of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountTerms {
    /// What it may do.
    pub status: AccountStatus,
    /// Picks its fees in each market.
    pub fee_group: u16,
    /// Accounts of one group do not trade with each other.
    pub stp_group: StpGroup,
}

/// Read by all matchers, written by operators and by sessions that come and go: so not beside
/// the balances, which change with every order.
#[derive(Debug, Default)]
pub(super) struct Account {
    tenant: AtomicU32,
    id: AtomicU32,
    fee_group: AtomicU16,
    stp_group: AtomicU16,
    status: AtomicU8,
    watched: AtomicBool,
    /// The balance at the top of the account's tree, as `slot + 1`; 0 is none.
    pub(super) root: AtomicU32,
}

pub(super) struct Accounts {
    accounts: Chunks<Account, CHUNK_LEN>,
    shards: Box<[RwLock<HashTable<u32>>]>,
    hasher: DefaultHashBuilder,
    len: AtomicU32,
    opening: Mutex<()>,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self {
            accounts: Chunks::new(ACCOUNTS_MAX / CHUNK_LEN),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            len: AtomicU32::new(0),
            opening: Mutex::new(()),
        }
    }

    pub(super) fn open(
        &self,
        tenant: TenantIndex,
        id: AccountId,
        terms: AccountTerms,
    ) -> AccountIndex {
        let _one = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.hash(tenant, id);
        let index = self.len.load(Ordering::Relaxed);
        self.accounts.reach(index);
        let account = self.accounts.get(index);
        account.tenant.store(tenant.0, Ordering::Relaxed);
        account.id.store(id.0, Ordering::Relaxed);
        account.set_terms(terms);
        // The lock of the shard makes all of it visible to whoever finds the account.
        let mut shard = self
            .shard(hash)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let same = |other: &u32| self.accounts.get(*other).is(tenant, id);
        assert!(
            shard.find(hash, same).is_none(),
            "an account is opened once: {tenant:?} {id}"
        );
        shard.insert_unique(hash, index, |other| {
            let (tenant, id) = self.accounts.get(*other).owner();
            self.hash(tenant, id)
        });
        self.len.store(index + 1, Ordering::Release);
        AccountIndex(index)
    }

    pub(super) fn reserve(&self, accounts: u32) {
        for index in (0..accounts).step_by(CHUNK_LEN) {
            self.accounts.reach(index);
        }
    }

    pub(super) fn find(&self, tenant: TenantIndex, id: AccountId) -> Option<AccountIndex> {
        let hash = self.hash(tenant, id);
        let shard = self
            .shard(hash)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let same = |other: &u32| self.accounts.get(*other).is(tenant, id);
        shard.find(hash, same).copied().map(AccountIndex)
    }

    #[inline]
    pub(super) fn get(&self, index: AccountIndex) -> &Account {
        self.accounts.get(index.0)
    }

    pub(super) fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    /// Keyed at random, because tenants choose the ids.
    fn hash(&self, tenant: TenantIndex, id: AccountId) -> u64 {
        self.hasher.hash_one((tenant, id))
    }

    fn shard(&self, hash: u64) -> &RwLock<HashTable<u32>> {
        // The table takes its bits from both ends.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl Account {
    pub(super) fn owner(&self) -> (TenantIndex, AccountId) {
        let tenant = self.tenant.load(Ordering::Relaxed);
        (
            TenantIndex(tenant),
            AccountId(self.id.load(Ordering::Relaxed)),
        )
    }

    fn is(&self, tenant: TenantIndex, id: AccountId) -> bool {
        self.owner() == (tenant, id)
    }

    #[inline]
    pub(super) fn status(&self) -> AccountStatus {
        match self.status.load(Ordering::Relaxed) {
            ACTIVE => AccountStatus::Active,
            CANCEL_ONLY => AccountStatus::CancelOnly,
            _ => AccountStatus::Frozen,
        }
    }

    #[inline]
    pub(super) fn fee_group(&self) -> u16 {
        self.fee_group.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn stp_group(&self) -> StpGroup {
        StpGroup(self.stp_group.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    pub(super) fn set_watched(&self, watched: bool) {
        self.watched.store(watched, Ordering::Relaxed);
    }

    pub(super) fn set_terms(&self, terms: AccountTerms) {
        self.status.store(terms.status as u8, Ordering::Relaxed);
        self.fee_group.store(terms.fee_group, Ordering::Relaxed);
        self.stp_group.store(terms.stp_group.0, Ordering::Relaxed);
    }
}

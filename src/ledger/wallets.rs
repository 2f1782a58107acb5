//! What one market remembers of the ledger: for each of its accounts, where its two balances are.
//!
//! The shared index is asked once for each account, and again only for a balance that did not
//! exist. One thread's own: no locks, no atomics.

use std::hash::{BuildHasher, RandomState};

use souk_protocol::AccountId;

use super::{AccountIndex, BalanceSlot, CurrencyIndex, Ledger};
use crate::ids::TenantIndex;

/// Cells of a table that holds its first account.
const CELLS_FIRST: usize = 16;
/// Cells of the old table that move with each new account while a table is being replaced. Two
/// would be enough: the new one takes three quarters of the old one's cells before it is full.
const MOVES_PER_NEW: usize = 4;

/// One of a market's two currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// What is traded.
    Base,
    /// What it is paid with.
    Quote,
}

/// The wallets of a market. Grows without a pause: while it grows there are two tables, and
/// every new account moves some of the old table's cells.
#[derive(Debug)]
pub struct Wallets {
    tenant: TenantIndex,
    base: CurrencyIndex,
    quote: CurrencyIndex,
    key: u64,
    table: Table,
    old: Table,
    /// Cells of `old` from here on have not moved.
    moved: usize,
}

/// The wallet of one account in one market.
#[derive(Debug)]
pub struct Wallet<'a> {
    ledger: &'a Ledger,
    currencies: [CurrencyIndex; 2],
    cell: &'a mut Cell,
}

/// Account id (0: free), account index, base and quote slot as `slot + 1` (0: not known).
type Cell = [u32; 4];

const FREE: Cell = [0; 4];

/// Open addressing, at most three quarters full.
#[derive(Debug, Default)]
struct Table {
    cells: Vec<Cell>,
    len: usize,
}

impl Wallets {
    /// The wallets of a market of `tenant` in these currencies.
    #[must_use]
    pub fn new(tenant: TenantIndex, base: CurrencyIndex, quote: CurrencyIndex) -> Self {
        Self {
            tenant,
            base,
            quote,
            // Keyed at random, because tenants choose the ids.
            key: RandomState::new().hash_one(0) | 1,
            table: Table::default(),
            old: Table::default(),
            moved: 0,
        }
    }

    /// The wallet of an account, if the tenant has the account.
    #[inline]
    pub fn wallet<'a>(&'a mut self, ledger: &'a Ledger, id: AccountId) -> Option<Wallet<'a>> {
        let hash = mixed(self.key, id.0);
        let currencies = [self.base, self.quote];
        let place = match self.table.find(hash, id.0) {
            Some(place) => place,
            None => self.bring(ledger, hash, id)?,
        };
        Some(Wallet {
            ledger,
            currencies,
            cell: &mut self.table.cells[place],
        })
    }

    /// Brings a wallet into the new table: from the old one, or from the ledger.
    #[cold]
    #[inline(never)]
    fn bring(&mut self, ledger: &Ledger, hash: u64, id: AccountId) -> Option<usize> {
        if id.0 == 0 {
            return None;
        }
        let cell = match self.old.find(hash, id.0) {
            // It stays there too; nobody looks for it there any more.
            Some(place) => self.old.cells[place],
            None => {
                let account = ledger.account(self.tenant, id)?;
                let slot = |currency| {
                    ledger
                        .balance(account, currency)
                        .map_or(0, |slot| slot.0 + 1)
                };
                [id.0, account.0, slot(self.base), slot(self.quote)]
            }
        };
        self.make_room();
        Some(self.table.insert(hash, cell))
    }

    fn make_room(&mut self) {
        if 4 * (self.table.len + 1) > 3 * self.table.cells.len() {
            let all_moved = self.moved == self.old.cells.len();
            assert!(all_moved, "a table moves before the next is full");
            let cells = (2 * self.table.cells.len()).max(CELLS_FIRST);
            self.old = std::mem::replace(&mut self.table, Table::new(cells));
            self.moved = 0;
        }
        let end = (self.moved + MOVES_PER_NEW).min(self.old.cells.len());
        for place in self.moved..end {
            let cell = self.old.cells[place];
            let hash = mixed(self.key, cell[0]);
            if cell[0] != 0 && self.table.find(hash, cell[0]).is_none() {
                self.table.insert(hash, cell);
            }
        }
        self.moved = end;
        if end == self.old.cells.len() && end > 0 {
            self.old = Table::default();
            self.moved = 0;
        }
    }
}

impl Wallet<'_> {
    /// Whose it is.
    #[inline]
    #[must_use]
    pub fn account(&self) -> AccountIndex {
        AccountIndex(self.cell[1])
    }

    /// The balance of a leg, if the market knows of it: without asking the ledger.
    #[inline]
    #[must_use]
    pub fn known(&self, leg: Leg) -> Option<BalanceSlot> {
        let slot = self.cell[2 + leg as usize];
        (slot != 0).then(|| BalanceSlot(slot - 1))
    }

    /// The balance of a leg, if it exists.
    #[inline]
    pub fn balance(&mut self, leg: Leg) -> Option<BalanceSlot> {
        match self.cell[2 + leg as usize] {
            0 => self.ask(leg),
            known => Some(BalanceSlot(known - 1)),
        }
    }

    /// The balance of a leg, which exists from now on.
    #[inline]
    pub fn balance_or_new(&mut self, leg: Leg) -> BalanceSlot {
        match self.cell[2 + leg as usize] {
            0 => self.make(leg),
            known => BalanceSlot(known - 1),
        }
    }

    #[cold]
    fn ask(&mut self, leg: Leg) -> Option<BalanceSlot> {
        let currency = self.currencies[leg as usize];
        let slot = self.ledger.balance(self.account(), currency)?;
        self.cell[2 + leg as usize] = slot.0 + 1;
        Some(slot)
    }

    #[cold]
    fn make(&mut self, leg: Leg) -> BalanceSlot {
        let currency = self.currencies[leg as usize];
        let slot = self.ledger.balance_or_new(self.account(), currency);
        self.cell[2 + leg as usize] = slot.0 + 1;
        slot
    }
}

impl Table {
    /// `cells` is a power of two. Memory is cleared by the system, page by page as it is used.
    fn new(cells: usize) -> Self {
        Self {
            cells: vec![FREE; cells],
            len: 0,
        }
    }

    #[inline]
    fn find(&self, hash: u64, id: u32) -> Option<usize> {
        if self.cells.is_empty() {
            return None;
        }
        let mask = self.cells.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            match self.cells[place][0] {
                found if found == id => return (id != 0).then_some(place),
                0 => return None,
                _ => place = (place + 1) & mask,
            }
        }
    }

    fn insert(&mut self, hash: u64, cell: Cell) -> usize {
        let mask = self.cells.len() - 1;
        let mut place = hash as usize & mask;
        while self.cells[place] != FREE {
            place = (place + 1) & mask;
        }
        self.cells[place] = cell;
        self.len += 1;
        place
    }
}

/// Both halves of a product with a secret factor.
#[inline]
fn mixed(key: u64, id: u32) -> u64 {
    let product = u128::from(key) * u128::from(u64::from(id) ^ 0x9e37_79b9_7f4a_7c15);
    (product >> 64) as u64 ^ product as u64
}

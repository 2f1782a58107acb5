//! One balance under every order in which two or three threads can run and see each other's writes, within a
//! bound on how often they interrupt each other. The code is the ledger's, the atomics are the checker's.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "the ledger uses all of it")]
#[path = "../src/ledger/balance.rs"]
mod balance;

/// The checker's, under the names that the balance uses.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
    pub(super) use loom::thread::yield_now as spin_loop;
    pub(super) use loom::thread::yield_now;
}

use std::sync::Arc;

use balance::{Balance, Change, Raw};
use loom::thread::{self, JoinHandle};
use souk_protocol::Amount;

const fn change(total: i64, held: i64, available: i64) -> Change {
    Change {
        total,
        held,
        available,
    }
}

/// Tries all orders.
fn every_order(preemptions_max: usize, run: fn()) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions_max);
    model.max_branches = 5_000;
    model.check(run);
}

fn funded(amount: i64) -> Arc<Balance> {
    let balance = Arc::new(Balance::default());
    balance.commit(change(amount, 0, amount));
    balance
}

fn start<T: 'static>(
    balance: &Arc<Balance>,
    work: impl FnOnce(&Balance) -> T + 'static,
) -> JoinHandle<T> {
    let balance = Arc::clone(balance);
    thread::spawn(move || work(&balance))
}

fn sound(raw: Raw) {
    assert!(raw.total >= 0 && raw.held >= 0, "{raw:?}");
    assert!(raw.available >= 0 && raw.under_way() >= 0, "{raw:?}");
}

#[test]
fn two_holds_of_what_is_enough_for_one() {
    every_order(3, || {
        let balance = funded(10);
        let other = start(&balance, |balance| balance.hold(Amount(7)).is_ok());
        let mine = balance.hold(Amount(7)).is_ok();
        let theirs = other.join().unwrap();
        assert!(mine ^ theirs, "one of them is granted");
        assert_eq!(balance.available(), 3);
    });
}

#[test]
fn two_commits_a_hold_and_a_reader() {
    every_order(2, || {
        let balance = funded(10);
        balance.hold(Amount(10)).unwrap();
        // An order of 6 that spends 4 and gets 2 back, one of 4 that rests, and a hold between them.
        let one = start(&balance, |balance| {
            balance.commit(change(-4, 0, 2)).sequence
        });
        let two = start(&balance, |balance| balance.commit(change(0, 4, 0)).sequence);
        let granted = balance.hold(Amount(2)).is_ok();
        sound(balance.read());
        let sequences = [one.join().unwrap(), two.join().unwrap()];
        assert!(sequences == [2, 3] || sequences == [3, 2], "{sequences:?}");
        let end = balance.read();
        let left = if granted { 0 } else { 2 };
        assert_eq!(
            (end.total, end.held, end.available, end.sequence),
            (6, 4, left, 3)
        );
    });
}

#[test]
fn what_a_credit_gives_can_be_debited_at_once() {
    every_order(3, || {
        let balance = funded(1);
        let credit = start(&balance, |balance| balance.commit(change(5, 0, 5)).total);
        // A debit, as the ledger does it.
        let debited = balance.hold(Amount(6)).is_ok();
        if debited {
            let view = balance.commit(change(-6, 0, 0));
            assert_eq!((view.total, view.sequence), (Amount(0), 3));
        }
        assert_eq!(credit.join().unwrap(), Amount(6));
        let end = balance.read();
        sound(end);
        assert_eq!(end.total, if debited { 0 } else { 6 });
        assert_eq!(end.available, end.total);
    });
}

#[test]
fn a_reader_never_sees_half_a_commit() {
    every_order(3, || {
        let balance = funded(8);
        balance.hold(Amount(8)).unwrap();
        let writer = start(&balance, |balance| {
            balance.commit(change(-3, 5, 0));
            balance.commit(change(0, -5, 5));
        });
        let seen = balance.read();
        let found = (seen.total, seen.held, seen.available, seen.sequence);
        let legal = [(8, 0, 0, 1), (5, 5, 0, 2), (5, 0, 5, 3)];
        assert!(legal.contains(&found), "{found:?}");
        writer.join().unwrap();
    });
}

//! The money check of a running node: for every currency of every tenant, the totals of all accounts are what was credited
//! less what was debited, and nothing is negative.
//!
//! Balances change while it reads them, so it notes before and after whether any matcher's publisher was settling: if none
//! was, all that it read is of one moment, and must add up to the unit. If one was, it tries again soon; nobody waits for it.
//! That no balance is negative, and no command holds less than nothing, is true at every moment and is always checked.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::board::Board;
use crate::clock;
use crate::ledger::Unsound;
use crate::metrics::Meters;
use crate::priority;
use crate::treasury::Treasury;

/// From one check that found everything sound to the next.
const EVERY: Duration = Duration::from_secs(5);
/// How soon a check that was disturbed is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// How soon it is looked again whether any tenant is served.
const NOBODY_HERE: Duration = Duration::from_millis(200);
/// A check is followed by a pause of at least so many times what it took: two percent of a core at most.
const PAUSE_TIMES: u32 = 50;

/// What a check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Sound,
    /// Money moved meanwhile.
    Disturbed,
    Unsound(Unsound),
}

/// Checks again and again, at the lowest priority, until it is stopped.
pub(super) fn check_periodically(board: &Board, stop: &AtomicBool) {
    priority::give_way(priority::LAST);
    let mut told = false;
    while !stop.load(Ordering::Relaxed) {
        let begun = clock::boottime();
        let found = check_all(board);
        let took = clock::boottime().since(begun);
        let money = &board.money;
        let count = match found {
            None => None,
            Some(Found::Sound) => {
                money.sound_at.store(clock::boottime().0, Ordering::Relaxed);
                Some(&money.sound)
            }
            Some(Found::Disturbed) => Some(&money.disturbed),
            Some(Found::Unsound(error)) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!(%error, "MONEY IS NOT CONSERVED: halt the tenant's markets and keep the data directory");
                }
                Some(&money.unsound)
            }
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let pause = match found {
            Some(Found::Disturbed) => AGAIN,
            Some(Found::Sound | Found::Unsound(_)) => EVERY,
            None => NOBODY_HERE,
        };
        // Unparked when it is stopped.
        std::thread::park_timeout(pause.max(took * PAUSE_TIMES));
    }
}

/// Checks the ledgers of all tenants that are served here; nothing if none is.
fn check_all(board: &Board) -> Option<Found> {
    let parts = board.parts()?;
    let mut seen = HashSet::new();
    // Treasuries only: a partition ends when nobody has it any more.
    let here = parts.entrance.here().into_iter();
    let treasuries: Vec<_> = here
        .map(|(_, shared)| Arc::clone(&shared.treasury))
        .filter(|treasury| seen.insert(Arc::as_ptr(treasury)))
        .collect();
    let found = treasuries.iter().map(|it| check(it, &parts.meters));
    found.reduce(|worst, found| match (worst, found) {
        (Found::Unsound(_), _) | (_, Found::Sound) => worst,
        _ => found,
    })
}

fn check(treasury: &Treasury, meters: &Meters) -> Found {
    let marks: Option<Vec<_>> = meters
        .settling()
        .map(|settling| Some((settling, settling.look()?)))
        .collect();
    let checked = treasury.ledger().check_running();
    let still = marks.is_some_and(|marks| {
        let mut marks = marks.into_iter();
        marks.all(|(settling, mark)| settling.is_still(mark))
    });
    match checked {
        Err(error @ Unsound::Balance { .. }) => Found::Unsound(error),
        Err(error) if still => Found::Unsound(error),
        Ok(()) if still => Found::Sound,
        _ => Found::Disturbed,
    }
}

#[cfg(test)]
mod tests {
    use souk_protocol::{Amount, Text};

    use super::*;
    use crate::control::{AccountTerms, FEE_ACCOUNT, Movement};
    use crate::handoff::TenantIndex;
    use crate::ledger::Change;
    use crate::treasury::{Moved, Touched};

    const TENANT: TenantIndex = TenantIndex(0);

    /// A treasury in which somebody has ten units.
    fn funded() -> Treasury {
        let treasury = Treasury::new(1, 10);
        let currency = Text::new("USDT").expect("a code");
        treasury.define_currency(TENANT, currency);
        treasury.set_account(TENANT, FEE_ACCOUNT, &AccountTerms::FEES);
        let movement = Movement {
            business: Text::new("test").expect("a name"),
            business_id: 1,
            from: None,
            to: Some(FEE_ACCOUNT),
            currency,
            scale: 6,
            amount: Amount(10),
        };
        let moved = Moved {
            movement: &movement,
            control_seq: 1,
            transact_time: 0,
        };
        assert!(
            treasury
                .ledger()
                .admit_credit(
                    treasury.currency(TENANT, currency).expect("it is defined"),
                    Amount(10)
                )
                .is_ok()
        );
        treasury.move_money(TENANT, &moved, &mut Touched::default());
        treasury
    }

    #[test]
    fn a_ledger_is_sound_while_orders_hold_money_and_not_judged_while_it_is_settled() {
        let (treasury, meters) = (funded(), Meters::new(2, []));
        assert_eq!(check(&treasury, &meters), Found::Sound);
        let currency = Text::new("USDT").expect("a code");
        let taken = treasury.take(TENANT, FEE_ACCOUNT, currency, Amount(4));
        assert_eq!(taken, Ok(()));
        assert_eq!(check(&treasury, &meters), Found::Sound, "4 are under way");
        let second = meters.of(1, &[]);
        second.stages.settling.begin();
        assert_eq!(check(&treasury, &meters), Found::Disturbed);
        second.stages.settling.end();
        assert_eq!(check(&treasury, &meters), Found::Sound);
    }

    #[test]
    fn money_that_comes_from_nowhere_is_found_and_only_when_nothing_is_settled() {
        let (treasury, meters) = (funded(), Meters::new(1, []));
        let ledger = treasury.ledger();
        let slot = ledger.all_balances().next().expect("there is one").slot;
        let from_nowhere = Change {
            total: 1,
            held: 0,
            available: 1,
        };
        ledger.commit(slot, from_nowhere);
        let found = check(&treasury, &meters);
        assert!(
            matches!(
                found,
                Found::Unsound(Unsound::Supply {
                    total: 11,
                    supply: 10,
                    ..
                })
            ),
            "{found:?}"
        );
        meters.of(0, &[]).stages.settling.begin();
        assert_eq!(check(&treasury, &meters), Found::Disturbed);
    }
}

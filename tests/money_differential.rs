//! The engine with the node's own ledger, admission and settlement against the naive oracle with its naive
//! ledger: the swarm of the engine's differential test, every event and every balance that a command
//! touches, and every so many commands the whole state and all sums.
//!
//! ```text
//! SOUK_LEDGER_COMMANDS=100000000 cargo test --release --test money_differential -- --nocapture
//! ```
#![allow(clippy::unwrap_used)]

// The files that take holds and that settle are the server's own: they find these here.
use souk::{control, handoff, ledger, treasury};

#[path = "../src/matcher/admission.rs"]
#[allow(dead_code, reason = "the matcher uses all of it")]
mod admission;
#[path = "../engine/tests/oracle/mod.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod oracle;
#[path = "../benches/money/publisher.rs"]
#[allow(dead_code, reason = "each uses a part of it")]
mod publisher;
#[path = "../engine/tests/swarm/mod.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod swarm;

use std::sync::Arc;

use admission::Admission;
use control::{AccountTerms, Custody, FEE_ACCOUNT, Movement};
use handoff::{Admitted, MarketSeat, Recorded, TenantIndex};
use ledger::CurrencyIndex;
use oracle::Snapshot;
use oracle::ledger::{Balance, Funding};
use publisher::Settling;
use souk_engine::{Command, Event, EventSink, Hold, Market, PairCurrency};
use souk_protocol::{AccountId, AccountStatus, Amount, MarketId, MarketState, RejectReason, Text};
use swarm::coverage::{By, Coverage, Fact};
use swarm::market::snapshot_of;
use swarm::{Run, Setting, Step, Subject};
use treasury::{Moved, Touched, Treasury};

const TENANT: TenantIndex = TenantIndex(0);
const CODES: [&str; 2] = ["BASE", "QUOTE"];
/// The swarm has at most six.
const ACCOUNTS: u32 = 6;
const STATEMENT_ENTRIES: usize = 1_000;

/// A market with the node's admission, ledger, settlement and statements around it.
struct Venue {
    book: Market,
    admission: Admission,
    settling: Settling,
    treasury: Arc<Treasury>,
    pair: [CurrencyIndex; 2],
    stream_seq: u64,
    fundings: u64,
}

struct Holding<'a> {
    levels: bool,
    events: Vec<Event>,
    admission: &'a mut Admission,
    held: Amount,
}

impl EventSink for Holding<'_> {
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    fn wants_levels(&self) -> bool {
        self.levels
    }

    fn takes_holds(&self) -> bool {
        true
    }

    fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        self.admission.hold(hold)?;
        self.held = hold.amount;
        Ok(())
    }
}

impl Venue {
    fn new(setting: Setting) -> Self {
        let treasury = Arc::new(Treasury::new(1, STATEMENT_ENTRIES));
        let pair = CODES.map(|code| {
            let code = Text::new(code).unwrap();
            treasury.define_currency(TENANT, code);
            treasury.currency(TENANT, code).unwrap()
        });
        treasury.set_account(TENANT, FEE_ACCOUNT, &AccountTerms::FEES);
        let terms = AccountTerms {
            status: AccountStatus::Active,
            ..AccountTerms::FEES
        };
        for id in 1..=ACCOUNTS {
            treasury.set_account(TENANT, AccountId(id), &terms);
        }
        let seat = MarketSeat {
            tenant: TENANT,
            market: MarketId(1),
            spec: setting.spec,
            state: MarketState::Continuous,
            base: pair[0],
            quote: pair[1],
            custody: Custody::Internal,
            settlements_max: 16,
            reports_bytes_max: 0,
        };
        Self {
            book: Market::new(setting.spec, 7).unwrap(),
            admission: Admission::new(&seat, Arc::clone(&treasury)),
            settling: Settling::new(&seat, &treasury),
            treasury,
            pair,
            stream_seq: 0,
            fundings: 0,
        }
    }

    fn of(&self, account: AccountId, currency: PairCurrency) -> Balance {
        let index = self.pair[currency as usize];
        let ledger = self.treasury.ledger();
        let slot = ledger
            .account(TENANT, account)
            .and_then(|account| ledger.balance(account, index));
        let Some(slot) = slot else {
            return Balance::default();
        };
        let view = ledger.view(slot);
        assert_eq!(
            ledger.available(slot),
            view.available,
            "nothing is under way"
        );
        Balance {
            total: view.total.0.into(),
            held: view.held.0.into(),
            available: view.available.0.into(),
        }
    }
}

impl Subject for Venue {
    fn apply(&mut self, step: &Step) -> Vec<Event> {
        let mut command = step.command;
        // The swarm draws tiers and groups; here they come from the record, as in a replay.
        if let Command::New(new) = &command {
            self.admission.recorded = Some(Recorded::Applied {
                admitted: Admitted {
                    fee_tier: new.fee_tier,
                    stp_group: new.stp_group,
                    ..Admitted::default()
                },
                refused: None,
            });
        }
        if step.prefetch {
            self.book.prefetch(&command);
        }
        let mut admitted = self.admission.admit(&mut command);
        assert_eq!(admitted.refused, None, "every account is active");
        // What it needs is asked for, as of a command that is new.
        self.admission.recorded = None;
        let mut sink = Holding {
            levels: step.levels,
            events: Vec::new(),
            admission: &mut self.admission,
            held: Amount(0),
        };
        self.book.apply(&command, &mut sink);
        let Holding { events, held, .. } = sink;
        admitted.hold = held;
        self.stream_seq += 1;
        let (seq, treasury) = (self.stream_seq, &self.treasury);
        self.settling
            .settle(seq, &step.command, &admitted, &events, treasury);
        self.settling.finish(treasury);
        events
    }

    fn fund(&mut self, funding: &Funding) -> bool {
        let code = Text::new(CODES[funding.currency as usize]).unwrap();
        let amount = Amount(funding.amount.unsigned_abs());
        let (ledger, index) = (self.treasury.ledger(), self.pair[funding.currency as usize]);
        let (mut from, mut to) = (None, None);
        match funding.amount {
            0 => return true,
            1.. if ledger.admit_credit(index, amount).is_ok() => to = Some(funding.account),
            ..0 if (self.treasury)
                .take(TENANT, funding.account, code, amount)
                .is_ok() =>
            {
                from = Some(funding.account);
            }
            _ => return false,
        }
        self.fundings += 1;
        let movement = Movement {
            business: Text::new("swarm").unwrap(),
            business_id: self.fundings,
            from,
            to,
            currency: code,
            scale: 0,
            amount,
        };
        let moved = Moved {
            movement: &movement,
            control_seq: self.fundings,
            transact_time: 1,
        };
        self.treasury
            .move_money(TENANT, &moved, &mut Touched::default());
        true
    }

    fn balance(&self, account: AccountId, currency: PairCurrency) -> Balance {
        self.of(account, currency)
    }

    fn earned(&self) -> i128 {
        self.of(FEE_ACCOUNT, PairCurrency::Quote).total
    }

    fn snapshot(&self) -> Snapshot {
        snapshot_of(&self.book)
    }

    fn state_hash(&self) -> Option<u64> {
        Some(self.book.state_hash())
    }

    fn check_invariants(&self) {
        self.treasury.ledger().check_at_rest().unwrap();
    }
}

#[test]
fn the_nodes_ledger_has_what_the_naive_ledger_has() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let commands: u64 = number("SOUK_LEDGER_COMMANDS").unwrap_or(3_000_000);
    let seed: u64 = number("SOUK_DIFF_SEED").unwrap_or(2);
    let make = |setting| -> Box<dyn Subject> { Box::new(Venue::new(setting)) };
    let mut coverage = Coverage::default();
    for run_number in 0.. {
        let run = Run::new(seed, run_number);
        if !run.profile.setting().holds {
            continue;
        }
        if let Err(failure) = run.drive(&make, &mut coverage, |_, _, _| {}) {
            println!("SEED={seed} run {run_number} differs; shrinking");
            panic!(
                "SEED={seed} run {run_number}:\n{}",
                failure.shrunk(&make).story()
            );
        }
        if coverage.commands >= commands {
            break;
        }
    }
    let rare = coverage.rarer_than(1);
    println!("{} commands; never met: {rare:?}", coverage.commands);
    for fact in [
        Fact::Rejected(By::New, RejectReason::InsufficientFunds),
        Fact::Rejected(By::Replace, RejectReason::InsufficientFunds),
    ] {
        assert!(!rare.contains(&fact), "{fact:?} must be met");
    }
}

//! Makes a failing command list as short as it can.

use super::text::rust_text;
use super::{Failure, Make, Setting, Step, replay};
use crate::oracle::Oracle;
use souk_engine::{Command, Event, FeeRates, FeeTier};
use souk_protocol::OrderId;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

/// Up to this length every step of a script compares the whole state, so that the difference is
/// seen as early as it is there.
const COMPARE_ALL_MAX: usize = 3_000;

/// Shrinking stops after so many replayed commands: what fails only in a big book takes long to
/// replay, and a long list now is worth more than a short one in an hour.
const REPLAYED_MAX: usize = 500_000;

/// A step that knows which step of the same script entered the order that it names, and which
/// rates its tier has, so that it still means the same when steps before it are left out and ids
/// and tiers change.
#[derive(Clone, Copy)]
struct Linked {
    step: Step,
    number: usize,
    names: Option<usize>,
    rates: Option<FeeRates>,
}

impl Failure {
    /// Removes chunks of commands, half of the list first and single ones in the end, as long as
    /// what is left still fails.
    pub fn shrunk(self, make: Make<'_>) -> Self {
        hush(true);
        let mut failure = self;
        let mut linked = link(failure.setting, &failure.script);
        let mut chunk = linked.len() / 2;
        let mut replayed = 0;
        while chunk > 0 {
            let mut shorter = false;
            let mut at = 0;
            while at < linked.len() && replayed < REPLAYED_MAX {
                let end = (at + chunk).min(linked.len());
                let mut without = [&linked[..at], &linked[end..]].concat();
                replayed += without.len();
                match failure.of(&without, make) {
                    Some(smaller) => {
                        without.truncate(smaller.script.len());
                        (failure, linked) = (smaller, without);
                        shorter = true;
                    }
                    None => at = end,
                }
            }
            if !shorter || chunk > 1 {
                chunk /= 2;
            }
        }
        hush(false);
        failure
    }

    /// The failure of this script, cut off behind the step that fails.
    fn of(&self, linked: &[Linked], make: Make<'_>) -> Option<Self> {
        let mut script = unlink(self.setting, linked);
        let (at, difference) = replay(self.setting, &script, make)?;
        script.truncate(at + 1);
        Some(Self {
            setting: self.setting,
            script,
            difference,
        })
    }

    /// The whole story, as text that is nearly a test.
    pub fn story(&self) -> String {
        let steps: Vec<String> = self.script.iter().map(rust_text).collect();
        format!(
            "{:?}\n[\n{}]\nthe last of these {} commands:\nexpected {}\ngot {}\n",
            self.setting,
            steps.concat(),
            self.script.len(),
            self.difference.expected,
            self.difference.got,
        )
    }
}

thread_local! {
    static HUSHED: Cell<bool> = const { Cell::new(false) };
}

/// The panics of a thread that shrinks are expected; their messages would bury the result.
fn hush(hushed: bool) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !HUSHED.get() {
                usual(panic);
            }
        }));
    });
    HUSHED.set(hushed);
}

fn link(setting: Setting, script: &[Step]) -> Vec<Linked> {
    let mut oracle = Oracle::new(setting.spec, setting.holds);
    let mut entered_by = BTreeMap::new();
    let mut linked = Vec::new();
    for (number, &step) in script.iter().enumerate() {
        let mut command = step.command;
        let names = order_id(&mut command).and_then(|id| entered_by.get(id).copied());
        linked.push(Linked {
            step,
            number,
            names,
            rates: tier(&mut command).map(|tier| oracle.fees[usize::from(tier.0)]),
        });
        if let Some(id) = accepted(&mut oracle, &step) {
            entered_by.insert(id, number);
        }
    }
    linked
}

/// The script with the ids that its orders get now.
fn unlink(setting: Setting, linked: &[Linked]) -> Vec<Step> {
    let mut oracle = Oracle::new(setting.spec, setting.holds);
    let mut id_of = BTreeMap::new();
    let mut script = Vec::new();
    for &Linked {
        mut step,
        number,
        names,
        rates,
    } in linked
    {
        if let (Some(id), Some(names)) = (order_id(&mut step.command), names) {
            *id = id_of.get(&names).copied().unwrap_or(*id);
        }
        if let (Some(tier), Some(rates)) = (tier(&mut step.command), rates) {
            let same = oracle.fees.iter().position(|known| *known == rates);
            *tier = FeeTier(u8::try_from(same.unwrap_or(0)).expect("at most 256"));
        }
        if let Some(id) = accepted(&mut oracle, &step) {
            id_of.insert(number, id);
        }
        step.compare_state |= linked.len() <= COMPARE_ALL_MAX;
        script.push(step);
    }
    script
}

fn accepted(oracle: &mut Oracle, step: &Step) -> Option<OrderId> {
    step.funding.inspect(|funding| {
        oracle.fund(funding);
    });
    match oracle.apply(&step.command, false).first() {
        Some(Event::Accepted(accepted)) => Some(accepted.order_id),
        _ => None,
    }
}

fn tier(command: &mut Command) -> Option<&mut FeeTier> {
    match command {
        Command::New(new) => Some(&mut new.fee_tier),
        _ => None,
    }
}

fn order_id(command: &mut Command) -> Option<&mut OrderId> {
    match command {
        Command::Cancel(cancel) => Some(&mut cancel.order.order_id),
        Command::Replace(replace) => Some(&mut replace.order.order_id),
        Command::Status(status) => Some(&mut status.order.order_id),
        Command::New(_)
        | Command::MassCancel(_)
        | Command::SetState(_)
        | Command::AddFees(_)
        | Command::SetLimits(_) => None,
    }
}

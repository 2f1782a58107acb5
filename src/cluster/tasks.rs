//! What the steward asks of the keeper, and what the keeper says it did.

use std::collections::VecDeque;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use souk_protocol::TenantId;

use super::keeper::{Keeper, KeeperError};
use crate::clock::{self, Seldom};
use crate::database::TELL_EVERY;
use crate::gateway::entrance::Place;
use crate::ids::Epoch;

/// What to do with a tenant.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// This process owns it: serve it.
    TakeIn(TenantId, Epoch),
    /// Serve it no more: its clients find it in the place.
    LetGo(TenantId, Place),
    /// Be ready to take it over.
    WarmUp(TenantId),
    /// Others are nearer.
    Cool(TenantId),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is served.
    Served(TenantId),
    /// Everything of it is answered and durable.
    Gone(TenantId),
    /// It cannot be served by this node.
    Failed(TenantId),
}

/// How soon the logs of owners are looked at again when there was something in them.
const TAIL_AGAIN: Duration = Duration::from_millis(1);
/// How soon when there was nothing. A takeover reads what is left anyway.
const TAIL_IDLE: Duration = Duration::from_millis(10);
/// How often it is, if no tenant is kept warm.
const REST: Duration = Duration::from_millis(100);
/// How soon a database that did not answer is asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// The keeper's thread: ends when nobody asks anything of it any more.
pub(crate) fn keep(mut keeper: Keeper, tasks: &Receiver<Task>, done: &Sender<Done>) {
    let mut waiting = VecDeque::new();
    let mut tell = Seldom::new(TELL_EVERY);
    let mut followed = 0;
    loop {
        let pace = match (waiting.is_empty(), keeper.is_warm()) {
            (false, _) => AGAIN,
            (true, true) if followed > 0 => TAIL_AGAIN,
            (true, true) => TAIL_IDLE,
            (true, false) => REST,
        };
        match tasks.recv_timeout(pace) {
            Ok(task) => waiting.push_back(task),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return keeper.abandon(),
        }
        waiting.extend(tasks.try_iter());
        while let Some(task) = waiting.pop_front() {
            match perform(&mut keeper, &task) {
                Ok(answer) => {
                    if let Some(answer) = answer {
                        let _ = done.send(answer);
                    }
                }
                Err(error) if error.is_passing() => {
                    if tell.is_due(clock::boottime()) {
                        tracing::warn!(%error, ?task, "the database does not answer: once more");
                    }
                    waiting.push_front(task);
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, ?task, "a tenant cannot be served here");
                    if let Task::TakeIn(tenant, _) | Task::LetGo(tenant, _) = task {
                        let _ = done.send(Done::Failed(tenant));
                    }
                }
            }
        }
        followed = 0;
        match keeper.follow() {
            Ok(rows) => followed = rows,
            Err(error) if error.is_passing() => std::thread::sleep(AGAIN),
            Err(error) => tracing::error!(%error, "a tenant cannot be kept warm"),
        }
    }
}

fn perform(keeper: &mut Keeper, task: &Task) -> Result<Option<Done>, KeeperError> {
    Ok(match task {
        Task::TakeIn(tenant, epoch) => {
            keeper.take_in(*tenant, *epoch)?;
            Some(Done::Served(*tenant))
        }
        Task::LetGo(tenant, place) => {
            keeper.let_go(*tenant, place.clone())?;
            Some(Done::Gone(*tenant))
        }
        Task::WarmUp(tenant) => {
            keeper.warm_up(*tenant)?;
            None
        }
        Task::Cool(tenant) => {
            keeper.cool(*tenant);
            None
        }
    })
}

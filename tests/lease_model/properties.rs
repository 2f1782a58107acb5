//! What must hold in every state, and what must be seen in some.

use stateright::Property;

use super::model::LeaseModel;
use super::state::*;

/// Linear history: the writer of entry n had read entries 1 to n - 1, and epochs never decrease.
pub const S1: &str = "S1 linear history";
/// What leaves a process is in the journal, and one number has one content.
pub const S2: &str = "S2 no lie";
/// At most one process believes that it may work on a stream.
pub const S3: &str = "S3 one belief";
/// A stream's epoch names one incarnation for ever.
pub const S4: &str = "S4 token names one owner";
/// A superseded process stops for ever.
pub const L5: &str = "L5 no duel";

/// A state that should be possible: a process finds that another of its name beats.
pub const REFUSED_TWIN: &str = "a twin is refused";

/// S3 is about time, so it is asked only where there is a clock.
pub fn all(timed: bool) -> Vec<Property<LeaseModel>> {
    let mut all = vec![
        Property::always(S1, |_, state: &State| linear(state)),
        Property::always(S2, |_, state: &State| truthful(state)),
        Property::always(S4, |_, state: &State| unique(state)),
        Property::always(L5, |_, state: &State| !state.broken.duel),
        Property::sometimes("another node takes a stream over", |_, state: &State| {
            taken_over(state)
        }),
        Property::sometimes(REFUSED_TWIN, |_, state: &State| {
            status(state, Status::Refused)
        }),
        Property::sometimes("a process is superseded", |_, state: &State| {
            status(state, Status::Superseded)
        }),
        Property::sometimes("a stale append is refused", |_, state: &State| {
            outcome(state, Outcome::Refused)
        }),
        Property::sometimes(
            "an unknown outcome is resolved as durable",
            |_, state: &State| outcome(state, Outcome::FoundDurable),
        ),
        Property::sometimes(
            "an unknown outcome is resolved as absent",
            |_, state: &State| outcome(state, Outcome::Absent),
        ),
    ];
    if timed {
        all.push(Property::always(S3, |_, state: &State| exclusive(state)));
    }
    all
}

fn linear(state: &State) -> bool {
    (0..STREAMS as u8).all(|stream| {
        let history = state.history(stream);
        let counted = (0..)
            .zip(&history)
            .all(|(count, row)| row.entry.after == count);
        let opened = history.windows(2).all(|pair| {
            let begins = pair[1].entry.epoch > pair[0].entry.epoch;
            begins == (pair[1].entry.content == OPEN)
        });
        counted && opened
    })
}

fn truthful(state: &State) -> bool {
    let emitted = |row: &&LogRow| row.emitted;
    let twice = state.rows.iter().filter(emitted).any(|row| {
        let number = (row.entry.stream, row.entry.after);
        let others = state.rows.iter().filter(emitted);
        others
            .filter(|other| (other.entry.stream, other.entry.after) == number)
            .count()
            > 1
    });
    !state.broken.lie && !twice
}

fn unique(state: &State) -> bool {
    let same = |row: &LogRow, other: &LogRow| {
        row.entry.stream == other.entry.stream && row.entry.epoch == other.entry.epoch
    };
    let two = state.rows.iter().any(|row| {
        let mut others = state.rows.iter();
        others.any(|other| same(row, other) && row.log != other.log)
    });
    !state.broken.token_twice && !two
}

fn exclusive(state: &State) -> bool {
    (0..STREAMS).all(|stream| {
        let works = |process: &&Process| {
            let serves = matches!(process.holds[stream], Hold::Served { .. });
            process.believes && serves
        };
        state.processes.iter().filter(works).count() <= 1
    })
}

fn taken_over(state: &State) -> bool {
    (0..STREAMS as u8).any(|stream| {
        let history = state.history(stream);
        history
            .windows(2)
            .any(|pair| pair[0].log.node != pair[1].log.node)
    })
}

fn status(state: &State, status: Status) -> bool {
    state
        .processes
        .iter()
        .any(|process| process.status == status)
}

fn outcome(state: &State, outcome: Outcome) -> bool {
    let is = |pending: &Pending| pending.outcome == outcome;
    state
        .processes
        .iter()
        .any(|process| process.pending.as_ref().is_some_and(is))
}

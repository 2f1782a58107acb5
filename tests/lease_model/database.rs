//! The statements, each done at once by the database: what it changes and how many rows it answers.

use super::mutant::Mutant;
use super::state::*;

/// What the database answers to a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// Its condition did not hold: no row.
    NoRow,
    /// The key is there already.
    Duplicate,
}

impl State {
    /// Does a statement.
    pub fn execute(&mut self, statement: Statement, mutant: Option<Mutant>) -> Answer {
        let done = match statement {
            Statement::Register { .. } => self.register(statement, mutant),
            Statement::Renew { process, log, beat } => {
                let row = &mut self.nodes[log.node as usize];
                let live = row.life == Life::Live || mutant == Some(Mutant::RenewalWithoutState);
                let mine = row.incarnation == log.incarnation && row.boot == process;
                let done = mine && live && row.beat < beat;
                if done {
                    row.beat = beat;
                }
                done
            }
            Statement::Release { log } => {
                let row = &mut self.nodes[log.node as usize];
                let done = row.incarnation == log.incarnation && row.life == Life::Live;
                if done {
                    row.life = Life::Released;
                }
                done
            }
            Statement::Fence { dead, seen_beat } => {
                let row = &mut self.nodes[dead.node as usize];
                let quiet = row.beat == seen_beat || mutant == Some(Mutant::FenceWithoutBeat);
                let done = row.incarnation == dead.incarnation && quiet && row.life == Life::Live;
                if done {
                    row.life = Life::Fenced;
                }
                done
            }
            Statement::Seal { dead } => {
                let done = !self.is_sealed(dead);
                self.seal(dead);
                done
            }
            Statement::Claim {
                stream,
                dead,
                owner,
            } => {
                let row = &mut self.streams[stream as usize];
                let done = row.owner == dead || mutant == Some(Mutant::ClaimWithoutOwner);
                if done {
                    let epoch = if mutant == Some(Mutant::ClaimWithoutEpoch) {
                        row.epoch
                    } else {
                        row.epoch + 1
                    };
                    self.give(stream as usize, owner, epoch);
                }
                done
            }
            Statement::Append { log, seq, entry } => return self.append(log, seq, entry, mutant),
        };
        if done { Answer::Done } else { Answer::NoRow }
    }

    /// Whether a statement would change nothing, now and for ever. All conditions but a claim's, once false, stay so.
    pub fn is_spent(&self, statement: Statement, mutant: Option<Mutant>) -> bool {
        if let Statement::Claim { .. } = statement {
            return false;
        }
        self.clone().execute(statement, mutant) != Answer::Done
    }

    fn register(&mut self, statement: Statement, mutant: Option<Mutant>) -> bool {
        let Statement::Register {
            process,
            node,
            seen_incarnation,
            seen_beat,
        } = statement
        else {
            unreachable!("the caller has matched it")
        };
        let row = &mut self.nodes[node as usize];
        if row.incarnation != seen_incarnation || row.beat != seen_beat {
            return false;
        }
        let before = LogId {
            node,
            incarnation: row.incarnation,
        };
        let after = LogId {
            node,
            incarnation: row.incarnation + 1,
        };
        let again = self.processes[process as usize].incarnation > 0;
        self.broken.duel |= again && row.boot != process;
        *row = NodeRow {
            incarnation: after.incarnation,
            boot: process,
            life: Life::Live,
            beat: 0,
        };
        if mutant != Some(Mutant::RegistrationWithoutSeal) {
            self.seal(before);
        }
        for stream in 0..STREAMS {
            let row = self.streams[stream];
            if row.owner.node == node {
                let same = mutant == Some(Mutant::ReclaimWithoutEpoch);
                let epoch = if same { row.epoch } else { row.epoch + 1 };
                self.give(stream, after, epoch);
            }
        }
        true
    }

    fn append(&mut self, log: LogId, seq: u8, entry: Entry, mutant: Option<Mutant>) -> Answer {
        if self.is_sealed(log) && mutant != Some(Mutant::AppendWithoutSeal) {
            return Answer::NoRow;
        }
        let place = self
            .rows
            .partition_point(|row| (row.log, row.seq) < (log, seq));
        if self.row(log, seq).is_some() {
            return Answer::Duplicate;
        }
        let row = LogRow {
            log,
            seq,
            entry,
            emitted: false,
        };
        self.rows.insert(place, row);
        Answer::Done
    }

    fn seal(&mut self, log: LogId) {
        self.sealed[log.node as usize] |= 1 << log.incarnation;
    }

    fn give(&mut self, stream: usize, owner: LogId, epoch: u8) {
        let row = &mut self.streams[stream];
        self.broken.token_twice |= row.owner != owner && row.epoch == epoch;
        *row = StreamRow { owner, epoch };
    }
}

//! Tables that the nodes of a cluster share: a tenant's rows, and how far they go in its past, in one transaction.
//!
//! Two nodes may take themselves for the writer while a tenant moves. The tenant's row of positions says which batches are in
//! the tables; whoever writes locks it, and adds only what follows on it. Every node makes the same rows of the same past, so it
//! does not matter who wrote what is there.

use souk_protocol::TenantId;

use super::HistoryError;
use super::rows::Row;
use super::write::{MoneyChecked, Writer};
use crate::ids::{Epoch, Position};
use crate::tables::{Session, TablesError, once, row, values};

/// Tenants of one statement that says how far those are of whom nothing has happened.
const QUIET_MAX: usize = 256;

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The tables have it.
    Done,
    /// They are somewhere else than was thought: another node has written.
    Elsewhere,
}

/// A tenant of whom nothing has happened between two rows of one ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Whose.
    pub tenant: TenantId,
    /// What the tables have.
    pub from: Position,
    /// What they would have with nothing added.
    pub to: Position,
}

/// The tables, as a node's writer has them.
#[derive(Debug)]
pub struct SharedStore {
    session: Box<dyn Session>,
}

const POSITION: &str =
    "SELECT epoch, next_row, next_number FROM history_position WHERE tenant = ?1";

impl SharedStore {
    /// The tables that `session` speaks to.
    #[must_use]
    pub const fn new(session: Box<dyn Session>) -> Self {
        Self { session }
    }

    /// How far a tenant's rows go.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn position(&mut self, tenant: TenantId) -> Result<Position, HistoryError> {
        position(&mut *self.session, tenant)
            .map_err(|error| HistoryError::of(&*self.session, error))
    }

    /// Writes `rows` and `money` of a tenant, which go from one position to another, or nothing of them. It is `at` now.
    ///
    /// # Errors
    /// What the database says. If its answer was lost, the same may be asked again.
    pub fn commit(
        &mut self,
        tenant: TenantId,
        rows: &[Row],
        money: &[MoneyChecked],
        (from, to): (Position, Position),
        at: u64,
    ) -> Result<Committed, HistoryError> {
        let committed = once(&mut *self.session, |session| {
            let sql = format!("{POSITION}{}", session.dialect().for_update());
            let mut known = row(session, &sql, values![tenant.0])?;
            if known.is_none() {
                begin(session, tenant)?;
                known = row(session, &sql, values![tenant.0])?;
            }
            let Some(known) = known else {
                return Ok(Committed::Elsewhere);
            };
            let found = Position {
                epoch: Epoch(known.unsigned(0)?),
                next_row: known.unsigned(1)?,
            };
            if found == to && from != to {
                return Ok(Committed::Done);
            }
            if found != from {
                return Ok(Committed::Elsewhere);
            }
            let mut writer = Writer::new(session, Some(known.unsigned(2)?));
            writer.all(&[tenant], rows, money)?;
            let next = writer.finish()?.unwrap_or(1);
            session.execute(
                "UPDATE history_position SET epoch = ?2, next_row = ?3, next_number = ?4, written_at = ?5 WHERE tenant = ?1",
                values![
                    tenant.0,
                    to.epoch.0.cast_signed(),
                    to.next_row.cast_signed(),
                    next.cast_signed(),
                    at.cast_signed()
                ],
            )?;
            Ok(Committed::Done)
        });
        committed.map_err(|error| HistoryError::of(&*self.session, error))
    }

    /// Says how far the tables go for tenants of whom nothing has happened. All are between the same two rows; gives whether
    /// all were there. Of who was somewhere in between nothing has happened until there, either.
    ///
    /// # Errors
    /// What the database says. The same may be asked again, whatever became of it.
    pub fn pass_over(&mut self, quiet: &[Quiet], at: u64) -> Result<bool, HistoryError> {
        let mut all = true;
        for quiet in quiet.chunks(QUIET_MAX) {
            let Some(first) = quiet.first() else {
                continue;
            };
            let pairs = vec!["(?, ?)"; quiet.len()].join(", ");
            let sql = format!(
                "UPDATE history_position SET next_row = ?, written_at = ? WHERE next_row BETWEEN ? AND ? AND (tenant, epoch) IN ({pairs})"
            );
            let mut values = values![
                first.to.next_row.cast_signed(),
                at.cast_signed(),
                first.from.next_row.cast_signed(),
                first.to.next_row.cast_signed()
            ]
            .to_vec();
            for it in quiet {
                values.extend_from_slice(values![it.tenant.0, it.from.epoch.0.cast_signed()]);
            }
            let found = self.session.execute(&sql, &values);
            let found = found.map_err(|error| HistoryError::of(&*self.session, error))?;
            all &= found == quiet.len() as u64;
        }
        Ok(all)
    }
}

/// How far a tenant's rows go.
///
/// # Errors
/// When the database does not answer.
pub fn position(session: &mut dyn Session, tenant: TenantId) -> Result<Position, TablesError> {
    match row(session, POSITION, values![tenant.0])? {
        Some(row) => Ok(Position {
            epoch: Epoch(row.unsigned(0)?),
            next_row: row.unsigned(1)?,
        }),
        None => Ok(Position::START),
    }
}

/// Makes a tenant's row of positions, unless somebody has meanwhile.
fn begin(session: &mut dyn Session, tenant: TenantId) -> Result<(), TablesError> {
    let ignore = session.dialect().insert_ignore();
    let sql = format!(
        "{ignore} history_position (tenant, epoch, next_row, next_number, written_at) VALUES (?1, 0, 0, 1, 0)"
    );
    session.execute(&sql, values![tenant.0]).map(|_| ())
}

//! What is wrong on purpose: each mutant tells the rules something wrong, or takes a condition out of a statement.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The owner counts its lease from the answer of a renewal.
    DeadlineFromAnswer,
    /// The others wait for half of what the owner has promised.
    HalfTheSilence,
    /// Silence is counted from the sending of the first poll to the answer of the last one.
    SilenceFromSending,
    /// Silence goes on while nobody asks.
    NoGap,
    /// The fence does not ask whether there was a beat since.
    FenceWithoutBeat,
    /// A renewal does not ask whether the process was taken for dead.
    RenewalWithoutState,
    /// A row is added to a log that is sealed.
    AppendWithoutSeal,
    /// The same, and the seal has no row of its own either.
    AppendWithoutSealOrItsRow,
    /// A row whose fate is not known is given up for a new one with the same number, and whatever has the number is taken
    /// for it.
    BlindRetry,
    /// A process takes its name's tenants under the epochs they have.
    ReclaimWithoutEpoch,
    /// A process that lost its lease goes on as if it had not.
    NoExit,
    /// A process that was superseded takes its name back at once.
    NoExitButDuel,
    /// Whoever has the name is taken for dead.
    BlindProof,
    /// Silence is what the database's wall clock says.
    WallClock,
    /// A tenant that was let go and that nobody else takes is served again under the epoch that has ended.
    ServeAgainUnderOldEpoch,
    /// An owner that registered after the nodes were looked at is taken for one that has ended.
    NewOwnerIsDead,
    /// Tenants are claimed although their log is not sealed.
    ClaimWithoutSeal,
}

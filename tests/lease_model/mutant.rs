//! Rules left out, one at a time, to see what each is for.

/// A protocol that lacks one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A row goes into a sealed log.
    AppendWithoutSeal,
    /// Claims and reads come before the seal.
    SealAfterClaim,
    /// A renewal does not ask whether the node is live.
    RenewalWithoutState,
    /// A fence does not ask whether the beat is the one that was seen.
    FenceWithoutBeat,
    /// A registration keeps the epochs of the streams it reclaims.
    ReclaimWithoutEpoch,
    /// A registration leaves the log of the incarnation before it open.
    RegistrationWithoutSeal,
    /// A claim keeps the epoch.
    ClaimWithoutEpoch,
    /// A claim takes the stream from whoever has it.
    ClaimWithoutOwner,
    /// After no answer the next batch goes to the same place, and a duplicate key is taken for success.
    BlindRetry,
    /// What a batch leads to leaves before the batch is known to be durable.
    EmissionBeforeCommit,
    /// A superseded process registers again.
    NoExitWhenSuperseded,
}

//! Names that mean something inside one process only.

/// A tenant's place in the node's table of tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantIndex(pub u32);

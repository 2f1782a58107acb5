//! Who may do what: roles, and what each needs.
//!
//! Must never: allow what no line of this file allows.

use serde::{Deserialize, Serialize};
use souk_protocol::{AccountId, TenantId};
use utoipa::ToSchema;

/// What somebody is to a tenant, or to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything of one tenant.
    Owner,
    /// Markets, money, accounts.
    Operator,
    /// Accounts and orders of users.
    Support,
    /// Reads everything, the audit log too.
    Auditor,
    /// One account, on the trading page.
    Holder,
    /// Who runs the nodes: nothing of any tenant.
    Platform,
}

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Public,
    /// To be somebody.
    Token,
    /// To be one of a tenant's people.
    Read,
    /// To see to users: accounts, and orders of others.
    Support,
    /// To run markets and move money.
    Operate,
    /// To read the audit log.
    Audit,
    /// To say who else may do what.
    Own,
    /// To have an account.
    Trade,
    /// To run the nodes.
    Run,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Operator,
        Self::Support,
        Self::Auditor,
        Self::Holder,
        Self::Platform,
    ];

    /// Roles that a tenant's owner may give.
    pub const OF_TENANT: [Self; 4] = [Self::Owner, Self::Operator, Self::Support, Self::Auditor];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Support => "support",
            Self::Auditor => "auditor",
            Self::Holder => "holder",
            Self::Platform => "platform",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it may do what needs this.
    #[must_use]
    pub fn may(self, need: Need) -> bool {
        match need {
            Need::Public | Need::Token => true,
            Need::Read => Self::OF_TENANT.contains(&self),
            Need::Support => matches!(self, Self::Owner | Self::Operator | Self::Support),
            Need::Operate => matches!(self, Self::Owner | Self::Operator),
            Need::Audit => matches!(self, Self::Owner | Self::Auditor),
            Need::Own => self == Self::Owner,
            Need::Trade => self == Self::Holder,
            Need::Run => self == Self::Platform,
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose data it may see; none: it runs the nodes.
    pub tenant: Option<TenantId>,
    /// Its name: a user's, a token's, or `account N`.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The holder's account.
    pub account: Option<AccountId>,
    /// When its token ends, nanoseconds since 1970-01-01 UTC.
    pub expires_at: u64,
}

//! Keys that are not in a configuration: given while nodes run.

use souk_protocol::{AccountId, KeyId};

use super::{KeyAccounts, KeyConfig, Permissions};

impl KeyConfig {
    /// What an office logs on with: it may do everything that its tenant may.
    #[must_use]
    pub const fn of_office(id: KeyId, public_key: [u8; 32]) -> Self {
        Self {
            id,
            public_key,
            accounts: KeyAccounts::All,
            permissions: Permissions {
                trade: true,
                cancel: true,
                market_data: true,
                control: true,
                funding: true,
                drop_copy: true,
            },
            works: true,
        }
    }

    /// A key that works and whose rights are in words: what it may do, with commas between; `all`, or ids of accounts with commas between.
    #[must_use]
    pub fn of_words(id: KeyId, public_key: [u8; 32], permissions: &str, accounts: &str) -> Self {
        let accounts = if accounts == "all" {
            KeyAccounts::All
        } else {
            let ids = accounts.split(',').filter_map(|id| id.parse().ok());
            KeyAccounts::Some(ids.map(AccountId).collect())
        };
        let mut allowed = Permissions::NONE;
        for word in permissions.split(',') {
            allowed.allow(word);
        }
        Self {
            id,
            public_key,
            accounts,
            permissions: allowed,
            works: true,
        }
    }
}

//! The parts of a configuration that every server of one's own has: limits, tenants, and keys that are kept in memory only.

use std::fmt::Write;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use souk_protocol::KeyId;

use super::ServerError;
use crate::key::PrivateKey;
use crate::load::SessionKey;

/// Messages a second of a session without a limit: the most that a configuration can say.
const NO_LIMIT: u32 = 100_000_000;

/// Makes keys, with ids from 1 on.
#[derive(Debug, Default)]
pub(crate) struct MakesKeys(u32);

impl MakesKeys {
    /// Another key, of so many sessions.
    pub fn key(&mut self, sessions: u16) -> Result<SessionKey, ServerError> {
        self.0 += 1;
        let mut seed = [0; 32];
        let filled = SystemRandom::new().fill(&mut seed).ok();
        let private = filled.and_then(|()| PrivateKey::from_seed(&seed));
        Ok(SessionKey {
            id: KeyId(self.0),
            private: Arc::new(private.ok_or(ServerError::NoRandom)?),
            sessions,
        })
    }
}

/// A tenant of a server of one's own.
#[derive(Debug)]
pub(crate) struct Tenant<'a> {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: &'a str,
    /// How many markets it has.
    pub markets: u32,
    /// How many accounts it has, all of them rich.
    pub accounts: u32,
    /// Its keys, and the accounts of each, as the configuration says it.
    pub keys: &'a [(&'a SessionKey, String)],
}

impl Tenant<'_> {
    /// What a configuration says of it.
    pub fn text(&self) -> String {
        let Self { id, name, .. } = self;
        let mut text = format!(
            "[[tenant]]\nid = {id}\nname = \"{name}\"\n\
             [[tenant.currency]]\ncode = \"BTC\"\nscale = 8\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n"
        );
        let written = "a string takes everything";
        for market in 1..=self.markets {
            write!(
                text,
                "[[tenant.market]]\nid = {market}\nsymbol = \"BTC-USDT-{market}\"\nbase = \"BTC\"\nquote = \"USDT\"\n\
                 tick_size = \"0.01\"\nlot_size = \"0.0001\"\naccount_orders_max = 1000000\n"
            )
            .expect(written);
        }
        for account in 1..=self.accounts {
            write!(
                text,
                "[[tenant.account]]\nid = {account}\ncredit = {{ BTC = \"1000000000\", USDT = \"1000000000000\" }}\n"
            )
            .expect(written);
        }
        for (key, accounts) in self.keys {
            let public = key
                .private
                .public()
                .map(|byte| format!("{byte:02x}"))
                .concat();
            write!(
                text,
                "[[tenant.key]]\nid = {}\npublic_key = \"{public}\"\naccounts = {accounts}\n",
                key.id
            )
            .expect(written);
        }
        text
    }
}

/// The beginning of a configuration: the server listens on a free port, with `more` in its table, and each session may send
/// so many orders a second, and as many cancels; `None`: no limit.
pub(crate) fn server_text(more: &str, session_rate: Option<u32>) -> String {
    let rate = session_rate.unwrap_or(NO_LIMIT);
    // A tenth of a second at once, as by default.
    let burst = (rate / 10).max(32);
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{more}\
         [limits]\norder_rate = {rate}\norder_burst = {burst}\ncancel_rate = {rate}\ncancel_burst = {burst}\n"
    )
}

//! The tenants' back office.

use souk_protocol::{Durability, KEY_ID_MAX};

use super::super::raw::RawConfig;
use super::super::{ConfigError, GIVEN_KEY_ID_MAX, JournalConfig, OfficeConfig};
use super::{Overrides, Source, listen};

pub(super) fn resolve_office(
    source: &Source<'_>,
    raw: &RawConfig,
    journal: &JournalConfig,
    tls: bool,
    overrides: &Overrides,
) -> Result<Option<OfficeConfig>, ConfigError> {
    let Some(given) = &raw.office else {
        return Ok(None);
    };
    let office = given.get_ref();
    if journal.durability == Durability::Memory {
        return Err(source.error(
            "office",
            given.span(),
            journal.durability.name(),
            "needs a journal: what people ask for is made from it",
            "set [journal] durability = \"local\" or \"mysql\", or leave [office] out",
        ));
    }
    let highest = u64::from(GIVEN_KEY_ID_MAX.0);
    let tenants = raw.tenant.len() as u64;
    let own = u64::from(KEY_ID_MAX) - highest;
    if tenants > own {
        let rule = format!("has a key for each of at most {own} tenants");
        let remedy = "serve the others by another node";
        return Err(source.error("office", given.span(), tenants, rule, remedy));
    }
    for key in raw.tenant.iter().flat_map(|tenant| &tenant.key) {
        let id = *key.id.get_ref();
        if id > highest {
            let rule = format!("must be at most {highest}: the office has the ids above it");
            let remedy = "choose another id, or leave [office] out";
            return Err(source.error("key.id", key.id.span(), id, rule, remedy));
        }
    }
    let listen = listen::resolve_office(source, office, tls, overrides)?;
    Ok(Some(OfficeConfig { listen }))
}

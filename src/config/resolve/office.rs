//! The tenants' back office.

use souk_protocol::{Durability, KEY_ID_MAX};

use super::super::raw::RawConfig;
use super::super::{ConfigError, JournalConfig, OfficeConfig};
use super::{Overrides, Source, listen};

/// Key ids that the office gives itself, one a tenant, the highest there are.
const OWN_KEYS: u64 = 4_096;

pub(super) fn resolve_office(
    source: &Source<'_>,
    raw: &RawConfig,
    journal: &JournalConfig,
    overrides: &Overrides,
) -> Result<Option<OfficeConfig>, ConfigError> {
    let Some(given) = &raw.office else {
        return Ok(None);
    };
    let office = given.get_ref();
    if journal.durability != Durability::Local {
        return Err(source.error(
            "office",
            given.span(),
            journal.durability.name(),
            "needs a journal on this machine: what people ask for is read from there",
            "set [journal] durability = \"local\", or leave [office] out",
        ));
    }
    let highest = u64::from(KEY_ID_MAX) - OWN_KEYS;
    for key in raw.tenant.iter().flat_map(|tenant| &tenant.key) {
        let id = *key.id.get_ref();
        if id > highest {
            let rule = format!("must be at most {highest}: the office has the ids above it");
            let remedy = "choose another id, or leave [office] out";
            return Err(source.error("key.id", key.id.span(), id, rule, remedy));
        }
    }
    let listen = listen::resolve_office(source, office, overrides)?;
    Ok(Some(OfficeConfig { listen }))
}

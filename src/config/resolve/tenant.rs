//! Tenants: what the file says of one becomes the commands of its control stream, and is refused for
//! the same reasons.

use std::collections::{BTreeSet, HashSet};

use rust_decimal::Decimal;
use souk_protocol::message::{CreateAccount, CreateCurrency, Credit};
use souk_protocol::{
    AccountId, AccountStatus, Amount, CurrencyStatus, FeeGroup, KEY_ID_MAX, KeyId, RejectReason,
    Reserved, StpGroup, TenantId, Text,
};
use toml::Spanned;

use super::{Source, market};
use crate::config::raw::*;
use crate::config::{ConfigError, KeyAccounts, KeyConfig, Permissions, TenantConfig};
use crate::control::{Control, ControlCommand, CurrencyCode, Funds};

/// The business of the credits in a configuration.
const BUSINESS: &str = "config";

/// A tenant while its part of the file is read.
pub(super) struct Draft<'a> {
    pub source: &'a Source<'a>,
    pub control: Control,
    commands: Vec<ControlCommand>,
}

/// A configuration takes no money.
struct NoFunds;

impl Funds for NoFunds {
    fn take(&mut self, _: AccountId, _: CurrencyCode, _: Amount) -> Result<(), RejectReason> {
        Err(RejectReason::InsufficientFunds)
    }
}

impl Draft<'_> {
    /// Applies a command of the control stream. What it refuses is an error of this line.
    pub(super) fn apply(
        &mut self,
        command: &ControlCommand,
        key: &'static str,
        span: std::ops::Range<usize>,
        value: &str,
    ) -> Result<(), ConfigError> {
        match self.control.apply(command, &mut NoFunds) {
            Ok(_) => {
                self.commands.push(*command);
                Ok(())
            }
            Err(reason) => {
                let rule = format!("is refused: {reason}");
                Err(self.source.error(key, span, value, rule, reason.remedy()))
            }
        }
    }
}

pub(super) fn resolve_tenant(
    source: &Source<'_>,
    raw: &RawTenant,
    key_ids: &mut HashSet<u64>,
) -> Result<TenantConfig, ConfigError> {
    let id = source.number("tenant.id", Some(&raw.id), 0, 1..=u64::from(u32::MAX))? as u32;
    let name = raw.name.get_ref();
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(legal) {
        return Err(source.error(
            "tenant.name",
            raw.name.span(),
            name,
            "must be 1 to 32 lower-case letters, digits or '-'",
            "choose a short name; it never changes",
        ));
    }
    let mut draft = Draft {
        source,
        control: Control::new(raw.custody),
        commands: Vec::new(),
    };
    let mut codes = HashSet::new();
    for currency in &raw.currency {
        let code = currency.code.get_ref().clone();
        source.unique("currency.code", &mut codes, code, currency.code.span())?;
        resolve_currency(&mut draft, currency)?;
    }
    let (mut ids, mut symbols) = (HashSet::new(), HashSet::new());
    for market in &raw.market {
        source.unique(
            "market.id",
            &mut ids,
            *market.id.get_ref(),
            market.id.span(),
        )?;
        let symbol = market.symbol.get_ref().clone();
        source.unique("market.symbol", &mut symbols, symbol, market.symbol.span())?;
        market::resolve_market(&mut draft, market)?;
    }
    let mut ids = HashSet::new();
    for account in &raw.account {
        source.unique(
            "account.id",
            &mut ids,
            *account.id.get_ref(),
            account.id.span(),
        )?;
        resolve_account(&mut draft, account)?;
    }
    let mut keys = Vec::new();
    for key in &raw.key {
        source.unique("key.id", key_ids, *key.id.get_ref(), key.id.span())?;
        keys.push(resolve_key(source, key, &draft.control)?);
    }
    Ok(TenantConfig {
        id: TenantId(id),
        name: name.clone(),
        control: draft.control,
        commands: draft.commands,
        keys,
    })
}

fn resolve_currency(draft: &mut Draft<'_>, raw: &RawCurrency) -> Result<(), ConfigError> {
    let source = draft.source;
    let code = market::currency_code(source, "currency.code", &raw.code)?;
    let scale = source.number("currency.scale", Some(&raw.scale), 0, 0..=18)? as u8;
    let shown = source.number(
        "display_scale",
        raw.display_scale.as_ref(),
        u64::from(scale),
        0..=u64::from(scale),
    )?;
    let bound = |key, given: &Option<Spanned<String>>| match given {
        Some(given) => amount(source, key, given, scale),
        None => Ok(Amount(0)),
    };
    let command = ControlCommand::CreateCurrency(CreateCurrency {
        request_id: 0,
        code,
        amount_min: bound("amount_min", &raw.amount_min)?,
        amount_max: bound("amount_max", &raw.amount_max)?,
        scale,
        display_scale: shown as u8,
        status: match raw.status {
            None | Some(RawCurrencyStatus::Listed) => CurrencyStatus::Listed,
            Some(RawCurrencyStatus::Hidden) => CurrencyStatus::Hidden,
            Some(RawCurrencyStatus::Delisting) => CurrencyStatus::Delisting,
        },
        reserved: Reserved,
    });
    draft.apply(&command, "currency", raw.code.span(), raw.code.get_ref())
}

/// A decimal of people as a whole number of units.
pub(super) fn amount(
    source: &Source<'_>,
    key: &'static str,
    given: &Spanned<String>,
    scale: u8,
) -> Result<Amount, ConfigError> {
    let value = market::decimal(source, key, given)?;
    let unit = Decimal::new(1, u32::from(scale));
    let units = value
        .checked_div(unit)
        .filter(|units| units.fract().is_zero())
        .and_then(|units| u64::try_from(units).ok())
        .filter(|units| *units <= souk_protocol::AMOUNT_MAX.0);
    units.map(Amount).ok_or_else(|| {
        let rule = format!("must be a multiple of {unit}, at most 2^63 - 1 of them");
        let remedy = "round it, or give the currency another scale";
        source.error(key, given.span(), given.get_ref(), rule, remedy)
    })
}

fn resolve_account(draft: &mut Draft<'_>, raw: &RawAccount) -> Result<(), ConfigError> {
    let source = draft.source;
    let id = source.number("account.id", Some(&raw.id), 0, 1..=u64::from(u32::MAX))?;
    let group =
        |key, given: &Option<Spanned<u64>>| source.number(key, given.as_ref(), 0, 0..=65_535);
    let external_id = match &raw.external_id {
        None => Text([0; 32]),
        Some(given) => Text::new(given.get_ref()).ok_or_else(|| {
            let rule = "must be at most 32 printable ASCII characters without spaces";
            let remedy = "use the platform's own id of the user";
            source.error("external_id", given.span(), given.get_ref(), rule, remedy)
        })?,
    };
    let account = AccountId(id as u32);
    let command = ControlCommand::CreateAccount(CreateAccount {
        request_id: 0,
        account,
        fee_group: FeeGroup(group("fee_group", &raw.fee_group)? as u16),
        stp_group: StpGroup(group("stp_group", &raw.stp_group)? as u16),
        status: match raw.status {
            None | Some(RawAccountStatus::Active) => AccountStatus::Active,
            Some(RawAccountStatus::CancelOnly) => AccountStatus::CancelOnly,
            Some(RawAccountStatus::Frozen) => AccountStatus::Frozen,
        },
        reserved: Reserved,
        external_id,
    });
    draft.apply(&command, "account.id", raw.id.span(), &id.to_string())?;
    for (code, given) in &raw.credit {
        credit(draft, account, code, given)?;
    }
    Ok(())
}

fn credit(
    draft: &mut Draft<'_>,
    account: AccountId,
    code: &str,
    given: &Spanned<String>,
) -> Result<(), ConfigError> {
    let currency = Text::new(code).and_then(|text| Some((text, draft.control.scale(text)?)));
    let Some((currency, scale)) = currency else {
        let rule = "is not a currency of this tenant";
        let remedy = "add a [[tenant.currency]] with this code";
        return Err(draft
            .source
            .error("account.credit", given.span(), code, rule, remedy));
    };
    let command = ControlCommand::Credit(Credit {
        request_id: 0,
        business: Text::new(BUSINESS).expect("it is short and printable"),
        business_id: draft.commands.len() as u64,
        account,
        scale,
        reserved: Reserved,
        currency,
        amount: amount(draft.source, "account.credit", given, scale)?,
    });
    draft.apply(&command, "account.credit", given.span(), given.get_ref())
}

fn resolve_key(
    source: &Source<'_>,
    raw: &RawKey,
    control: &Control,
) -> Result<KeyConfig, ConfigError> {
    let id = source.number("key.id", Some(&raw.id), 0, 1..=u64::from(KEY_ID_MAX))? as u32;
    let text = raw.public_key.get_ref();
    let public_key = crate::keys::parse_hex32(text).ok_or_else(|| {
        source.error(
            "public_key",
            raw.public_key.span(),
            text,
            "must be 64 hex digits",
            "paste what `souk key new` printed",
        )
    })?;
    let span = raw.accounts.span();
    let fail = |value: String, rule: &str| {
        source.error(
            "key.accounts",
            span.clone(),
            value,
            rule,
            "list accounts of this tenant, or write \"all\"",
        )
    };
    let allowed = match raw.accounts.get_ref() {
        RawAccounts::Word(word) if word == "all" => KeyAccounts::All,
        RawAccounts::Word(word) => {
            return Err(fail(word.clone(), "must be \"all\" or a list of ids"));
        }
        RawAccounts::List(list) => {
            let mut ids = BTreeSet::new();
            for id in list {
                let account = u32::try_from(*id).ok().map(AccountId);
                match account.filter(|account| control.has_account(*account)) {
                    Some(account) => ids.insert(account),
                    None => return Err(fail(id.to_string(), "is not an account of this tenant")),
                };
            }
            KeyAccounts::Some(ids)
        }
    };
    Ok(KeyConfig {
        id: KeyId(id),
        public_key,
        accounts: allowed,
        permissions: resolve_permissions(source, raw)?,
        works: true,
    })
}

fn resolve_permissions(source: &Source<'_>, raw: &RawKey) -> Result<Permissions, ConfigError> {
    let Some(words) = &raw.permissions else {
        return Ok(Permissions {
            trade: true,
            cancel: true,
            market_data: true,
            ..Permissions::NONE
        });
    };
    let mut permissions = Permissions::NONE;
    for word in words {
        if !permissions.allow(word.get_ref()) {
            return Err(source.error(
                "permissions",
                word.span(),
                word.get_ref(),
                "must be trade, cancel, market-data, control, funding or drop-copy",
                "remove or correct it",
            ));
        }
    }
    Ok(permissions)
}

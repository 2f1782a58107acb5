//! Where to listen: `[server]`, `[office]` and `[operations]`; and with which certificate: `[tls]`.

use super::*;

const RULE: &str = "must be an address and a port, such as 127.0.0.1:7001";
const REMEDY: &str = "listen on 127.0.0.1, or set allow_remote = true on a private network";
const PLAIN: &str =
    "is beyond loopback, and without [tls] everybody on the way can read and change what is said";
const PLAIN_REMEDY: &str = "set [tls] certificate and key, or listen on 127.0.0.1, or set allow_remote = true on a private network";

/// An address that somebody may reach, and what was said of it.
struct Asked<'a> {
    /// The flag's name, and its value if it is given.
    flag: (&'static str, Option<&'a String>),
    /// As the file has it.
    given: Option<&'a Spanned<String>>,
    /// Whether it may be beyond loopback.
    allow_remote: bool,
    /// Why it is not for everybody, and what to do.
    remote: (&'static str, &'static str),
}

pub(super) fn resolve_server(
    source: &Source<'_>,
    raw: &RawServer,
    tls: bool,
    overrides: &Overrides,
) -> Result<SocketAddr, ConfigError> {
    let asked = Asked {
        flag: ("listen", overrides.listen.as_ref()),
        given: raw.listen.as_ref(),
        allow_remote: tls || raw.allow_remote || overrides.allow_remote,
        remote: (PLAIN, PLAIN_REMEDY),
    };
    let default = SocketAddr::from(([127, 0, 0, 1], 7001));
    Ok(asked.resolve(source)?.unwrap_or(default))
}

pub(super) fn resolve_operations(
    source: &Source<'_>,
    raw: Option<&RawOperations>,
    overrides: &Overrides,
) -> Result<Option<OperationsConfig>, ConfigError> {
    let asked = Asked {
        flag: ("operations-listen", overrides.operations_listen.as_ref()),
        given: raw.and_then(|raw| raw.listen.as_ref()),
        allow_remote: raw.is_some_and(|raw| raw.allow_remote) || overrides.operations_allow_remote,
        remote: (
            "is beyond loopback, and whoever reaches it may read it without a password",
            REMEDY,
        ),
    };
    let listen = asked.resolve(source)?;
    Ok(listen.map(|listen| OperationsConfig { listen }))
}

pub(super) fn resolve_office(
    source: &Source<'_>,
    raw: &RawOffice,
    tls: bool,
    overrides: &Overrides,
) -> Result<SocketAddr, ConfigError> {
    let asked = Asked {
        flag: ("office-listen", overrides.office_listen.as_ref()),
        given: raw.listen.as_ref(),
        allow_remote: tls || raw.allow_remote || overrides.allow_remote,
        remote: (PLAIN, PLAIN_REMEDY),
    };
    let default = SocketAddr::from(([127, 0, 0, 1], 7080));
    Ok(asked.resolve(source)?.unwrap_or(default))
}

pub(super) fn resolve_tls(raw: Option<&RawTls>, overrides: &Overrides) -> Option<TlsConfig> {
    let of_file = || raw.map(|raw| (raw.certificate.clone(), raw.key.clone()));
    let (certificate, key) = overrides.tls.clone().or_else(of_file)?;
    Some(TlsConfig {
        certificate,
        key,
        authorities: raw.and_then(|raw| raw.authorities.clone()),
    })
}

impl Asked<'_> {
    fn resolve(&self, source: &Source<'_>) -> Result<Option<SocketAddr>, ConfigError> {
        let refused = |address: SocketAddr| !address.ip().is_loopback() && !self.allow_remote;
        if let (name, Some(text)) = self.flag {
            let fail = |rule: &str| ConfigError::Override {
                name,
                value: text.clone(),
                rule: rule.to_owned(),
            };
            let address: SocketAddr = text.parse().map_err(|_| fail(RULE))?;
            if refused(address) {
                let (rule, remedy) = self.remote;
                return Err(fail(&format!("{rule}; {remedy}")));
            }
            return Ok(Some(address));
        }
        let Some(given) = self.given else {
            return Ok(None);
        };
        let fail =
            |rule, remedy| source.error("listen", given.span(), given.get_ref(), rule, remedy);
        let address: SocketAddr = given.get_ref().parse().map_err(|_| fail(RULE, REMEDY))?;
        if refused(address) {
            let (rule, remedy) = self.remote;
            return Err(fail(rule, remedy));
        }
        Ok(Some(address))
    }
}

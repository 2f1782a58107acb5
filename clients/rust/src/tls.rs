//! Whom a client takes for a node of Souk: TLS 1.3 by rustls.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};

/// Whom a client takes for a node: one whose certificate comes from an authority that it trusts, and is made out to the host
/// that it connects to.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The authorities cannot be had.
    #[error("authorities of {path}: {problem}; give a file with certificates in PEM")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system trusts nobody.
    #[error(
        "the system has no certificate authorities ({0}); install ca-certificates, or name a file"
    )]
    NoAuthorities(String),
    /// A name is none.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    ServerName(String),
    /// Cryptography cannot be used.
    #[error(transparent)]
    Setup(#[from] tokio_rustls::rustls::Error),
}

impl Tls {
    /// Trusts the authorities that the system trusts.
    ///
    /// # Errors
    /// When it has none.
    pub fn of_system() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let told: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(TlsError::NoAuthorities(told.join(", ")));
        }
        Self::of(roots)
    }

    /// Trusts the authorities in a file, and nobody else. A node that has signed its certificate itself is trusted by that
    /// certificate.
    ///
    /// # Errors
    /// When the file cannot be read, or has no certificate in it.
    pub fn of_authorities(file: &Path) -> Result<Self, TlsError> {
        let fail = |problem: String| TlsError::Authorities {
            path: file.to_owned(),
            problem,
        };
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| fail(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| fail(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(fail("has no certificate in it".to_owned()));
        }
        Self::of(roots)
    }

    fn of(roots: RootCertStore) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            name: None,
        })
    }

    /// Expects certificates made out to this DNS name or IP address, whatever host is connected to.
    ///
    /// # Errors
    /// When it is neither.
    pub fn with_server_name(self, name: &str) -> Result<Self, TlsError> {
        let parsed = ServerName::try_from(name.to_owned());
        let name = parsed.map_err(|_| TlsError::ServerName(name.to_owned()))?;
        Ok(Self {
            name: Some(name),
            ..self
        })
    }

    /// Shakes hands with a node. `address` is `host:port`.
    pub(crate) async fn connect(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host_of(address).to_owned())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_what_a_certificate_is_made_out_to() {
        assert_eq!(host_of("souk.example:7001"), "souk.example");
        assert_eq!(host_of("10.0.0.5:7001"), "10.0.0.5");
        assert_eq!(host_of("[::1]:7001"), "::1");
        assert_eq!(host_of("souk.example"), "souk.example");
    }

    #[test]
    fn what_is_no_authority_is_refused_by_name() {
        let missing = Tls::of_authorities(Path::new("no/such.pem")).expect_err("nothing is there");
        assert!(missing.to_string().contains("no/such.pem"), "{missing}");
        let empty = Tls::of_authorities(Path::new("Cargo.toml")).expect_err("it is no certificate");
        assert!(empty.to_string().contains("no certificate"), "{empty}");
    }
}

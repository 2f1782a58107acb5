//! An authority, and the certificates that it gives.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a peer may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Somebody who makes certificates out.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub file: PathBuf,
}

impl Authority {
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { issuer, file }
    }

    /// Makes a certificate out to a host and writes it and its key, as a node reads them.
    pub fn certify(&self, folder: &Path, host: &str) {
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        put(&folder.join("node.pem"), &certificate.pem(), 0o644);
        put(&folder.join("node.key"), &key.serialize_pem(), 0o600);
    }

    /// The client's side of TLS with whom this authority has made a certificate out as `host`.
    pub fn handshake(&self, host: &'static str) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.file).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host).unwrap();
        ClientConnection::new(Arc::new(config), name).unwrap()
    }

    /// A blocking connection of it.
    pub fn connect(
        &self,
        host: &'static str,
        address: SocketAddr,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        StreamOwned::new(self.handshake(host), stream)
    }
}

/// Puts a file in the place of another one at once, as tools that renew certificates do.
pub fn put(path: &Path, text: &str, mode: u32) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(&new, path).unwrap();
}

/// The lines of a configuration that name them.
pub fn section(folder: &Path) -> String {
    let path = |name| folder.join(name).display().to_string();
    format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        path("node.pem"),
        path("node.key")
    )
}

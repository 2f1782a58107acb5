//! An authority, and the certificates that it gives.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

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

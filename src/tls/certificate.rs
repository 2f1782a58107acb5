//! What a node shows to its peers: a chain of certificates and the private key, from two files that may be renewed while it runs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, version};
use x509_parser::prelude::FromDer;

use crate::clock;
use crate::storage::{self, FileStamp};

/// How often the files are looked at for new ones.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read the TLS {what}: {error}\nremedy: name a readable file as [tls] {what}")]
    Read {
        /// `certificate` or `key`.
        what: &'static str,
        /// What the system said, with the path.
        error: std::io::Error,
    },
    /// Everybody on the machine can read the private key.
    #[error(
        "the TLS key {path} has mode {mode:03o}: everybody on the machine may use it\nremedy: chmod o-rwx, such as chmod 640 {path}"
    )]
    KeyForEverybody {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file is not what it should be.
    #[error("the TLS {what} {path} {problem}\nremedy: give {remedy}")]
    Content {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What belongs there.
        remedy: &'static str,
    },
    /// The two do not belong together, or the key is of a kind that is not known.
    #[error(
        "the TLS certificate and key cannot be used: {0}\nremedy: give the private key that the first certificate of the file was made for, ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits or more"
    )]
    Pair(rustls::Error),
}

/// The files as they were when they were read, and what came of them.
#[derive(Debug)]
struct Loaded {
    stamps: [FileStamp; 2],
    /// Without an application protocol, and with HTTP/1.1.
    configs: [Arc<ServerConfig>; 2],
    /// When the first certificate ends, in seconds since 1970-01-01 UTC.
    ends: i64,
}

/// The certificate of a node.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
    /// The files that were told of last, used or refused; nothing if one of them could not be looked at.
    told: Mutex<Option<[FileStamp; 2]>>,
    looked_at: Mutex<Instant>,
    refused: AtomicU64,
}

impl Certificate {
    /// Reads a chain, the node's own certificate first, and its private key, both PEM.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let loaded = load(chain, key)?;
        let certificate = Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            told: Mutex::new(Some(loaded.stamps)),
            loaded: RwLock::new(loaded),
            looked_at: Mutex::new(clock::monotonic()),
            refused: AtomicU64::new(0),
        };
        certificate.tell();
        Ok(certificate)
    }

    fn tell(&self) {
        let (ends, now) = (self.ends(), (clock::wall_ns() / 1_000_000_000) as i64);
        let (days, path) = ((ends - now).div_euclid(86_400), self.chain.display());
        if ends <= now {
            tracing::error!(certificate = %path, "the TLS certificate has ended: clients will refuse it");
        } else {
            tracing::info!(certificate = %path, days, "TLS certificate read; it is valid for so many days");
        }
    }

    /// When the first certificate ends, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn ends(&self) -> i64 {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .ends
    }

    /// Handshakes that came to nothing, and peers that spoke plainly and may not.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn config(&self, http: bool) -> Arc<ServerConfig> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&loaded.configs[usize::from(http)])
    }

    /// Whether it is time to look at the files; says so to one caller only.
    pub(super) fn is_due(&self) -> bool {
        let now = clock::monotonic();
        let mut looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let due = now.duration_since(*looked_at) >= LOOK_PERIOD;
        if due {
            *looked_at = now;
        }
        due
    }

    /// Reads the files again if they have changed; what is wrong with new ones is told once, and the old ones are used on.
    pub(super) fn renew(&self) {
        let found = stamps(&self.chain, &self.key).ok();
        let old = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let is_used = found == Some(old.stamps);
        drop(old);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *told, found);
        if is_used {
            return;
        }
        // Refused files too: it may be that they only could not be read.
        match load(&self.chain, &self.key) {
            Ok(new) => {
                *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = new;
                self.tell();
            }
            Err(error) if before != found => {
                tracing::error!(%error, "the new TLS certificate is not used; the one before is");
            }
            Err(_) => {}
        }
    }
}

fn stamps(chain: &Path, key: &Path) -> Result<[FileStamp; 2], CertificateError> {
    let stamp =
        |what, path| storage::stamp(path).map_err(|error| CertificateError::Read { what, error });
    Ok([stamp("certificate", chain)?, stamp("key", key)?])
}

fn load(chain: &Path, key: &Path) -> Result<Loaded, CertificateError> {
    // Before the reading: what is changed while we read is read again.
    let stamps = stamps(chain, key)?;
    let mode = stamps[1].mode;
    if mode & 0o007 != 0 {
        let path = key.to_owned();
        return Err(CertificateError::KeyForEverybody { path, mode });
    }
    let read = |what, path| {
        storage::read_text(path).map_err(|error| CertificateError::Read { what, error })
    };
    let wrong = |what, path: &Path, problem: String, remedy| CertificateError::Content {
        what,
        path: path.to_owned(),
        problem,
        remedy,
    };
    let not_chain = |problem| {
        let remedy = "a chain of certificates in PEM, the node's own first";
        wrong("certificate", chain, problem, remedy)
    };
    let text = read("certificate", chain)?;
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_chain(format!("is not PEM: {error}")))?;
    let Some(first) = certificates.first() else {
        return Err(not_chain("has no certificate in it".to_owned()));
    };
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(first)
        .map_err(|error| not_chain(format!("has a broken certificate in it: {error}")))?;
    let ends = parsed.validity().not_after.timestamp();
    let secret = PrivateKeyDer::from_pem_slice(read("key", key)?.as_bytes()).map_err(|error| {
        let remedy = "one private key in PEM: PKCS #8, PKCS #1 or SEC 1";
        wrong(
            "key",
            key,
            format!("has no private key in it: {error}"),
            remedy,
        )
    })?;
    let plain = server_config(certificates, secret)?;
    let mut http = plain.clone();
    http.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded {
        stamps,
        configs: [Arc::new(plain), Arc::new(http)],
        ends,
    })
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, CertificateError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(CertificateError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(CertificateError::Pair)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::AtomicUsize;

    use tracing::span::{Attributes, Id, Record};
    use tracing::subscriber::with_default;
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    /// Counts the errors that are told.
    #[derive(Default)]
    struct Errors(AtomicUsize);

    impl Subscriber for Errors {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            if *event.metadata().level() == Level::ERROR {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn what_is_wrong_with_new_files_is_told_once() {
        let name = format!("souk-certificate-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let (chain, key) = (folder.join("node.pem"), folder.join("node.key"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
        let put = |text: &str| fs::write(&chain, text).expect("it is written");
        put(&made.cert.pem());
        fs::write(&key, made.signing_key.serialize_pem()).expect("it is written");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
        let certificate = Certificate::read(&chain, &key).expect("it is good");
        let errors = Arc::new(Errors::default());
        let told = || {
            let renew = || (0..3).for_each(|_| certificate.renew());
            with_default(Arc::clone(&errors), renew);
            errors.0.swap(0, Ordering::Relaxed)
        };
        assert_eq!(told(), 0);
        put("nothing");
        assert_eq!(told(), 1);
        put("nothing else");
        assert_eq!(told(), 1);
        fs::remove_file(&chain).expect("it is there");
        assert_eq!(told(), 1);
        put(&made.cert.pem());
        assert_eq!(told(), 0);
        put("nothing");
        assert_eq!(told(), 1);
        fs::remove_dir_all(&folder).expect("it is there");
    }
}

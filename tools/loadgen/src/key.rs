//! Private keys and the `--key` option that names them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use souk_protocol::{KEY_ID_MAX, KeyId, SESSION_NUMBER_MAX};

/// Why a key could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The option is not `ID:FILE` or `ID:FILE:SESSIONS`.
    #[error("`{0}` is not ID:FILE or ID:FILE:SESSIONS, such as 7:trader.key:4")]
    BadOption(String),
    /// The key id is out of range.
    #[error("key id `{0}` is not a number from 1 to {KEY_ID_MAX}")]
    BadId(String),
    /// The number of sessions is out of range.
    #[error("`{0}` sessions: a key has 1 to {max}", max = SESSION_NUMBER_MAX as u32 + 1)]
    BadSessions(String),
    /// The file could not be read.
    #[error("private key file {path} could not be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Others than its owner may read the file.
    #[error("private key file {path} has mode {mode:03o}, at most 600 is allowed: run `chmod 600 {path}`", path = path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error(
        "{path} is not a private key: expected 64 hex digits (32 bytes), as `souk key new` writes"
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
}

/// An Ed25519 private key, ready to sign.
pub struct PrivateKey(Ed25519KeyPair);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl PrivateKey {
    /// The key of a 32-byte seed; `None` when the cryptographic library refuses it.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// Reads the file that `souk key new` wrote. A file that anybody but its owner may read is
    /// refused.
    ///
    /// # Errors
    /// When the file cannot be read, may be read by others, or does not hold 64 hex digits.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |error| KeyError::Unreadable {
            path: path.to_owned(),
            error,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let metadata = std::fs::metadata(path).map_err(unreadable)?;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::ReadableByOthers {
                    path: path.to_owned(),
                    mode,
                });
            }
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        seed_from_hex(text.trim())
            .and_then(|seed| Self::from_seed(&seed))
            .ok_or_else(|| KeyError::NotAKey {
                path: path.to_owned(),
            })
    }

    /// The signature of `bytes`.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(bytes).as_ref());
        signature
    }

    /// The public key, for a server's configuration.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.0.public_key().as_ref());
        public
    }
}

fn seed_from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut seed = [0; 32];
    for (byte, digits) in seed.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(seed)
}

/// One `--key` option: which key, where its private half is, how many sessions of it may be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeyOption {
    /// The key's id.
    pub id: u32,
    /// The file with the private key.
    pub file: PathBuf,
    /// Session numbers 0 to this less one are used; `None` when connections decide.
    pub sessions: Option<u16>,
}

impl KeyOption {
    /// The key's id as the protocol's type.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        KeyId(self.id)
    }
}

impl FromStr for KeyOption {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bad = || KeyError::BadOption(text.to_owned());
        let (id_text, rest) = text.split_once(':').ok_or_else(bad)?;
        let id = id_text
            .parse()
            .ok()
            .filter(|id| (1..=KEY_ID_MAX).contains(id))
            .ok_or_else(|| KeyError::BadId(id_text.to_owned()))?;
        let (file, sessions) = match rest.rsplit_once(':') {
            Some((file, count)) => (file, Some(parse_sessions(count)?)),
            None => (rest, None),
        };
        if file.is_empty() {
            return Err(bad());
        }
        Ok(Self {
            id,
            file: PathBuf::from(file),
            sessions,
        })
    }
}

fn parse_sessions(text: &str) -> Result<u16, KeyError> {
    text.parse()
        .ok()
        .filter(|count| (1..=SESSION_NUMBER_MAX + 1).contains(count))
        .ok_or_else(|| KeyError::BadSessions(text.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_option_names_id_file_and_sessions() {
        let key: KeyOption = "7:keys/a.key:4".parse().unwrap();
        assert_eq!(key.id, 7);
        assert_eq!(key.file, PathBuf::from("keys/a.key"));
        assert_eq!(key.sessions, Some(4));
        assert_eq!("7:a.key".parse::<KeyOption>().unwrap().sessions, None);
    }

    #[test]
    fn a_broken_key_option_is_refused_with_what_was_wrong() {
        for text in [
            "",
            "7",
            "0:a",
            "1048576:a",
            "7:",
            "7:a:0",
            "7:a:4097",
            "x:a",
        ] {
            assert!(text.parse::<KeyOption>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn a_seed_is_64_hex_digits() {
        assert!(seed_from_hex(&"0f".repeat(32)).is_some());
        assert!(seed_from_hex(&"0f".repeat(31)).is_none());
        assert!(seed_from_hex(&"0g".repeat(32)).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let name = format!("souk-loadgen-key-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "0f".repeat(32)).unwrap();
        let with_mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            PrivateKey::read(&path)
        };
        let (open, own) = (with_mode(0o644), with_mode(0o600));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            open,
            Err(KeyError::ReadableByOthers { mode: 0o644, .. })
        ));
        assert!(own.is_ok());
    }
}

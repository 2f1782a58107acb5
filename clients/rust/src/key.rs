//! The private key that signs logons.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

/// A private Ed25519 key. It is never printed and leaves the process only as signatures.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key with this 32-byte seed (the private key of RFC 8032).
    ///
    /// # Errors
    /// `KeyRefused` when the cryptographic library does not take it.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::KeyRefused)?;
        Ok(Self { pair })
    }

    /// The key whose seed is these 64 hexadecimal digits. White space around them is ignored.
    ///
    /// # Errors
    /// When the text is not 64 hexadecimal digits. The text itself is not repeated in the error.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * SEED_LEN {
            return Err(KeyError::HexLength {
                found: digits.len(),
            });
        }
        let mut seed = [0; SEED_LEN];
        for (index, (byte, pair)) in seed.iter_mut().zip(digits.chunks_exact(2)).enumerate() {
            let high = hex_digit(pair[0]).ok_or(KeyError::NotHex { at: 2 * index })?;
            let low = hex_digit(pair[1]).ok_or(KeyError::NotHex { at: 2 * index + 1 })?;
            *byte = high << 4 | low;
        }
        Self::from_seed(&seed)
    }

    /// Reads the key that `souk key new` wrote. A file that anybody but its owner may read is
    /// refused.
    ///
    /// # Errors
    /// When the file cannot be read, may be read by others, or does not hold a key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let read = |source| KeyError::Read {
            path: path.to_path_buf(),
            source,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path).map_err(read)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::ReadableByOthers {
                    path: path.to_path_buf(),
                    mode,
                });
            }
        }
        Self::from_hex(&std::fs::read_to_string(path).map_err(read)?)
    }

    /// The public key, as the server's configuration has it: 64 hexadecimal digits.
    #[must_use]
    pub fn public_key_hex(&self) -> String {
        let bytes = self.pair.public_key().as_ref();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The signature of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public {})", self.public_key_hex())
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file could not be read.
    #[error("key file {path}: {source}; `souk key new --out FILE` makes one", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Others than the owner may read the file.
    #[error("key file {path} has mode {mode:03o}, at most 600 is allowed: run `chmod 600 {path}`", path = path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text has the wrong length.
    #[error("a key is 64 hexadecimal digits, found {found} characters")]
    HexLength {
        /// Characters found.
        found: usize,
    },
    /// The text has a character that is not a hexadecimal digit.
    #[error("a key is 64 hexadecimal digits, character {at} (counted from 0) is not one")]
    NotHex {
        /// Which character.
        at: usize,
    },
    /// The cryptographic library does not take the seed.
    #[error("the seed was refused by the cryptographic library")]
    KeyRefused,
}

const SEED_LEN: usize = 32;

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 8032, 7.1, test 1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn the_public_key_and_signature_are_those_of_rfc_8032() {
        let key = SigningKey::from_hex(SEED).unwrap();
        assert_eq!(key.public_key_hex(), PUBLIC);
        assert_eq!(key.sign(b"")[..4], [0xe5, 0x56, 0x43, 0x00]);
    }

    #[test]
    fn a_key_is_never_printed() {
        let printed = format!("{:?}", SigningKey::from_hex(SEED).unwrap());
        assert!(!printed.contains(&SEED[..8]));
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_with_what_is_wrong() {
        let short = SigningKey::from_hex("9d61").unwrap_err();
        assert_eq!(
            short.to_string(),
            "a key is 64 hexadecimal digits, found 4 characters"
        );
        let strange = SigningKey::from_hex(&SEED.replace("ef", "xy")).unwrap_err();
        assert!(matches!(strange, KeyError::NotHex { at: 8 }), "{strange}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("souk-key-{}", std::process::id()));
        std::fs::write(&path, format!("{SEED}\n")).unwrap();
        let with_mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            SigningKey::from_file(&path)
        };
        let open = with_mode(0o644).unwrap_err();
        let own = with_mode(0o600);
        std::fs::remove_file(&path).unwrap();
        assert!(
            matches!(open, KeyError::ReadableByOthers { mode: 0o644, .. }),
            "{open}"
        );
        assert_eq!(own.unwrap().public_key_hex(), PUBLIC);
    }
}

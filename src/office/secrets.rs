//! Passwords and tokens: kept as hashes only.
//!
//! Must never: log, return or keep one as it is.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use aws_lc_rs::digest::{SHA256, digest};

use super::store::OfficeError;
use crate::keys;

/// The SHA-256 of a token. A token is 256 random bits, so that nothing slower is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// A token that was just made: shown once.
#[derive(Clone)]
pub struct NewToken {
    /// What its owner sends.
    pub text: String,
    /// What is kept.
    pub digest: Digest,
}

/// Shortest password, in characters.
pub const PASSWORD_MIN: usize = 10;
/// Longest password, in bytes.
pub const PASSWORD_MAX: usize = 256;

impl Digest {
    /// The digest of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl NewToken {
    /// A token of 256 random bits.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn make() -> Result<Self, OfficeError> {
        let random = keys::nonce().map_err(|error| OfficeError::Secret(error.to_string()))?;
        let text = format!("souk_{}", keys::hex(&random));
        let digest = Digest::of(&text);
        Ok(Self { text, digest })
    }
}

/// A password that people can type, of 80 random bits.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_password() -> Result<String, OfficeError> {
    // 32 letters and digits that are not taken for each other.
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let random = keys::nonce().map_err(|error| OfficeError::Secret(error.to_string()))?;
    let letters: Vec<String> = random[..16]
        .chunks(4)
        .map(|part| {
            let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
            part.iter().map(letter).collect()
        })
        .collect();
    Ok(letters.join("-"))
}

/// The PHC string of a password (Argon2id). Takes some ten milliseconds.
///
/// # Errors
/// When the system gives no randomness.
pub fn hash_password(password: &str) -> Result<String, OfficeError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| OfficeError::Secret(error.to_string()))
}

/// Whether a password is the one of a PHC string. Takes as long when there is none.
#[must_use]
pub fn is_password(password: &str, hash: Option<&str>) -> bool {
    let known = hash.and_then(|hash| PasswordHash::new(hash).ok());
    match known {
        Some(known) => Argon2::default()
            .verify_password(password.as_bytes(), &known)
            .is_ok(),
        None => {
            let _ = hash_password(password);
            false
        }
    }
}

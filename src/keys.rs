//! Ed25519 keys in files: a private key is the hex of its 32-byte seed, readable by its owner only.

use std::path::Path;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::storage;

/// Why a key could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The system gave no randomness.
    #[error("the system's random source failed")]
    Random,
    /// The seed is not a key.
    #[error("the seed is not an Ed25519 key")]
    Seed,
    /// The file could not be written.
    #[error("cannot write the private key: {0}")]
    Write(#[from] std::io::Error),
}

/// A new key pair.
pub struct NewKey {
    /// The private key's seed.
    pub seed: [u8; 32],
    /// The public key.
    pub public: [u8; 32],
}

/// Makes a key pair from the system's random source.
///
/// # Errors
/// When the system gives no randomness.
pub fn generate() -> Result<NewKey, KeyError> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| KeyError::Random)?;
    Ok(NewKey {
        public: public_of(&seed)?,
        seed,
    })
}

/// The public key that belongs to a seed.
///
/// # Errors
/// When the seed is refused.
pub fn public_of(seed: &[u8; 32]) -> Result<[u8; 32], KeyError> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Seed)?;
    <[u8; 32]>::try_from(pair.public_key().as_ref()).map_err(|_| KeyError::Seed)
}

/// Writes a seed to a new file that only its owner can read. Never overwrites.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn write_private(path: &Path, seed: &[u8; 32]) -> Result<(), KeyError> {
    Ok(storage::write_secret(path, &format!("{}\n", hex(seed)))?)
}

/// Whether `signature` is `public_key`'s signature of `message`.
#[must_use]
pub fn verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}

/// 32 random bytes.
///
/// # Errors
/// When the system gives no randomness.
pub fn nonce() -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes from 64 hex digits.
#[must_use]
pub fn parse_hex32(text: &str) -> Option<[u8; 32]> {
    let digits = text.trim().as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

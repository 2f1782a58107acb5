//! How records hang together: lengths, and checksums each of which begins with the one before.

use twox_hash::XxHash64;

use super::record::{Damage, RECORD_HEADER_LEN, RECORD_LEN_MAX, u32_at, u64_at};

/// The first bytes of every record: its length, the length inverted, and its checksum.
pub const RECORD_PREFIX_LEN: usize = 16;

/// Seals the records that `bytes` is made of: each checksum begins with the one before. Gives the last.
///
/// # Panics
/// When `bytes` is not made of whole records that [`StreamRecord::write`](super::StreamRecord::write) wrote.
pub fn seal(bytes: &mut [u8], previous: u64) -> u64 {
    let (mut rest, mut checksum) = (bytes, previous);
    while !rest.is_empty() {
        let len = u32_at(rest, 0) as usize;
        let (record, others) = rest.split_at_mut(len);
        checksum = checksum_of(record, checksum);
        record[8..16].copy_from_slice(&checksum.to_le_bytes());
        rest = others;
    }
    checksum
}

/// The length of the record that begins like this.
///
/// # Errors
/// [`Damage::Length`].
pub fn length(prefix: &[u8; RECORD_PREFIX_LEN]) -> Result<usize, Damage> {
    let (length, check) = (u32_at(prefix, 0), u32_at(prefix, 4));
    let legal = (RECORD_HEADER_LEN..=RECORD_LEN_MAX).contains(&(length as usize));
    if check == !length && legal && length.is_multiple_of(8) {
        Ok(length as usize)
    } else {
        Err(Damage::Length { length, check })
    }
}

/// Checks the checksum of a whole record that comes after one with the checksum `previous`. Gives its own.
///
/// # Errors
/// [`Damage::Checksum`].
pub fn verify(record: &[u8], previous: u64) -> Result<u64, Damage> {
    let (found, computed) = (u64_at(record, 8), checksum_of(record, previous));
    if found == computed {
        Ok(found)
    } else {
        Err(Damage::Checksum { found, computed })
    }
}

fn checksum_of(record: &[u8], previous: u64) -> u64 {
    XxHash64::oneshot(previous, &record[RECORD_PREFIX_LEN..])
}

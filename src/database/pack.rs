//! Rows of a log, compressed: what the database takes in, keeps and sends back costs it more than compressing costs here.
//!
//! A packed row is the length of its group, 4 bytes, little end first, and an LZ4 block.
//!
//! Must never: give back anything but what was packed, or take memory for a length that a row only claims.

use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};

use super::connection::PACKET_MAX;

/// Rows of this many bytes and more are packed: below, the row's own costs are the same either way.
const PACK_FROM: usize = 4 << 10;
/// What stands before the block.
const LEN_BYTES: usize = 4;
/// An LZ4 block says at most so many bytes with one.
const EXPANSION_MAX: usize = 255;

/// A packed row is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packed row of {0} bytes is damaged")]
pub(super) struct Damaged(usize);

/// Packs a row into `packed`. Gives whether that is worth it.
pub(super) fn pack(row: &[u8], packed: &mut Vec<u8>) -> bool {
    packed.clear();
    let Ok(len) = u32::try_from(row.len()) else {
        return false;
    };
    if row.len() < PACK_FROM {
        return false;
    }
    packed.resize(LEN_BYTES + get_maximum_output_size(row.len()), 0);
    packed[..LEN_BYTES].copy_from_slice(&len.to_le_bytes());
    let Ok(block) = compress_into(row, &mut packed[LEN_BYTES..]) else {
        return false;
    };
    packed.truncate(LEN_BYTES + block);
    packed.len() < row.len()
}

/// Gives back what was packed.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<u8>, Damaged> {
    let damaged = Damaged(packed.len());
    let (len, block) = packed.split_first_chunk::<LEN_BYTES>().ok_or(damaged)?;
    let len = u32::from_le_bytes(*len) as usize;
    if len > PACKET_MAX || len > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(damaged);
    }
    let row = decompress(block, len).map_err(|_| damaged)?;
    if row.len() == len {
        Ok(row)
    } else {
        Err(damaged)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// As much alike as records are.
    fn row(len: usize) -> Vec<u8> {
        (0..len)
            .map(|at| {
                if at % 4 == 0 {
                    (at / 64) as u8
                } else {
                    (at % 16) as u8
                }
            })
            .collect()
    }

    #[test]
    fn what_is_packed_comes_back() {
        let mut packed = Vec::new();
        for len in [PACK_FROM, PACK_FROM + 1, 60_000, 1 << 20] {
            assert!(pack(&row(len), &mut packed), "{len}");
            assert!(packed.len() < len / 2);
            assert_eq!(unpack(&packed).unwrap(), row(len));
        }
    }

    #[test]
    fn what_would_not_be_shorter_is_not_packed() {
        let mut packed = Vec::new();
        assert!(!pack(&row(PACK_FROM - 1), &mut packed));
        let mut state = 1_u64;
        let random = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        let noise: Vec<u8> = random.take(20_000).collect();
        assert!(!pack(&noise, &mut packed));
    }

    #[test]
    fn damage_is_an_error_or_another_length_of_the_same_never_a_panic() {
        let mut packed = Vec::new();
        let row = row(PACK_FROM);
        assert!(pack(&row, &mut packed));
        for at in 0..packed.len() {
            assert!(unpack(&packed[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut ill = packed.clone();
                ill[at] ^= 1 << bit;
                // The group inside has a checksum: here, only the length is certain.
                if let Ok(found) = unpack(&ill) {
                    assert_eq!(found.len(), row.len(), "bit {bit} of byte {at}");
                }
            }
        }
        let claims_much = [u32::MAX.to_le_bytes().to_vec(), vec![0; 100]].concat();
        assert_eq!(unpack(&claims_much), Err(Damaged(104)));
    }
}

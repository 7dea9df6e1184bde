//! CRC-32C as ext4 and its journal use it: begun with a seed, and not inverted at the end.

use std::ops::Range;

use crc::{Algorithm, CRC_32_ISCSI, Crc};

const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&Algorithm { xorout: 0, ..CRC_32_ISCSI });

/// Where every seed begins.
pub(super) const BEGINNING: u32 = u32::MAX;

/// Goes on with a checksum over more bytes.
pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    // The crate wants the beginning as it was before the reflection that the algorithm asks for.
    let mut digest = CASTAGNOLI.digest_with_initial(seed.reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// The same bytes with zeros at a place where a checksum stands: it is made so.
pub(super) fn without(bytes: &[u8], own: Range<usize>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(own) = bytes.get_mut(own) {
        own.fill(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_where_it_was_left() {
        // The check value of CRC-32C, without the inversion at its end.
        assert_eq!(crc32c(BEGINNING, b"123456789"), !0xe306_9283);
        assert_eq!(crc32c(crc32c(BEGINNING, b"1234"), b"56789"), !0xe306_9283);
        assert_eq!(without(b"12x4", 2..3), b"12\x004");
    }
}

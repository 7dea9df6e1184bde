//! Is what came a CBOR Web Token rather than a quote?
//!
//! Source: Linux `Documentation/ABI/testing/configfs-tsm-report` (platforms with DICE-based attestation give such
//! tokens); RFC 8392, "CWT CBOR Tag"; RFC 9052, "COSE Message Identification"; RFC 9711 and its "Unprotected CWT Claims
//! Sets".
//! Must stay true: it only names what no quote could be parsed from, and never refuses a quote.

/// CBOR's tags of tokens: CWT; COSE_Sign1, COSE_Mac0, COSE_Sign and COSE_Mac, which a CWT may be without its own tag;
/// a claims set without signature.
const TAGS: [&[u8]; 6] =
    [&[0xd8, 61], &[0xd2], &[0xd1], &[0xd8, 98], &[0xd8, 97], &[0xd9, 0x02, 0x59]];

/// CBOR: an array of four, which a signed message is.
const ARRAY_OF_FOUR: u8 = 0x84;

/// CBOR: the major type of byte strings, in the upper three bits. The first of the four, the protected header, is one.
const BYTE_STRING: u8 = 2;

/// Whether the bytes begin as a token does. No quote does: quotes begin with their version, 3 to 5.
pub(crate) fn is_cbor_web_token(bytes: &[u8]) -> bool {
    let is_tagged = TAGS.iter().any(|tag| bytes.starts_with(tag));
    let is_message = matches!(bytes, [ARRAY_OF_FOUR, first, ..] if first >> 5 == BYTE_STRING);
    is_tagged || is_message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_recognised_with_every_tag_and_without() {
        let message = [0x84, 0x43, 0xa1, 0x01, 0x26, 0xa0, 0x41, 0x00, 0x41, 0x00];
        assert!(is_cbor_web_token(&message));
        for tag in TAGS {
            assert!(is_cbor_web_token(&[tag, &message].concat()), "{tag:x?}");
        }
        // RFC 8392, "Example Signed CWT": both tags.
        assert!(is_cbor_web_token(&[0xd8, 0x3d, 0xd2, 0x84, 0x43, 0xa1, 0x01, 0x26]));
    }

    #[test]
    fn nothing_else_is_called_a_token() {
        for other in [
            &[][..],
            &[0x84],
            // An array of four numbers, of five, and a map.
            &[0x84, 1, 2, 3, 4],
            &[0x85, 0x41, 0],
            &[0xa1, 0x01, 0x26],
            // A date.
            &[0xc1, 0x1a],
            &[0xd8, 0x20],
            // Quotes, and what pads them.
            &[3, 0, 2, 0],
            &[4, 0, 2, 0, 0x81, 0, 0, 0],
            &[5, 0, 2, 0, 0x81, 0, 0, 0],
            &[0; 16],
            b"Dear Sir or Madam!",
            b"{\"quote\":",
        ] {
            assert!(!is_cbor_web_token(other), "{other:x?}");
        }
    }
}

//! Base64 as node reads it: leniently.
//! The letters before it, by which a packet says that it is base64, are the packet's matter.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

const INDIFFERENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Appends `data` in the standard alphabet, padded.
pub(super) fn encode(data: &[u8], out: &mut String) {
    STANDARD.encode_string(data, out);
}

/// Decodes whatever there is: both alphabets, padding or none, foreign characters skipped, bits left over dropped.
pub(super) fn decode(text: &str) -> Vec<u8> {
    INDIFFERENT.decode(text).unwrap_or_else(|_| decode_leniently(text))
}

fn decode_leniently(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for value in text.bytes().take_while(|byte| *byte != b'=').filter_map(value_of) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

fn value_of(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn whatever_can_be_decoded_is() {
        for (text, expected) in [
            ("AQIDBA==", &[1, 2, 3, 4][..]),
            ("AQIDBA", &[1, 2, 3, 4]),
            ("AQ ID\nBA=", &[1, 2, 3, 4]),
            ("__-_", &[255, 255, 191]),
            ("//+/", &[255, 255, 191]),
            ("AQI", &[1, 2]),
            ("AQIDB", &[1, 2, 3]),
            ("A", &[]),
            ("", &[]),
            ("=AQ", &[]),
            ("ä", &[]),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }
}

//! Masking of payloads (RFC 6455, 5.3).
//! Where a mask comes from is left to the caller.

/// Masks or unmasks `bytes` in place; byte 0 takes byte 0 of `mask`.
pub(super) fn apply(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let word_mask = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ word_mask).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn each_byte_takes_the_byte_of_the_mask_at_its_place() {
        let mask = [0x12, 0x34, 0x56, 0x78];
        for len in 0..40 {
            let plain: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(7)).collect();
            let mut bytes = plain.clone();
            apply(&mut bytes, mask);
            let expected: Vec<u8> = plain.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            assert_eq!(bytes, expected, "length {len}");
        }
    }
}

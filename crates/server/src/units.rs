//! Durations and sizes as people write them on a command line.
//! Which of them an option takes, and what it means, is in `options`.

use std::time::Duration;

const DURATIONS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// A duration: a whole number with `s`, `m`, `h` or `d` behind it.
///
/// # Errors
///
/// What is expected instead.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = number_with(text, &DURATIONS).ok_or("it is not a duration such as 90s, 10m, 24h or 7d")?;
    Ok(Duration::from_secs(seconds))
}

/// A number of bytes: a whole number, with `KiB`, `MiB`, `GiB` or `TiB` behind it if it is of those.
///
/// # Errors
///
/// What is expected instead.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let plain = text.parse().ok().filter(|bytes| *bytes > 0);
    plain.or_else(|| number_with(text, &SIZES)).ok_or_else(|| "it is not a size such as 512MiB or 1GiB".to_owned())
}

/// The number times its unit, unless it is zero or too large.
fn number_with(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find_map(|(unit, times)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*times).filter(|product| *product > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("24h", 86_400), ("7 d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "10", "0s", "-1s", "1.5h", "h", "10 minutes", "99999999999999999999s", "999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_may_have_one() {
        for (text, expected) in [("1", 1), ("64KiB", 1 << 16), ("512MiB", 1 << 29), ("1 GiB", 1 << 30)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "1GB", "1g", "0KiB", "99999999TiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}

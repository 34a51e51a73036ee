//! Durations, sizes and times as people write and read them.
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

/// Bytes as people read them, with at most one decimal.
pub(crate) fn readable(bytes: u64) -> String {
    match SIZES.iter().rev().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// A time, given in milliseconds since 1970, in UTC to the second.
pub(crate) fn utc(ms: u64) -> String {
    const DAY: u64 = 86_400;
    const ERA: u64 = 146_097;
    let (days, second) = (ms / 1000 / DAY, ms / 1000 % DAY);
    // Years that begin in March have their leap day at the end; eras of 400 of them are all of the same length.
    let (era, day) = ((days + 719_468) / ERA, (days + 719_468) % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
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

    #[test]
    fn times_are_shown_in_utc() {
        for (ms, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (951_868_799_999, "2000-02-29T23:59:59Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(ms), shown);
        }
    }

    #[test]
    fn bytes_are_shown_with_the_largest_unit_that_fits() {
        let shown = [0, 1023, 1024, 1_600_000, 1 << 30].map(readable);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "1.0 GiB"]);
    }
}

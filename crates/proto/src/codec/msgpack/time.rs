//! Points in time as JavaScript's `Date.prototype.toISOString` writes them.
//! Where they come from is left to the transcoder.

use std::fmt::Write as _;

/// Milliseconds from 1970 on, before and after, that a JavaScript date can hold.
const MILLIS_MAX: i64 = 8_640_000_000_000_000;

const MILLIS_A_DAY: i64 = 86_400_000;

/// Appends the point in time as a JSON string; beyond what a date can hold, `null`, as `JSON.stringify` does.
pub(super) fn put_iso(out: &mut String, millis: i64) {
    if !(-MILLIS_MAX..=MILLIS_MAX).contains(&millis) {
        return out.push_str("null");
    }
    let (year, month, day) = date(millis.div_euclid(MILLIS_A_DAY));
    let rest = millis.rem_euclid(MILLIS_A_DAY);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    let _infallible = match year {
        0..=9999 => write!(out, "\"{year:04}"),
        _ => write!(out, "\"{year:+07}"),
    };
    let _infallible = write!(out, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z\"");
}

/// Year, month and day of a day counted from 1970 on, in the Gregorian calendar without end on both sides. Years are taken
/// to start in March, so that the day that comes every four years is the last one.
fn date(day: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    /// From 1 March of the year 0 to 1 January 1970.
    const DAYS_BEFORE_1970: i64 = 719_468;
    let day = day + DAYS_BEFORE_1970;
    let (cycle, day) = (day.div_euclid(DAYS_IN_400_YEARS), day.rem_euclid(DAYS_IN_400_YEARS));
    let leap_days = day / 1460 - day / 36_524 + day / (DAYS_IN_400_YEARS - 1);
    let year = (day - leap_days) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months from March on have 153 days, and so have the next five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * cycle + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{date, put_iso};

    #[test]
    fn dates_are_written_as_javascript_writes_them() {
        for (millis, expected) in [
            (0, "\"1970-01-01T00:00:00.000Z\""),
            (1, "\"1970-01-01T00:00:00.001Z\""),
            (-1, "\"1969-12-31T23:59:59.999Z\""),
            (951_782_400_000, "\"2000-02-29T00:00:00.000Z\""),
            (1_709_251_199_999, "\"2024-02-29T23:59:59.999Z\""),
            (253_402_300_800_000, "\"+010000-01-01T00:00:00.000Z\""),
            (-62_198_755_200_000, "\"-000001-01-01T00:00:00.000Z\""),
            (-62_167_219_200_000, "\"0000-01-01T00:00:00.000Z\""),
            (8_640_000_000_000_000, "\"+275760-09-13T00:00:00.000Z\""),
            (-8_640_000_000_000_000, "\"-271821-04-20T00:00:00.000Z\""),
            (8_640_000_000_000_001, "null"),
            (i64::MIN, "null"),
        ] {
            let mut out = String::new();
            put_iso(&mut out, millis);
            assert_eq!(out, expected, "{millis}");
        }
    }

    #[test]
    fn days_follow_each_other() {
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut year, mut month, mut day) = date(-800_000);
        for count in -799_999..800_000 {
            let length = match month {
                2 => 28 + i64::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, last) if last == length => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
            assert_eq!(date(count), (year, month, day));
        }
    }
}

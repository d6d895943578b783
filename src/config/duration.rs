//! Durations with a unit: `15m`, `1h30m`, `7d`.
//!
//! A bare number is refused: half of all mistakes with timeouts are seconds taken for
//! milliseconds. A day is 24 hours here; months and years have no fixed length.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

const ADVICE: &str = "needs a number with a unit (ms, s, m, h, d), such as \"15m\" or \"1h30m\"";

/// What a duration looks like in the schema: narrower than what is read, which takes "1h 30m" and "PT15M" as well.
pub(super) const PATTERN: &str = "^([0-9]+(ms|s|m|h|d))+$";

/// The same for those that may not be zero: one of the numbers has another digit.
pub(super) const PATTERN_BUT_ZERO: &str =
    "^([0-9]+(ms|s|m|h|d))*[0-9]*[1-9][0-9]*(ms|s|m|h|d)([0-9]+(ms|s|m|h|d))*$";

/// Reads a duration; the error says what one looks like.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let span: Span = text.trim().parse().map_err(|_| ADVICE)?;
    let signed: SignedDuration =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| ADVICE)?;
    Duration::try_from(signed).map_err(|_| "is negative; a duration begins at \"0s\"")
}

/// Writes a duration so that [`parse`] reads the same: in the largest unit that divides it.
pub(super) fn format(duration: Duration) -> String {
    const UNITS: [(u128, &str); 7] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let nanoseconds = duration.as_nanos();
    UNITS
        .iter()
        .find(|(unit, _)| nanoseconds != 0 && nanoseconds.is_multiple_of(*unit))
        .map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", nanoseconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds, shown) in [
            ("0s", 0, "0s"),
            ("10s", 10, "10s"),
            ("60s", 60, "1m"),
            ("15m", 900, "15m"),
            ("1h30m", 5_400, "90m"),
            ("1h 30m", 5_400, "90m"),
            ("168h", 604_800, "7d"),
            ("7d", 604_800, "7d"),
            ("1w", 604_800, "7d"),
            ("1.5h", 5_400, "90m"),
            ("2 minutes", 120, "2m"),
            ("PT15M", 900, "15m"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration, Duration::from_secs(seconds), "{text}");
            assert_eq!(format(duration), shown, "{text}");
            assert_eq!(parse(shown), Ok(duration), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(format(Duration::from_millis(1_500)), "1500ms");
    }

    #[test]
    fn a_number_alone_is_refused() {
        for text in ["", "15", "0", "1.5", "m", "15x", "1mo", "1y", "99999999999999999999h"] {
            assert_eq!(parse(text), Err(ADVICE), "{text}");
        }
        assert!(parse("-5m").unwrap_err().contains("negative"));
        assert!(parse("5m ago").unwrap_err().contains("negative"));
    }
}

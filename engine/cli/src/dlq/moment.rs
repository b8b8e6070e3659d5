//! Points in time on the command line and in tables.

use jiff::{SignedDuration, Timestamp};

/// Reads `2026-01-31T10:00:00Z` (any offset), or how long ago: `2h`, `30m`, `7d`. Answers ms since 1970.
///
/// # Errors
/// What would be allowed.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let ago = days(text).or_else(|| text.parse::<SignedDuration>().ok()).filter(|ago| !ago.is_negative());
    ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok())
        .map(Timestamp::as_millisecond)
        .ok_or_else(|| "must be a time as 2026-01-31T10:00:00Z, or how long ago as 2h, 30m or 7d".to_owned())
}

/// Durations know no days, which can have 23 hours somewhere; ours have 24.
fn days(text: &str) -> Option<SignedDuration> {
    let days: u32 = text.strip_suffix('d')?.parse().ok()?;
    Some(SignedDuration::from_hours(i64::from(days) * 24))
}

/// As `2026-01-31T10:00:00Z`.
pub(crate) fn text(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).ok().and_then(|at| at.round(jiff::Unit::Second).ok());
    at.map_or_else(|| format!("{ms} ms"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_how_long_ago_are_read() {
        assert_eq!(parse("1970-01-01T00:00:02Z"), Ok(2_000));
        assert_eq!(parse("1970-01-01T02:00:00+02:00"), Ok(0));
        let now = Timestamp::now().as_millisecond();
        for (text, ms) in [("2h", 7_200_000), ("30m", 1_800_000), ("7d", 604_800_000), ("1h 30m", 5_400_000)]
        {
            let ago = now - parse(text).unwrap();
            assert!((ms - 5_000..=ms + 5_000).contains(&ago), "{text}: {ago}");
        }
        for text in ["", "yesterday", "-2h", "9999999999d", "2026-01-31", "5"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(super::text(1_000), "1970-01-01T00:00:01Z");
        assert_eq!(super::text(i64::MAX), format!("{} ms", i64::MAX));
    }
}

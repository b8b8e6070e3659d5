//! Dates as Elasticsearch's default format takes them: `strict_date_optional_time||epoch_millis`, to milliseconds since
//! 1970.

const DAY_MS: i64 = 86_400_000;

/// The date that a text says.
pub(super) fn date_ms(text: &str) -> Option<i64> {
    // Four digits are a year.
    date_optional_time_ms(text).or_else(|| epoch_ms(text))
}

/// Milliseconds written in digits, with a fraction that is cut.
pub(super) fn epoch_ms(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    whole.parse::<i64>().ok().map(|ms| sign * ms)
}

fn date_optional_time_ms(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').map_or((text, ""), |(date, time)| (date, time));
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let is_date =
        parts.next().is_none() && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !is_date {
        return None;
    }
    let time_ms = if time.is_empty() { 0 } else { time_ms(time)? };
    Some(days_since_1970(year, month, day) * DAY_MS + time_ms)
}

/// Of a day, with the zone taken off.
fn time_ms(text: &str) -> Option<i64> {
    let (clock, zone) = text.split_at(text.find(['Z', '+', '-']).unwrap_or(text.len()));
    let (clock, fraction) =
        clock.split_once(['.', ',']).map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let (mut ms, mut unit_ms, mut parts) = (0, 3_600_000, 0);
    for (part, below) in clock.split(':').zip([24, 60, 60, 0]) {
        let value = digits(part, 2).filter(|value| *value < below)?;
        ms += value * unit_ms;
        (unit_ms, parts) = (unit_ms / 60, parts + 1);
    }
    match fraction {
        None => {}
        Some(fraction) if parts == 3 && (1..=9).contains(&fraction.len()) => {
            let nanoseconds = digits(fraction, fraction.len())? * 10_i64.pow(9 - fraction.len() as u32);
            ms += nanoseconds / 1_000_000;
        }
        Some(_) => return None,
    }
    Some(ms - zone_ms(zone)?)
}

fn zone_ms(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'Z') => return (zone.len() == 1).then_some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let (hours, minutes) = match zone.get(1..)? {
        text if text.len() == 2 => (text, "00"),
        text => text.split_once(':').or_else(|| text.split_at_checked(2))?,
    };
    let hours = digits(hours, 2).filter(|hours| *hours <= 18)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 60 + minutes) * 60_000)
}

fn digits(text: &str, len: usize) -> Option<i64> {
    let fits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil`: years begin in March, so that the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_milliseconds_they_say() {
        for (text, ms) in [
            ("1970-01-01", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2023-08-15T10:30:00Z", 1_692_095_400_000),
            ("2023-08-15T12:30:00+02:00", 1_692_095_400_000),
            ("2023-08-15T12:30:00+0200", 1_692_095_400_000),
            ("2023-08-15T08:30-02", 1_692_095_400_000),
            ("2023-08-15T10:30:00.123456789Z", 1_692_095_400_123),
            ("2000-02-29", 951_782_400_000),
            ("2024", 1_704_067_200_000),
            ("1692095400000", 1_692_095_400_000),
            ("-5", -5),
            ("1.5", 1),
        ] {
            assert_eq!(date_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "-",
            ".",
            "1900-02-29",
            "2023-00-01",
            "2023-01-32",
            "2023-01-01T24",
            "2023-01-01T10:30:00.",
            "2023-01-01T10.5",
            "2023-01-01T10:30:00+1",
            "2023-01-01T10:30:00+19:00",
            "2023-01-01T10:30:00é",
            "12345678901234567890",
        ] {
            assert_eq!(date_ms(text), None, "{text}");
        }
    }
}

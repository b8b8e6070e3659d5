//! Which texts an index takes for a date (`strict_date_optional_time||epoch_millis`, what the type `date` means
//! unless told otherwise). The table in the test is what Elasticsearch 8.19 answered.

/// Whether the index takes it.
#[must_use]
pub fn is_date(text: &str) -> bool {
    date_optional_time(text.as_bytes()).is_some() || epoch_millis(text)
}

/// `1692095400000`, also negative, and with a point and up to six digits behind it.
fn epoch_millis(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(digits) && whole.parse::<i64>().is_ok() && all_digits(fraction) && fraction.len() <= 6
}

/// `yyyy[-MM[-dd]][T[HH[:mm[:ss[.f]]][offset]]]`; none: it is not.
fn date_optional_time(text: &[u8]) -> Option<()> {
    let (date, time) = match text.iter().position(|byte| *byte == b'T') {
        Some(place) => (&text[..place], text.get(place + 1..)),
        None => (text, None),
    };
    let mut parts = date.split(|byte| *byte == b'-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |month| digits(month, 2))?;
    let day = parts.next().map_or(Some(1), |day| digits(day, 2))?;
    let date_is_one = (1..=days_in(month, year)?).contains(&day) && parts.next().is_none();
    match time {
        _ if !date_is_one => None,
        None | Some([]) => Some(()),
        Some(time) => time_and_offset(time),
    }
}

fn time_and_offset(text: &[u8]) -> Option<()> {
    let end = text.iter().position(|byte| matches!(byte, b'Z' | b'+' | b'-')).unwrap_or(text.len());
    let (time, zone) = text.split_at(end);
    let mut parts = time.split(|byte| *byte == b':');
    let hour = digits(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |minute| digits(minute, 2))?;
    let second = parts.next().map_or(Some(0), second)?;
    (hour < 24 && minute < 60 && second < 60 && parts.next().is_none() && is_offset(zone)).then_some(())
}

/// `ss` or `ss.f` with one to nine digits after a point or comma.
fn second(text: &[u8]) -> Option<u32> {
    let mut parts = text.splitn(2, |byte| matches!(byte, b'.' | b','));
    let second = digits(parts.next()?, 2)?;
    match parts.next() {
        Some(fraction) if fraction.is_empty() || fraction.len() > 9 => None,
        Some(fraction) => digits(fraction, fraction.len()).map(|_| second),
        None => Some(second),
    }
}

/// Nothing, `Z`, or `+02`, `+0200`, `+02:00`, `+02:00:30`, up to 18 hours.
fn is_offset(text: &[u8]) -> bool {
    let Some((sign, amount)) = text.split_first() else { return true };
    if *sign == b'Z' {
        return amount.is_empty();
    }
    let parts: Vec<&[u8]> = match amount.len() {
        4 => amount.chunks(2).collect(),
        _ => amount.split(|byte| *byte == b':').collect(),
    };
    let parts: Option<Vec<u32>> = parts.into_iter().map(|part| digits(part, 2)).collect();
    let (hour, minute, second) = match parts.as_deref() {
        Some([hour]) => (*hour, 0, 0),
        Some([hour, minute]) => (*hour, *minute, 0),
        Some([hour, minute, second]) => (*hour, *minute, *second),
        _ => return false,
    };
    minute < 60 && second < 60 && hour * 3600 + minute * 60 + second <= 18 * 3600
}

/// Exactly so many digits, at most nine.
fn digits(text: &[u8], count: usize) -> Option<u32> {
    let all_digits = text.len() == count && text.iter().all(u8::is_ascii_digit);
    all_digits.then(|| text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

fn days_in(month: u32, year: u32) -> Option<u32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_date;

    #[test]
    fn it_answers_as_elasticsearch_did() {
        for taken in [
            "2023-08-15T10:30:00Z",
            "2023-08-15",
            "2023-08",
            "2023",
            "2023-08-15T10",
            "2023-08-15T10:30",
            "2023-08-15T10:30Z",
            "2023-08-15T10:30:00.123456789Z",
            "2023-08-15T10:30:00+02:00",
            "2023-08-15T10:30:00+0200",
            "2023-08-15T10:30:00+02",
            "2023-08-15T10:30:00-00:00",
            "2023-08-15T10:30:00+02:00:30",
            "2023-08-15T10:30:00,5Z",
            "2023-08-15T10Z",
            "2023-08-15T10+02:00",
            "2023-08-15T",
            "2023T10:00:00Z",
            "2024-02-29",
            "0000-01-01",
            "12345",
            "1692095400000",
            "-5",
            "1.5",
            "1.",
        ] {
            assert!(is_date(taken), "{taken}");
        }
        for refused in [
            "2023-08-15T10:30:00.1234567891Z",
            "2023-02-30",
            "2023-02-29",
            "2023-08-15T24:00:00Z",
            "2023-08-15T23:59:60Z",
            "2023-08-15 10:30:00",
            "2023-08-15t10:30:00z",
            "2023-8-15",
            "+2023-08-15",
            "",
            " 2023-08-15",
            "99999-01-01",
            "2023-08-15Z",
            "2023-08-15T10:30:00.Z",
            "2023-08Z",
            "2023Z",
            "2023-08-15T10:30:00+19:00",
            "2023-W01",
            "2023-08-15T10:30:00[UTC]",
            "12345678901234567890",
            "not-a-date",
        ] {
            assert!(!is_date(refused), "{refused}");
        }
    }
}

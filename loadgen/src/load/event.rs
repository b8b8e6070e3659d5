//! The three documented events as bytes.

use std::io::Write;

/// What a payload is written from. Everything is copied as it is: `content` is JSON-escaped, `metadata` is JSON.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The message.
    pub id: &'a [u8],
    /// Its conversation.
    pub conversation: &'a [u8],
    /// Its sender.
    pub sender: &'a [u8],
    /// Its text; an update may leave it as it is.
    pub content: Option<&'a [u8]>,
    /// Its tenant.
    pub tenant: &'a [u8],
    /// Its time.
    pub timestamp: &'a [u8],
    /// What else is known about it.
    pub metadata: Option<&'a [u8]>,
}

/// Appends a `message.created`.
pub fn created(out: &mut Vec<u8>, parts: &Parts<'_>) {
    out.extend_from_slice(br#"{"type":"message.created","payload":{"id":""#);
    out.extend_from_slice(parts.id);
    out.extend_from_slice(br#"","conversationId":""#);
    out.extend_from_slice(parts.conversation);
    out.extend_from_slice(br#"","senderId":""#);
    out.extend_from_slice(parts.sender);
    out.extend_from_slice(br#"","content":""#);
    out.extend_from_slice(parts.content.unwrap_or_default());
    out.extend_from_slice(br#"","tenantId":""#);
    out.extend_from_slice(parts.tenant);
    out.extend_from_slice(br#"","timestamp":""#);
    out.extend_from_slice(parts.timestamp);
    out.push(b'"');
    metadata(out, parts);
    out.extend_from_slice(b"}}");
}

/// Appends a `message.updated`.
pub fn updated(out: &mut Vec<u8>, parts: &Parts<'_>) {
    out.extend_from_slice(br#"{"type":"message.updated","payload":{"id":""#);
    out.extend_from_slice(parts.id);
    out.push(b'"');
    if let Some(content) = parts.content {
        out.extend_from_slice(br#","content":""#);
        out.extend_from_slice(content);
        out.push(b'"');
    }
    out.extend_from_slice(br#","tenantId":""#);
    out.extend_from_slice(parts.tenant);
    out.push(b'"');
    metadata(out, parts);
    out.extend_from_slice(b"}}");
}

/// Appends a `message.deleted`.
pub fn deleted(out: &mut Vec<u8>, parts: &Parts<'_>) {
    out.extend_from_slice(br#"{"type":"message.deleted","payload":{"id":""#);
    out.extend_from_slice(parts.id);
    out.extend_from_slice(br#"","tenantId":""#);
    out.extend_from_slice(parts.tenant);
    out.extend_from_slice(br#""}}"#);
}

fn metadata(out: &mut Vec<u8>, parts: &Parts<'_>) {
    if let Some(metadata) = parts.metadata {
        out.extend_from_slice(br#","metadata":"#);
        out.extend_from_slice(metadata);
    }
}

/// Writes the time of the `number`th record of a run: one second apart from the documented example on, every
/// fourth one with a fraction. It is the message's own time and has nothing to do with when the record is due.
pub fn timestamp(out: &mut Vec<u8>, number: u64) {
    // 2023-08-15T10:30:00Z; wraps around before the year has five digits.
    let seconds = 1_692_095_400 + number % 100_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = if number.is_multiple_of(4) { ".125" } else { "" };
    // A Vec takes everything.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z");
}

/// Days since 1970 to a date (Howard Hinnant's `civil_from_days`, for days from 1970 on).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_calendar_times() {
        for (number, expected) in [
            (0, "2023-08-15T10:30:00.125Z"),
            (1, "2023-08-15T10:30:01Z"),
            (86_399, "2023-08-16T10:29:59Z"),
            // date -u -d @1709209800
            (17_114_400, "2024-02-29T12:30:00.125Z"),
        ] {
            let mut out = Vec::new();
            timestamp(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}

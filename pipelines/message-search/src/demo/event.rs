//! Happenings as the records of the topic: see the message search system's document for the payloads.

use serde_json::{Value, json};

use super::chat::Happening;

/// The one tenant of the demo.
const TENANT: &str = "demo";

/// The value of a record about that message; `None` for what is sent a second time.
pub(super) fn value(
    conversation: &str,
    id: &str,
    timestamp: &str,
    happening: &Happening<'_>,
) -> Option<Value> {
    let (kind, payload) = match happening {
        Happening::Created { sender, content, client } => (
            "message.created",
            json!({
                "id": id,
                "conversationId": conversation,
                "senderId": sender,
                "content": content,
                "tenantId": TENANT,
                "timestamp": timestamp,
                "metadata": {"client": client},
            }),
        ),
        Happening::Edited { content, edits } => (
            "message.updated",
            json!({
                "id": id,
                "content": content,
                "tenantId": TENANT,
                "metadata": {"edited": timestamp, "edits": edits},
            }),
        ),
        Happening::Deleted => ("message.deleted", json!({"id": id, "tenantId": TENANT})),
        Happening::SentTwice => return None,
    };
    Some(json!({"type": kind, "payload": payload}))
}

/// Milliseconds since 1970 as the payloads have them: `2023-08-15T10:30:00Z`. Days to dates by Howard Hinnant's
/// `civil_from_days`.
pub(super) fn timestamp(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000;
    let (days, of_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1_692_095_400_000, "2023-08-15T10:30:00Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00Z"),
        ];
        for (unix_ms, text) in cases {
            assert_eq!(timestamp(unix_ms), text);
        }
    }

    #[test]
    fn what_is_sent_twice_has_no_value_of_its_own() {
        assert!(value("c", "m", "t", &Happening::SentTwice).is_none());
        let deleted = value("c", "m", "t", &Happening::Deleted).unwrap();
        assert_eq!(deleted["payload"], json!({"id": "m", "tenantId": "demo"}));
    }
}

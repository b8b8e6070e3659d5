//! Escapes in JSON texts, checked without decoding the text: most texts go into the index as they came.

/// Refuses a text that has half a surrogate pair: escapes that are JSON, and no character.
pub(crate) fn check(json: &[u8]) -> Result<(), String> {
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let escape = &rest[at + 1..];
        let (unit, len) = match (code_unit(escape), code_unit(escape.get(6..).unwrap_or_default())) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) if escape.get(5) == Some(&b'\\') => (0, 11),
            (Some(unit), _) => (unit, 5),
            (None, _) => (0, 1),
        };
        if (0xD800..0xE000).contains(&unit) {
            return Err("a text has half a surrogate pair".to_owned());
        }
        rest = escape.get(len..).unwrap_or_default();
    }
    Ok(())
}

/// The UTF-16 unit of an escape that begins with this `u`.
pub(crate) fn code_unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        let parts = prop_oneof![
            "[a-du ]{0,3}",
            prop::sample::select(vec!["\\\\", "\\n", "\\\"", "\\/", "ü", "\u{1F600}"])
                .prop_map(str::to_owned),
            prop::sample::select(vec![0x41, 0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000])
                .prop_map(|unit: u16| format!("\\u{unit:04x}")),
        ];
        prop::collection::vec(parts, 0..8).prop_map(|parts| format!("\"{}\"", parts.concat()))
    }

    proptest! {
        #[test]
        fn says_what_a_decoder_says(text in text()) {
            let decoded = serde_json::from_str::<String>(&text);
            prop_assert_eq!(check(text.as_bytes()).is_ok(), decoded.is_ok(), "{}", text);
        }

        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = check(&bytes);
        }
    }
}

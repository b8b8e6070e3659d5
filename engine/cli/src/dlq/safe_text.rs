//! Bytes of strangers, on a terminal: nothing moves the cursor, hides, or turns the reading direction.

use std::fmt::Write;

/// The bytes as text; what could deceive is written as `\u{..}`, what is no UTF-8 as `\x..`.
pub(crate) fn safe(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                letter if deceives(letter) => text.extend(letter.escape_unicode()),
                letter => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String can't fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The first letters, with a mark where more follow.
pub(crate) fn safe_start(bytes: &[u8], letters_max: usize) -> String {
    // Four bytes are the longest letter: what is cut off is not looked at.
    let looked_at = &bytes[..bytes.len().min(letters_max.saturating_mul(4))];
    let text = safe(looked_at);
    match text.char_indices().nth(letters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if looked_at.len() < bytes.len() => text + "…",
        None => text,
    }
}

/// JSON whose strings hold nothing of the kind either; the same JSON.
pub(crate) fn safe_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if deceives(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(letter);
        }
    }
    text
}

/// Control characters, and those of Unicode's category Cf: invisible, or changing how others are shown.
fn deceives(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_deceives_is_spelled_out() {
        assert_eq!(safe(b"a\x1b[2J\r\n\xff\xfeb"), "a\\u{1b}[2J\\u{d}\\n\\xff\\xfeb");
        assert_eq!(safe("ü\u{202e}x\u{200b}\u{9b}m".as_bytes()), "ü\\u{202e}x\\u{200b}\\u{9b}m");
        assert_eq!(safe_start("äöüß".as_bytes(), 3), "äöü…");
        assert_eq!(safe_start("äöü".as_bytes(), 3), "äöü");
        assert_eq!(safe_start("🌊🌊🌊".as_bytes(), 2), "🌊🌊…");
    }

    proptest! {
        #[test]
        fn nothing_of_it_is_left_whatever_comes(bytes: Vec<u8>, text: String) {
            prop_assert!(!safe(&bytes).chars().any(deceives));
            prop_assert!(!safe(text.as_bytes()).chars().any(deceives));
            let json = serde_json::to_string(&text).unwrap();
            let safe = safe_json(&json);
            prop_assert!(!safe.chars().any(deceives));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
    }
}

//! What of JSON is done by hand: text into a string, and the checks before a fast parser sees the bytes.

/// Appends `bytes`, which are UTF-8, as the inside of a JSON string (without the quotes).
pub(super) fn push_escaped(into: &mut Vec<u8>, bytes: &[u8]) {
    // Without an early exit the compiler vectorises this; nearly every text is plain.
    let plain = !bytes.iter().fold(false, |special, &byte| special | is_special(byte));
    if plain {
        into.extend_from_slice(bytes);
        return;
    }
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 0xF));
                into.extend_from_slice(&[b'\\', b'u', b'0', b'0', DIGITS[high], DIGITS[low]]);
            }
            _ => into.push(byte),
        }
    }
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends JSON as one line: see [`join_lines`].
pub(super) fn push_on_one_line(into: &mut Vec<u8>, json: &[u8]) {
    let start = into.len();
    into.extend_from_slice(json);
    join_lines(&mut into[start..]);
}

/// Makes JSON one line: bulk bodies are framed by lines, and JSON may have line breaks between its tokens (never inside
/// a string, where they are escaped).
pub(super) fn join_lines(json: &mut [u8]) {
    if json.iter().fold(false, |broken, &byte| broken | (byte == b'\n')) {
        for byte in json.iter_mut().filter(|byte| **byte == b'\n') {
            *byte = b' ';
        }
    }
}

/// Whether arrays and objects nest at most `depth_max` deep: simd-json recurses when it deserializes, and a deep
/// answer would overflow the stack.
pub(super) fn is_shallow(json: &[u8], depth_max: u32) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// At most `bytes_max` bytes of the text, cut between characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_json_wants_escaped() {
        for text in ["plain", "a\"b\\c", "line\nbreak\u{1}\u{7f}", "ünï", ""] {
            let mut out = b"\"".to_vec();
            push_escaped(&mut out, text.as_bytes());
            out.push(b'"');
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        let mut out = b"\n".to_vec();
        push_on_one_line(&mut out, b"{\n\"a\":\n\"x\\n\"}");
        assert_eq!(out, b"\n{ \"a\": \"x\\n\"}");
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert!(is_shallow(br#"{"a":["[[[[\"[[["]}"#, 2));
        assert!(!is_shallow(br#"{"a":[[]]}"#, 2));
        assert!(!is_shallow(&vec![b'['; 1_000_000], 64));
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aü", 2), "a");
        assert_eq!(cut("aü", 3), "aü");
    }
}

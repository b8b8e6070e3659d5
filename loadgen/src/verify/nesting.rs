//! How deep JSON goes, told without parsing it: no stack is used, so no input can exhaust it.

/// More levels than this and a value is refused unread.
pub const LEVELS_MAX: u32 = 128;

/// Whether lists and objects nest deeper than [`LEVELS_MAX`]. Says nothing useful of what is not JSON, except that
/// it answers.
#[must_use]
pub fn too_deep(json: &[u8]) -> bool {
    let (mut levels, mut in_text, mut escaped) = (0_u32, false, false);
    for byte in json {
        if in_text {
            in_text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                levels += 1;
                if levels > LEVELS_MAX {
                    return true;
                }
            }
            b'}' | b']' => levels = levels.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::too_deep;

    #[test]
    fn levels_are_counted_outside_texts() {
        let nested = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat().into_bytes();
        assert!(!too_deep(&nested(128)));
        assert!(too_deep(&nested(129)));
        assert!(too_deep(&vec![b'{'; 100_000]));
        assert!(!too_deep(&b"[]".repeat(1000)));
        let text = |inside: &str| format!("{{\"a\":\"{inside}\"}}").into_bytes();
        assert!(!too_deep(&text(&"[".repeat(1000))));
        assert!(!too_deep(&text(&format!("\\\"{}", "[".repeat(1000)))));
        assert!(too_deep(&text(&format!("\\\\\",\"b\":{}", "[".repeat(1000)))));
    }
}

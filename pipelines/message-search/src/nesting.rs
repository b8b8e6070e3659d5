//! How deep JSON nests, found without a parser: parsers that use the stack must not see what is too deep.

/// Whether objects and lists nest deeper than `max`. What is in texts does not count; what is no JSON gets some
/// answer, and is refused by the parser.
#[must_use]
pub(crate) fn is_deeper_than(max: usize, json: &[u8]) -> bool {
    // Fewer openings than levels allowed: the usual case, a few nanoseconds.
    json.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() > max && depth_passes(max, json)
}

fn depth_passes(max: usize, json: &[u8]) -> bool {
    let mut depth = 0usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_text(&mut bytes),
            _ => {}
        }
    }
    false
}

/// Passes over the rest of a text, its closing quote included.
fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        ["[".repeat(levels), "]".repeat(levels)].concat().into_bytes()
    }

    #[test]
    fn counts_levels_and_not_brackets() {
        assert!(!is_deeper_than(128, &nested(128)));
        assert!(is_deeper_than(128, &nested(129)));
        assert!(is_deeper_than(128, &nested(100_000)));
        assert!(!is_deeper_than(3, br#"[[[1]],[[2]],{"a":{"b":3}}]"#));
        assert!(is_deeper_than(3, br#"[[[1]],[[2]],{"a":{"b":{}}}]"#));
    }

    #[test]
    fn texts_do_not_nest() {
        assert!(!is_deeper_than(1, br#"["[[[[\"[[[\\"]"#));
        assert!(is_deeper_than(1, br#"["\\",[]]"#));
    }

    #[test]
    fn damage_is_no_problem() {
        for damaged in [&b"]]]]}}[["[..], b"\"[[[[[", b"\"\\", b"{[\"\\\"", b""] {
            let _ = depth_passes(1, damaged);
        }
    }
}

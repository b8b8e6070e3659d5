//! The usual event, read at a fraction of what a JSON parser costs.
//!
//! Nearly all producers write events the same way: the type first, then a payload of known keys, no line breaks, numbers
//! of moderate size. Such a value is read here with one look at each byte and one search for each text's end.
//! Whatever differs in the least is left to [`event::decode`](crate::event::decode): this reader says "not plain",
//! and never that a value is wrong.

use crate::escapes::code_unit;
use crate::event::{Fields, Key, Kind};

/// The kind and the fields of an event that is written plainly. `None`: it is not, and may still be an event.
pub(crate) fn read(text: &str) -> Option<(Kind, Fields<'_>)> {
    // Without these, a space is all the white space there is, and nothing but an escape can be wrong in a text.
    if text.as_bytes().iter().fold(false, |any, byte| any | (*byte < b' ')) {
        return None;
    }
    let mut rest = Rest(text);
    rest.take(b'{')?;
    (rest.name()? == "type").then_some(())?;
    let kind = Kind::of(unquoted(rest.text()?))?;
    rest.take(b',')?;
    (rest.name()? == "payload").then_some(())?;
    let fields = payload(&mut rest, kind)?;
    rest.take(b'}')?;
    rest.0.trim_start_matches(' ').is_empty().then_some((kind, fields))
}

fn payload<'e>(rest: &mut Rest<'e>, kind: Kind) -> Option<Fields<'e>> {
    let mut fields = Fields::default();
    let mut metadata_stood = false;
    rest.take(b'{')?;
    loop {
        let key = Key::of(rest.name()?)?;
        if !kind.knows(key) || fields.get(key).is_some() {
            return None;
        }
        if key != Key::Metadata {
            fields.set(key, rest.text()?);
        } else if std::mem::replace(&mut metadata_stood, true) {
            return None;
        } else if rest.literal("null").is_none() {
            rest.skip_spaces();
            let begin = rest.0;
            rest.object(DEPTH_MAX)?;
            fields.set(key, &begin[..begin.len() - rest.0.len()]);
        }
        if rest.take(b',').is_none() {
            return rest.take(b'}').map(|()| fields);
        }
    }
}

/// Deeper values are left to the strict reader, which needs stack for them. Elasticsearch takes no deeper metadata.
const DEPTH_MAX: usize = 20;

/// A number with more characters is left to the strict reader. One of this many, with an exponent of two digits, is
/// far below the largest that a double can hold.
const NUMBER_BYTES_MAX: usize = 24;

fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(json)
}

/// What has not been read.
struct Rest<'e>(&'e str);

impl<'e> Rest<'e> {
    fn skip_spaces(&mut self) {
        // Compact JSON has none: then nothing is called.
        if self.0.starts_with(' ') {
            self.0 = self.0.trim_start_matches(' ');
        }
    }

    /// Takes the byte of an ASCII character, and spaces before it.
    fn take(&mut self, character: u8) -> Option<()> {
        self.skip_spaces();
        self.0 = self.0.strip_prefix(char::from(character))?;
        Some(())
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        self.skip_spaces();
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    /// Takes the name of a pair, and its colon.
    fn name(&mut self) -> Option<&'e str> {
        let name = self.text()?;
        self.take(b':')?;
        Some(unquoted(name))
    }

    /// Takes a text; quotes included.
    fn text(&mut self) -> Option<&'e str> {
        self.skip_spaces();
        let bytes = self.0.strip_prefix('"')?.as_bytes();
        let mut end = 0;
        loop {
            end += memchr::memchr2(b'"', b'\\', bytes.get(end..)?)?;
            if bytes[end] == b'"' {
                break;
            }
            end += escape_len(&bytes[end..])?;
        }
        let (text, after) = self.0.split_at(end + 2);
        self.0 = after;
        Some(text)
    }

    /// Takes an object, and nothing deeper than `depth` levels.
    fn object(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.name()?;
            self.value(depth)?;
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        self.skip_spaces();
        match self.0.as_bytes().first()? {
            b'"' => self.text().map(|_| ()),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Option<()> {
        let len = number_len(self.0.as_bytes())?;
        self.0 = self.0.get(len..)?;
        Some(())
    }
}

/// The bytes of the number that these begin with. `None`: there is none, or not a usual one.
fn number_len(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
    };
    let whole = usize::from(bytes.first() == Some(&b'-'));
    let mut end = match digits(whole) {
        0 => return None,
        1 => whole + 1,
        // No zero in front.
        _ if bytes.get(whole) == Some(&b'0') => return None,
        count => whole + count,
    };
    if bytes.get(end) == Some(&b'.') {
        let count = digits(end + 1);
        end += (count > 0).then_some(1 + count)?;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let count = digits(exponent);
        end = (1..=2).contains(&count).then_some(exponent + count)?;
    }
    (end <= NUMBER_BYTES_MAX).then_some(end)
}

/// The bytes of the escape that these begin with; of two escapes, where they are a surrogate pair. `None`: it is none.
fn escape_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match code_unit(&bytes[1..])? {
            0xD800..0xDC00 => {
                let second = code_unit(bytes[6..].strip_prefix(b"\\")?)?;
                (0xDC00..0xE000).contains(&second).then_some(12)
            }
            0xDC00..0xE000 => None,
            _ => Some(6),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::decode_strictly;

    const CREATED: &str = r#"{"type":"message.created","payload":{"id":"m-1","conversationId":"c-1","senderId":"u-1","content":"Grüße, 你好","tenantId":"t-1","timestamp":"2023-08-15T10:30:00Z","metadata":{"a":"b","n":12,"t":true,"z":null,"d":{"x":[1,-2.5e3,{"y":"q"},[]],"w":{}}}}}"#;

    #[test]
    fn the_usual_events_are_plain() {
        let updated = r#"{"type":"message.updated","payload":{"tenantId":"t","metadata":null,"id":"m"}}"#;
        let deleted = r#" { "type" : "message.deleted", "payload": {"id": "m", "tenantId": "t" } } "#;
        let escaped = CREATED.replace("你好", r#"\n\"\\\/\u00e9\ud83d\ude00"#);
        let nested =
            CREATED.replace("[]", &format!("{}{}", "[".repeat(DEPTH_MAX - 3), "]".repeat(DEPTH_MAX - 3)));
        for value in [CREATED, &escaped, &nested, updated, deleted] {
            assert!(read(value).is_some(), "{value}");
        }
    }

    #[test]
    fn what_is_deeper_is_left_to_the_strict_reader() {
        let deeper =
            CREATED.replace("[]", &format!("{}{}", "[".repeat(DEPTH_MAX - 2), "]".repeat(DEPTH_MAX - 2)));
        assert_eq!(read(&deeper), None);
    }

    #[test]
    fn what_is_unusual_is_left_to_the_strict_reader() {
        for (from, to) in [
            ("你好", "\\ud83d"),
            ("你好", "\\ud83d\\u0041"),
            ("你好", "\\ude00"),
            ("你好", "\\u+12f"),
            ("你好", "\\x"),
            ("m-1", "m\n1"),
            (r#""id":"m-1","#, r#""id":"m-1","id":"m-2","#),
            (r#""id":"m-1""#, r#""id":1"#),
            (r#""id":"m-1","#, r#""other":1,"id":"m-1","#),
            ("message.created", "message.moved"),
            (":12,", ":1.,"),
            (":12,", ":.5,"),
            (":12,", ":-,"),
            (":12,", ":+1,"),
            (":12,", ":012,"),
            (":12,", ":1e,"),
            (":12,", ":1e999,"),
            (":12,", ":1234567890123456789012345,"),
            (":12,", ":12x,"),
            (":12,", ":[1,],"),
            (":12,", ":[1}],"),
            (":12,", ":tru,"),
            ("}}}", "}}},"),
            ("}}}", "}}"),
            ("{}", "{{}}"),
            ("[]", "[]]"),
        ] {
            let value = CREATED.replace(from, to);
            assert_ne!(value, CREATED);
            assert_eq!(read(&value).map(|(kind, _)| kind), None, "{value}");
        }
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "{",
            "}",
            ",",
            ":",
            "\"",
            " ",
            "null",
            "0",
            "12",
            "1e5",
            "-",
            ".",
            "e9",
            "[",
            "]",
            "1e400",
            "true",
            "\"id\":\"x\"",
            "\"a\":",
            "[1]",
            "\\n",
            "\\x",
            "\\u00e9",
            "\\ud83d",
            "\\ude00",
            "\\u12",
            "\\\"",
            "\t",
            "\"type\":\"message.deleted\"",
            "\"payload\":{}",
            "\"metadata\":{}",
            "\"metadata\":null",
            "\"tenantId\":\"t\",",
        ])
    }

    fn damaged() -> impl Strategy<Value = String> {
        let edits = prop::collection::vec((0usize..CREATED.len(), 0usize..12, piece()), 1..4);
        edits.prop_map(|edits| {
            let mut value = CREATED.to_owned();
            for (at, removed, piece) in edits {
                let from = value.floor_char_boundary(at.min(value.len()));
                let to = value.floor_char_boundary((from + removed).min(value.len())).max(from);
                value.replace_range(from..to, piece);
            }
            value
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_it_reads_the_strict_reader_reads_as_well(value in damaged()) {
            if let Some((kind, fields)) = read(&value) {
                let strict = decode_strictly(&value);
                prop_assert_eq!(strict.ok(), Some((kind, fields)), "{}", value);
            }
        }
    }
}

//! The entries of a JSON object, found without reading its values: a JSON parser costs several times as much, and
//! every document passes here.

use std::borrow::Cow;
use std::hash::BuildHasher;

use smallvec::SmallVec;

use super::json;

/// Objects with more keys than this are allocated; documents and their metadata seldom have more.
const USUAL: usize = 8;

/// Objects with more keys than this get an index; below, looking at each key is faster.
const LINEAR_MAX: usize = 12;

/// The entries of one JSON object, in order, one per key: of a key that occurs twice the last value counts.
///
/// Values are kept as they were written: numbers and escapes survive byte by byte. Nothing here recurses, however
/// deep a value nests.
#[derive(Debug, Default)]
pub(super) struct Entries<'j> {
    list: SmallVec<[(Cow<'j, str>, Cow<'j, str>); USUAL]>,
    /// Places in the list by key, once it is long.
    index: hashbrown::HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    had_duplicates: bool,
}

impl<'j> Entries<'j> {
    /// The entries of the object; `None` when the text is not exactly one JSON object with readable keys.
    ///
    /// Of the values only the ends are looked for: the text is what was read as JSON before, and is not judged again.
    pub(super) fn parse(text: &'j str) -> Option<Self> {
        let mut rest = Rest(text);
        let mut entries = Self::default();
        rest.take(b'{')?;
        if rest.take(b'}').is_none() {
            loop {
                let key = rest.key()?;
                rest.take(b':')?;
                entries.set(key, Cow::Borrowed(rest.value()?));
                if rest.take(b',').is_none() {
                    break;
                }
            }
            rest.take(b'}')?;
        }
        rest.skip_spaces();
        rest.0.is_empty().then_some(entries)
    }

    /// Each key with its value as JSON, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether a key was set twice.
    pub(super) fn had_duplicates(&self) -> bool {
        self.had_duplicates
    }

    /// The value of that key, as JSON.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.find(key).map(|place| &*self.list[place].1)
    }

    /// Gives the key that value: in the place of the old one, or at the end.
    pub(super) fn set(&mut self, key: Cow<'j, str>, value: Cow<'j, str>) {
        if let Some(place) = self.find(&key) {
            self.list[place].1 = value;
            self.had_duplicates = true;
            return;
        }
        self.list.push((key, value));
        if self.list.len() > LINEAR_MAX {
            let from = if self.index.is_empty() { 0 } else { self.list.len() - 1 };
            for place in from..self.list.len() {
                let hash = |place: &u32| self.hasher.hash_one(&*self.list[*place as usize].0);
                self.index.insert_unique(hash(&(place as u32)), place as u32, hash);
            }
        }
    }

    fn find(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.list.iter().position(|(known, _)| known == key);
        }
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |&place| self.list[place as usize].0 == key).map(|&place| place as usize)
    }

    /// Appends the object as JSON.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        into.push(b'{');
        for (index, (key, value)) in self.list.iter().enumerate() {
            if index > 0 {
                into.push(b',');
            }
            into.push(b'"');
            json::push_escaped(into, key.as_bytes());
            into.extend_from_slice(b"\":");
            into.extend_from_slice(value.as_bytes());
        }
        into.push(b'}');
    }
}

/// What has not been looked at.
struct Rest<'j>(&'j str);

impl<'j> Rest<'j> {
    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\n', '\r', '\t']);
    }

    /// Takes the byte of an ASCII character, and spaces before it.
    fn take(&mut self, character: u8) -> Option<()> {
        self.skip_spaces();
        self.0 = self.0.strip_prefix(char::from(character))?;
        Some(())
    }

    fn take_bytes(&mut self, count: usize) -> Option<&'j str> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes a key; borrowed where it has no escapes.
    fn key(&mut self) -> Option<Cow<'j, str>> {
        self.skip_spaces();
        let len = text_len(self.0.as_bytes())?;
        let quoted = self.take_bytes(len)?;
        match quoted.get(1..len - 1)? {
            key if memchr::memchr(b'\\', key.as_bytes()).is_none() => Some(Cow::Borrowed(key)),
            _ => serde_json::from_str(quoted).ok().map(Cow::Owned),
        }
    }

    /// Takes a value, without the spaces around it.
    fn value(&mut self) -> Option<&'j str> {
        self.skip_spaces();
        let bytes = self.0.as_bytes();
        let len = match bytes.first()? {
            b'"' => text_len(bytes)?,
            b'{' | b'[' => nested_len(bytes)?,
            _ => bytes.iter().position(|byte| b",}] \n\r\t".contains(byte)).filter(|len| *len > 0)?,
        };
        self.take_bytes(len)
    }
}

/// The bytes of the text that these begin with, quotes included.
fn text_len(bytes: &[u8]) -> Option<usize> {
    bytes.first().filter(|byte| **byte == b'"')?;
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        // Whatever is escaped, it is no end.
        at += 2;
    }
}

/// The bytes of the object or array that these begin with, however deep: brackets are counted.
fn nested_len(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at += text_len(&bytes[at..])?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn of_a_key_that_occurs_twice_the_last_value_counts() {
        let entries = Entries::parse(r#" { "a" : 1 , "b":[ "}" , {} ], "\u0061" : "\\\"" } "#).unwrap();
        let list: Vec<_> = entries.iter().collect();
        assert_eq!(list, [("a", r#""\\\"""#), ("b", r#"[ "}" , {} ]"#)]);
        assert!(entries.had_duplicates());
    }

    #[test]
    fn what_is_no_object_has_no_entries() {
        for text in [
            "",
            "[]",
            "1",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{}x",
            "{\"\\ud800\":1}",
            "{\"a\":[}",
        ] {
            assert!(Entries::parse(text).is_none(), "{text}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|halves| Value::from(f64::from(halves) / 2.0)),
            r#"[a"\\{}\[\]:, \nä]{0,8}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let object = prop::collection::btree_map(r#"[ab"\\}]{0,3}"#, inner.clone(), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::from),
                object.prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn finds_what_a_parser_finds(value in json_value(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let found = Entries::parse(&text).map(|entries| {
                entries.iter().map(|(key, json)| (key.to_owned(), serde_json::from_str(json).unwrap())).collect()
            });
            prop_assert_eq!(found, value.as_object().cloned());
        }

        #[test]
        fn survives_anything(text in r#"\{?["a\\{}\[\]:, 1]{0,12}\}?"#) {
            if let Some(entries) = Entries::parse(&text) {
                let mut out = Vec::new();
                entries.write(&mut out);
            }
        }
    }
}

//! JSON as Elasticsearch parses documents: a key that occurs twice is an error.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Up to so many keys, looking through them all is faster than hashing.
const FEW_KEYS: usize = 24;

/// A JSON value. Texts without escapes are borrowed from the document.
#[derive(Debug)]
pub(super) enum JsonValue<'a> {
    Null,
    Bool(bool),
    Whole(i64),
    /// Also what is whole and beyond 64 bits.
    Fraction(f64),
    Text(Cow<'a, str>),
    List(Vec<JsonValue<'a>>),
    Object(Vec<(Cow<'a, str>, JsonValue<'a>)>),
}

impl JsonValue<'_> {
    /// A single value as the text that a keyword or text field indexes; `None` for null, lists and objects.
    pub(super) fn as_indexed_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null | Self::List(_) | Self::Object(_) => None,
            Self::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Whole(value) => Some(Cow::Owned(value.to_string())),
            Self::Fraction(value) => Some(Cow::Owned(value.to_string())),
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonValue<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = JsonValue<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Whole(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<JsonValue<'de>, E> {
        Ok(i64::try_from(value).map_or(JsonValue::Fraction(value as f64), JsonValue::Whole))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Fraction(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<JsonValue<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(JsonValue::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue<'de>, A::Error> {
        let mut entries: Vec<(Cow<'de, str>, JsonValue<'de>)> = Vec::new();
        let mut many: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(Key(key)) = map.next_key()? {
            if entries.len() == FEW_KEYS {
                many.extend(entries.iter().map(|(key, _)| key.clone()));
            }
            let repeated = if entries.len() < FEW_KEYS {
                entries.iter().any(|(known, _)| *known == key)
            } else {
                !many.insert(key.clone())
            };
            if repeated {
                return Err(A::Error::custom(format_args!("Duplicate field '{key}'")));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(JsonValue::Object(entries))
    }
}

/// A key, borrowed where it can be.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyKey;
        impl<'de> Visitor<'de> for AnyKey {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<JsonValue<'_>, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_occurs_once_however_it_is_written_and_however_many_there_are() {
        assert!(read(r#"{"a":1,"\u0061":2}"#).unwrap_err().contains("Duplicate field 'a'"));
        assert!(read(r#"{"x":{"b":1,"b":2}}"#).is_err());
        for keys in [FEW_KEYS - 1, FEW_KEYS, FEW_KEYS + 1, 100] {
            let all: Vec<String> = (0..keys).map(|key| format!("\"k{key}\":1")).collect();
            assert!(read(&format!("{{{}}}", all.join(","))).is_ok());
            for repeated in [0, keys - 1] {
                let json = format!("{{{},\"k{repeated}\":2}}", all.join(","));
                assert!(read(&json).is_err(), "{keys} keys, k{repeated} again");
            }
        }
    }

    #[test]
    fn what_is_not_escaped_is_borrowed() {
        let JsonValue::Object(entries) = read(r#"{"k":"plain","e":"a\nb"}"#).unwrap() else { panic!() };
        assert!(matches!(&entries[0], (Cow::Borrowed("k"), JsonValue::Text(Cow::Borrowed("plain")))));
        assert!(matches!(&entries[1], (_, JsonValue::Text(Cow::Owned(text))) if text == "a\nb"));
    }
}

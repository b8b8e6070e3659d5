//! From the tree to the typed settings: a serde deserializer that knows path and origin of what it can't read.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::{SettingError, in_words};
use super::tree::{Leaf, Node, Value};

impl<'de> serde::Deserializer<'de> for &'de Node {
    type Error = SettingError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        match self {
            Node::Section(children) => visitor.visit_map(Section { children: children.iter(), next: None }),
            Node::Leaf(leaf) => leaf.read(|value| match value {
                Value::Toml(value) => of_toml(value, visitor),
                Value::Text(text) => visitor.visit_str(text),
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SettingError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SettingError> {
        let unknown = || serde::de::Error::unknown_variant("", variants);
        match self {
            Node::Section(_) => Err(unknown()),
            Node::Leaf(leaf) => leaf.read(|value| match value {
                Value::Toml(toml::Value::String(word)) | Value::Text(word) => {
                    visitor.visit_enum(IntoDeserializer::<SettingError>::into_deserializer(word.as_str()))
                }
                Value::Toml(_) => Err(unknown()),
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.typed("bool", visitor, |text, visitor| Some(visitor.visit_bool(text.parse().ok()?)))
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.typed("u8", visitor, |text, visitor| Some(visitor.visit_u64(text.parse().ok()?)))
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.typed("u16", visitor, |text, visitor| Some(visitor.visit_u64(text.parse().ok()?)))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.typed("u32", visitor, |text, visitor| Some(visitor.visit_u64(text.parse().ok()?)))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.typed("u64", visitor, |text, visitor| Some(visitor.visit_u64(text.parse().ok()?)))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.typed("i64", visitor, |text, visitor| Some(visitor.visit_i64(text.parse().ok()?)))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.typed("f64", visitor, |text, visitor| Some(visitor.visit_f64(text.parse().ok()?)))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.compound("a list, as in [\"a\", \"b\"]", visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        self.compound("a section, as in { key = \"value\" }", visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SettingError> {
        self.compound("a section, as in { key = \"value\" }", visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

impl Node {
    /// A value of a plain type; a text is parsed as that type.
    fn typed<'de, V: Visitor<'de>>(
        &'de self,
        kind: &str,
        visitor: V,
        parse: impl FnOnce(&str, V) -> Option<Result<V::Value, SettingError>>,
    ) -> Result<V::Value, SettingError> {
        match self {
            Self::Leaf(Leaf { value: Value::Text(text), origin }) => parse(text.trim(), visitor)
                .unwrap_or_else(|| Err(SettingError::general(format!("must be {}", in_words(kind)))))
                .map_err(|error| error.of_value(Value::Text(text.clone()).to_string(), origin.clone())),
            node => serde::Deserializer::deserialize_any(node, visitor),
        }
    }

    /// A list or section; a text is parsed as TOML.
    fn compound<'de, V: Visitor<'de>>(&'de self, form: &str, visitor: V) -> Result<V::Value, SettingError> {
        match self {
            Self::Leaf(leaf @ Leaf { value: Value::Text(text), .. }) => leaf.read(|_| {
                let parsed = format!("value = {text}").parse::<toml::Table>().ok();
                match parsed.and_then(|mut table| table.remove("value")) {
                    Some(value @ (toml::Value::Table(_) | toml::Value::Array(_))) => of_toml(&value, visitor),
                    _ => Err(SettingError::general(format!("must be {form}"))),
                }
            }),
            node => serde::Deserializer::deserialize_any(node, visitor),
        }
    }
}

impl Leaf {
    fn read<'de, T>(
        &'de self,
        read: impl FnOnce(&'de Value) -> Result<T, SettingError>,
    ) -> Result<T, SettingError> {
        read(&self.value).map_err(|error| error.of_value(self.value.to_string(), self.origin.clone()))
    }
}

/// A value of a file, or one inside a text.
fn of_toml<'de, V: Visitor<'de>>(value: &toml::Value, visitor: V) -> Result<V::Value, SettingError> {
    match value {
        toml::Value::String(text) => visitor.visit_str(text),
        toml::Value::Integer(number) => visitor.visit_i64(*number),
        toml::Value::Float(number) => visitor.visit_f64(*number),
        toml::Value::Boolean(yes) => visitor.visit_bool(*yes),
        toml::Value::Datetime(time) => visitor.visit_string(time.to_string()),
        toml::Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Inner))),
        toml::Value::Table(table) => visitor
            .visit_map(MapDeserializer::new(table.iter().map(|(key, value)| (key.as_str(), Inner(value))))),
    }
}

/// A value inside a list or an inline table.
struct Inner<'v>(&'v toml::Value);

impl<'de> serde::Deserializer<'de> for Inner<'_> {
    type Error = SettingError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        of_toml(self.0, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SettingError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, SettingError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, SettingError> {
        match self.0 {
            toml::Value::String(word) => {
                visitor.visit_enum(IntoDeserializer::<SettingError>::into_deserializer(word.as_str()))
            }
            _ => Err(serde::de::Error::unknown_variant("", variants)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, SettingError> for Inner<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Section<'n> {
    children: std::collections::btree_map::Iter<'n, String, Node>,
    next: Option<(&'n str, &'n Node)>,
}

impl<'de> MapAccess<'de> for Section<'de> {
    type Error = SettingError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, SettingError> {
        let Some((key, node)) = self.children.next() else { return Ok(None) };
        self.next = Some((key, node));
        let read = seed.deserialize(StrDeserializer::<SettingError>::new(key));
        // An unknown key has been named by the error itself; its origin is told here.
        read.map(Some).map_err(|error| error.with_origin(|_| node.origin(&[])))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, SettingError> {
        let Some((key, node)) = self.next.take() else {
            return Err(SettingError::general("a value was asked for before its key"));
        };
        seed.deserialize(node).map_err(|error| error.under(key))
    }
}

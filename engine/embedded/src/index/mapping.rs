//! The mapping: which fields documents may have, and what of them can be searched.
//!
//! Every field is explicit. What can't be indexed as Elasticsearch would is refused when the index is made, not when
//! somebody searches.

use serde_json::{Map, Value, json};
use tantivy::schema::{
    FAST, Field as TextField, INDEXED, IndexRecordOption, Schema, SchemaBuilder, TextFieldIndexing,
    TextOptions,
};

use super::refusal::Refusal;
use super::words::WORDS;

/// The column of a document's sequence number.
pub(super) const SEQ_NO: &str = "s";

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text that is found as a whole.
    Keyword,
    /// A text that is found by its words.
    Text,
    Boolean,
    /// Milliseconds since 1970, written in the default format.
    Date,
    /// Milliseconds since 1970, written as a number.
    EpochMillis,
    Long,
    Double,
    /// An object whose leaves are keywords.
    Flattened,
}

/// A field, and where its terms are in the full-text index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) indexed: TextField,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    /// As given; `_meta` may change.
    body: Map<String, Value>,
    /// Whether a document may have fields that are not named here (they are then not indexed), or is refused.
    pub(super) ignores_unknown: bool,
    fields: Vec<(String, Field)>,
    pub(super) seq_no: TextField,
}

impl Mapping {
    /// The mapping that this body describes, with the schema for its fields.
    pub(super) fn new(body: Map<String, Value>) -> Result<(Self, Schema), Refusal> {
        let ignores_unknown = match body.get("dynamic").map(|dynamic| dynamic.as_str().unwrap_or_default()) {
            Some("false") => true,
            // With "true", the default, unknown fields would be mapped by guessing: here they are refused.
            Some("strict" | "true") | None => false,
            Some(_) if body["dynamic"].is_boolean() => body["dynamic"] == false,
            Some(other) => return Err(Refusal::unsupported(format_args!("dynamic [{other}]"))),
        };
        if let Some(option) =
            body.keys().find(|key| !matches!(key.as_str(), "dynamic" | "properties" | "_meta"))
        {
            return Err(Refusal::unsupported(format_args!("the mapping's [{option}]")));
        }
        let mut schema = Schema::builder();
        let seq_no = schema.add_u64_field(SEQ_NO, INDEXED | FAST);
        let none = Map::new();
        let properties = body.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut fields = Vec::with_capacity(properties.len());
        for (number, (name, definition)) in properties.iter().enumerate() {
            let kind = kind_of(name, definition)?;
            let indexed = add(&mut schema, &format!("f{number}"), kind);
            fields.push((name.clone(), Field { kind, indexed }));
        }
        Ok((Self { body, ignores_unknown, fields, seq_no }, schema.build()))
    }

    /// As it was given.
    pub(super) fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// Takes over the `_meta` of a change; a change of fields is refused.
    pub(super) fn update(&mut self, change: &Map<String, Value>) -> Result<(), Refusal> {
        let known = |name: &String| self.body.get("properties").and_then(|fields| fields.get(name));
        let properties = change.get("properties").and_then(Value::as_object);
        if let Some((name, _)) =
            properties.into_iter().flatten().find(|(name, field)| known(name) != Some(*field))
        {
            return Err(Refusal::unsupported(format_args!("changing the field [{name}] of a mapping")));
        }
        if let Some(meta) = change.get("_meta") {
            self.body.insert("_meta".into(), meta.clone());
        }
        Ok(())
    }

    pub(super) fn field(&self, name: &str) -> Option<Field> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, field)| *field)
    }

    pub(super) fn text_fields(&self) -> impl Iterator<Item = Field> {
        self.fields.iter().map(|(_, field)| *field).filter(|field| field.kind == Kind::Text)
    }
}

fn kind_of(name: &str, definition: &Value) -> Result<Kind, Refusal> {
    let refused = |what: String| {
        Err(Refusal::new(400, "mapper_parsing_exception", format!("Failed to parse mapping: {what}")))
    };
    let Some(definition) = definition.as_object() else {
        return refused(format!("the field [{name}] is not an object"));
    };
    let format = definition.get("format");
    let kind = match definition.get("type").and_then(Value::as_str).unwrap_or("object") {
        "keyword" => Kind::Keyword,
        "text" => Kind::Text,
        "boolean" => Kind::Boolean,
        "date" if format == Some(&json!("epoch_millis")) => Kind::EpochMillis,
        "date" if format.is_none_or(|format| *format == json!("strict_date_optional_time||epoch_millis")) => {
            Kind::Date
        }
        "long" | "integer" => Kind::Long,
        "double" | "float" => Kind::Double,
        "flattened" => Kind::Flattened,
        other => {
            return refused(format!(
                "the embedded index does not know the type [{other}] of the field [{name}]"
            ));
        }
    };
    let is_known = |option: &str| option == "type" || (option == "format" && kind.is_date());
    match definition.keys().find(|option| !is_known(option)) {
        Some(option) => refused(format!("the embedded index does not know [{option}] of the field [{name}]")),
        None => Ok(kind),
    }
}

impl Kind {
    pub(super) fn is_date(self) -> bool {
        matches!(self, Self::Date | Self::EpochMillis)
    }

    /// Its name in mappings, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Date | Self::EpochMillis => "date",
            Self::Long => "long",
            Self::Double => "double",
            Self::Flattened => "flattened",
        }
    }
}

fn add(schema: &mut SchemaBuilder, name: &str, kind: Kind) -> TextField {
    let indexing = TextFieldIndexing::default();
    let terms = |indexing| TextOptions::default().set_indexing_options(indexing);
    let whole = || {
        let indexing = TextFieldIndexing::default().set_tokenizer("raw").set_fieldnorms(false);
        terms(indexing.set_index_option(IndexRecordOption::Basic))
    };
    match kind {
        Kind::Keyword | Kind::Flattened => schema.add_text_field(name, whole()),
        // With positions, for phrases.
        Kind::Text => schema.add_text_field(
            name,
            terms(indexing.set_tokenizer(WORDS).set_index_option(IndexRecordOption::WithFreqsAndPositions)),
        ),
        Kind::Boolean => schema.add_bool_field(name, INDEXED),
        // Columns: for ranges and sorting.
        Kind::Date | Kind::EpochMillis | Kind::Long => schema.add_i64_field(name, FAST),
        Kind::Double => schema.add_f64_field(name, FAST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: Value) -> String {
        let Value::Object(body) = body else { panic!("an object") };
        Mapping::new(body).unwrap_err().reason
    }

    #[test]
    fn what_can_not_be_indexed_is_named() {
        let geo = json!({"properties": {"at": {"type": "geo_point"}}});
        assert!(refused(geo).contains("the type [geo_point] of the field [at]"));
        let analyzer = json!({"properties": {"t": {"type": "text", "analyzer": "german"}}});
        assert!(refused(analyzer).contains("[analyzer] of the field [t]"));
        assert!(refused(json!({"properties": {"o": {"properties": {}}}})).contains("[object]"));
        assert!(refused(json!({"dynamic": "runtime"})).contains("dynamic [runtime]"));
        assert!(refused(json!({"_routing": {}})).contains("[_routing]"));
    }

    #[test]
    fn only_meta_changes() {
        let body = json!({"_meta": {"a": 1}, "properties": {"t": {"type": "text"}}});
        let Value::Object(body) = body else { panic!("an object") };
        let (mut mapping, _) = Mapping::new(body.clone()).unwrap();
        let change = |change: Value| change.as_object().cloned().unwrap();
        mapping.update(&change(json!({"_meta": {"b": 2}, "properties": body["properties"]}))).unwrap();
        assert_eq!(mapping.body()["_meta"], json!({"b": 2}));
        let error = mapping.update(&change(json!({"properties": {"u": {"type": "text"}}}))).unwrap_err();
        assert!(error.reason.contains("[u]"));
    }
}

//! The search box over documents in Elasticsearch.

use serde_json::{Map, Value};
use thalweg_connectors::elasticsearch::ElasticsearchClient;
use thalweg_connectors::elasticsearch::search::SearchedFields;

use crate::flow::{Hit, Search, Searching};

/// Letters shown of one text.
const TEXT_CHARS_MAX: usize = 500;

/// Letters shown of an id or a name.
const WORD_CHARS_MAX: usize = 100;

/// Searches behind the alias; see [`thalweg_connectors::elasticsearch::search`].
pub(crate) struct DocumentSearch {
    pub(crate) client: ElasticsearchClient,
    pub(crate) fields: SearchedFields,
}

impl Search for DocumentSearch {
    fn search<'w>(&'w self, query: &'w str) -> Searching<'w> {
        Box::pin(async move {
            let found = self.client.search(&self.fields, query).await?;
            Ok(found.iter().map(|document| hit(document, &self.fields)).collect())
        })
    }
}

fn hit(document: &Map<String, Value>, fields: &SearchedFields) -> Hit {
    let texts = fields.texts.iter().filter_map(|name| shown(document.get(name)?, TEXT_CHARS_MAX));
    let words = fields.words.iter().filter_map(|name| {
        let value = shown(document.get(name)?, WORD_CHARS_MAX)?;
        Some((name.clone(), value))
    });
    Hit {
        text: texts.collect::<Vec<_>>().join("\n"),
        time: fields.date.as_ref().and_then(|name| shown(document.get(name)?, WORD_CHARS_MAX)),
        words: words.collect(),
    }
}

/// A field's value as people read it.
fn shown(value: &Value, chars_max: usize) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    match text.char_indices().nth(chars_max) {
        None => Some(text),
        Some((end, _)) => Some(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_shown_by_its_fields_and_cut_between_letters() {
        let fields = SearchedFields {
            texts: vec!["content".into()],
            words: vec!["senderId".into(), "tenantId".into()],
            date: Some("timestamp".into()),
        };
        let document =
            json!({"content": "ä".repeat(600), "senderId": 7, "timestamp": "2023-08-15T10:30:00Z"});
        let Value::Object(document) = document else { unreachable!("it is written as an object") };
        let hit = hit(&document, &fields);
        assert_eq!(hit.text, "ä".repeat(500) + "…");
        assert_eq!(hit.words, [("senderId".to_owned(), "7".to_owned())]);
        assert_eq!(hit.time.as_deref(), Some("2023-08-15T10:30:00Z"));
    }
}

//! Searching what readers see: the words of people, in an index's text fields, newest first.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

#[cfg(feature = "elasticsearch")]
use super::client::ElasticsearchClient;
#[cfg(feature = "elasticsearch")]
use super::operation::Operation;

/// A longer question is no question of a person.
pub const QUERY_BYTES_MAX: usize = 200;

/// Documents found at most: as many as a person reads.
pub const HITS_MAX: usize = 20;

/// How long a search may take: somebody waits for it.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// Which of an index's fields are searched and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchedFields {
    /// Fields of type `text`: what is searched, and what a hit is to people.
    pub texts: Vec<String>,
    /// Fields of type `keyword`: who and where.
    pub words: Vec<String>,
    /// The first field of type `date`: what is newest.
    pub date: Option<String>,
}

impl SearchedFields {
    /// Those of a mapping: `properties` is what stands under that word in it, as JSON. `None`: it has no text to search.
    #[must_use]
    pub fn of(properties: &str) -> Option<Self> {
        let properties: Map<String, Value> = serde_json::from_str(properties).ok()?;
        let of_type = |kind: &str| -> Vec<String> {
            let fields = properties.iter().filter(|(_, field)| field["type"] == kind);
            fields.map(|(name, _)| name.clone()).collect()
        };
        let (texts, words, date) = (of_type("text"), of_type("keyword"), of_type("date").into_iter().next());
        (!texts.is_empty()).then_some(Self { texts, words, date })
    }

    /// The request's body: every word must occur; `*` behind the beginning of a word, `-` and quotes mean what they do
    /// in `simple_query_string`, in which no text is an error.
    #[must_use]
    pub fn search_body(&self, query: &str) -> Vec<u8> {
        let mut shown: Vec<&String> = self.texts.iter().chain(&self.words).collect();
        shown.extend(&self.date);
        let mut body = json!({
            "size": HITS_MAX,
            "timeout": format!("{}ms", TIMEOUT.as_millis()),
            "track_total_hits": false,
            "_source": shown,
            "query": {"simple_query_string": {"query": query, "fields": self.texts, "default_operator": "and"}},
        });
        if let Some(date) = &self.date {
            body["sort"] = json!([{date: {"order": "desc"}}]);
        }
        body.to_string().into_bytes()
    }
}

/// The documents in a search's answer; `None` when it is not one.
#[must_use]
pub fn documents(answer: &[u8]) -> Option<Vec<Map<String, Value>>> {
    #[derive(Deserialize)]
    struct Answer {
        // Absent when nothing was found: what is empty is filtered out.
        #[serde(default)]
        hits: Hits,
    }
    #[derive(Deserialize, Default)]
    struct Hits {
        #[serde(default)]
        hits: Vec<Hit>,
    }
    #[derive(Deserialize)]
    struct Hit {
        #[serde(rename = "_source", default)]
        source: Map<String, Value>,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    Some(answer.hits.hits.into_iter().map(|hit| hit.source).collect())
}

#[cfg(feature = "elasticsearch")]
impl ElasticsearchClient {
    /// Searches behind the alias; answers documents, newest first.
    ///
    /// # Errors
    /// What went wrong, for people; after [`TIMEOUT`] at the latest.
    pub async fn search(
        &self,
        fields: &SearchedFields,
        query: &str,
    ) -> Result<Vec<Map<String, Value>>, String> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(format!("a search takes at most {QUERY_BYTES_MAX} bytes"));
        }
        let asked = self.outcome(Operation::Search, fields.search_body(query));
        let answered = tokio::time::timeout(TIMEOUT, asked).await;
        let answer = answered.map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?;
        documents(&answer.map_err(|(_, why)| why)?).ok_or_else(|| "the answer is not one to a search".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROPERTIES: &str = r#"{"content": {"type": "text"}, "sender": {"type": "keyword"}, "at": {"type": "date"},
        "more": {"type": "flattened"}}"#;

    #[test]
    fn the_mapping_says_what_is_searched() {
        let fields = SearchedFields::of(PROPERTIES).unwrap();
        assert_eq!(
            (fields.texts, fields.words, fields.date),
            (vec!["content".into()], vec!["sender".into()], Some("at".into()))
        );
        assert_eq!(SearchedFields::of(r#"{"a": {"type": "keyword"}}"#), None);
    }

    #[test]
    fn a_query_is_a_value_whatever_it_says() {
        let body = SearchedFields::of(PROPERTIES).unwrap().search_body(r#""}},"size":9999,"x":{"y":{"z":""#);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["size"], HITS_MAX);
        let query = &body["query"]["simple_query_string"]["query"];
        assert_eq!(query, r#""}},"size":9999,"x":{"y":{"z":""#);
        assert_eq!(body["sort"][0]["at"]["order"], "desc");
        assert_eq!(body["_source"], json!(["content", "sender", "at"]));
    }

    #[test]
    fn answers_are_documents_or_none() {
        let found = documents(br#"{"hits":{"hits":[{"_source":{"content":"x"}},{}]}}"#).unwrap();
        assert_eq!((found.len(), &found[0]["content"]), (2, &json!("x")));
        assert_eq!(documents(b"{}").unwrap().len(), 0);
        assert_eq!(documents(b"<html>"), None);
    }
}

//! Pages: a view's things in the order of their keys, some at a time.

use std::sync::Arc;

use serde::Deserialize;

use super::item::Item;
use crate::commands::{Answer, Problem, Request};

/// Where a page begins and how long it is: `?after=KEY&limit=N`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PageRequest {
    /// The page begins behind this key; absent: at the first.
    pub after: Option<String>,
    /// Things on it at most; absent: as many as the view's settings allow.
    pub limit: Option<u32>,
}

impl PageRequest {
    /// What a request's query asks for; other parameters may stand beside it.
    ///
    /// # Errors
    /// When they can't be: a 400.
    pub fn of(request: &Request<'_>) -> Result<Self, Problem> {
        let asked: Self = request.query_as()?;
        match asked.limit {
            Some(0) => Err(Problem::bad_request("the parameter limit must be at least 1")),
            _ => Ok(asked),
        }
    }
}

/// Some of a view's things.
#[derive(Debug)]
pub struct Page<V> {
    /// In the order of their keys.
    pub items: Vec<Arc<Item<V>>>,
    /// What the next page begins behind; `None`: there is none. A page that is not full may have a next one: of a large
    /// view only a part is looked at for one request.
    pub next: Option<String>,
}

impl<V> Page<V> {
    /// `{"items":[...],"next":"KEY"}`, of values that are JSON; `next` is what to give as `after`, absent on the last page.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let mut body = b"{\"items\":[".to_vec();
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&item.bytes);
        }
        body.push(b']');
        if let Some(next) = &self.next {
            body.extend_from_slice(b",\"next\":");
            body.extend_from_slice(serde_json::Value::from(next.as_str()).to_string().as_bytes());
        }
        body.push(b'}');
        Answer::new(200, "application/json", body)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn page(values: &[&str], next: Option<&str>) -> Page<()> {
        let item = |value: &&str| {
            let bytes = Bytes::copy_from_slice(value.as_bytes());
            Arc::new(Item { value: (), bytes, partition: 0, timestamp_ms: 0 })
        };
        Page { items: values.iter().map(item).collect(), next: next.map(str::to_owned) }
    }

    #[test]
    fn a_page_is_json() {
        for (page, expected) in [
            (page(&[], None), "{\"items\":[]}"),
            (page(&["{\"a\":1}", "2"], None), "{\"items\":[{\"a\":1},2]}"),
            (page(&["1"], Some("a\"\n")), "{\"items\":[1],\"next\":\"a\\\"\\n\"}"),
        ] {
            assert_eq!(page.answer(), Answer::new(200, "application/json", expected));
        }
    }
}

//! The real index, read through the alias that readers use: a point in time, then page after page.

use super::index::{Behind, Source, Visible};
use anyhow::{Context, Result, bail};
use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// Large pages keep the number of requests small; 5,000 documents of usual size are 2 MB.
const PAGE_DOCUMENTS: u32 = 5000;
const KEEP_ALIVE: &str = "2m";
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How much of an unexpected answer is shown.
const SHOWN_CHARS: usize = 300;

/// An alias of an Elasticsearch.
pub struct Elasticsearch {
    client: Client,
    url: String,
    alias: String,
    api_key: Option<String>,
}

#[derive(Deserialize)]
struct PointInTime {
    id: String,
}

#[derive(Deserialize)]
struct Page {
    pit_id: String,
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    failed: u32,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_version")]
    version: Option<u64>,
    #[serde(rename = "_source")]
    source: Value,
    sort: Value,
}

impl Elasticsearch {
    /// The alias at a node. The URL may carry `user:password@`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(url: &str, alias: &str, api_key: Option<String>) -> Result<Self> {
        let client = Client::builder().timeout(ANSWER_WITHIN).build()?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client, url, alias: alias.to_owned(), api_key })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/{path}", self.url));
        match &self.api_key {
            Some(key) => request.header("authorization", format!("ApiKey {key}")),
            None => request,
        }
    }

    fn answer<T: DeserializeOwned>(&self, request: RequestBuilder, what: &str) -> Result<T> {
        // The URL may hold a password: errors do without it.
        let context = || format!("can't {what} (alias {} at --elasticsearch)", self.alias);
        let response = request.send().map_err(reqwest::Error::without_url).with_context(context)?;
        let status = response.status();
        let body = response.bytes().map_err(reqwest::Error::without_url).with_context(context)?;
        if !status.is_success() {
            let shown: String = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARS).collect();
            bail!("can't {what} (alias {}): {status} {shown}", self.alias);
        }
        serde_json::from_slice(&body).with_context(context)
    }

    fn pages(&self, point_in_time: &mut String, visit: &mut dyn FnMut(Visible)) -> Result<()> {
        let mut after = None;
        loop {
            let mut query = json!({
                "size": PAGE_DOCUMENTS,
                "pit": {"id": point_in_time, "keep_alive": KEEP_ALIVE},
                "sort": ["_shard_doc"],
                "track_total_hits": false,
                "version": true,
            });
            if let Some(after) = after {
                query["search_after"] = after;
            }
            let page: Page =
                self.answer(self.request(Method::POST, "_search").json(&query), "read the index")?;
            if page.timed_out || page.shards.failed > 0 {
                bail!("the index answered only in part: {} shards failed", page.shards.failed);
            }
            *point_in_time = page.pit_id;
            let Some(last) = page.hits.hits.last() else { return Ok(()) };
            after = Some(last.sort.clone());
            for Hit { id, version, source, .. } in page.hits.hits {
                visit(Visible { id, version, source });
            }
        }
    }

    /// Counts the tombstones in the indices behind the alias, past its filter.
    fn tombstones(&self) -> Result<u64> {
        let path = format!("_alias/{}", self.alias);
        let indices: serde_json::Map<String, Value> =
            self.answer(self.request(Method::GET, &path), "find the indices behind the alias")?;
        let indices = indices.keys().map(String::as_str).collect::<Vec<_>>().join(",");
        let query = json!({"query": {"term": {"deleted": true}}});
        let path = format!("{indices}/_count");
        let count: Value = self.answer(self.request(Method::POST, &path).json(&query), "count tombstones")?;
        Ok(count["count"].as_u64().unwrap_or_default())
    }
}

impl Source for Elasticsearch {
    fn each(&mut self, visit: &mut dyn FnMut(Visible)) -> Result<Behind> {
        let refresh = self.request(Method::POST, &format!("{}/_refresh", self.alias));
        self.answer::<Value>(refresh, "refresh the index")?;
        let open = format!("{}/_pit?keep_alive={KEEP_ALIVE}", self.alias);
        let open = self.request(Method::POST, &open);
        let PointInTime { mut id } = self.answer(open, "open a point in time")?;
        let read = self.pages(&mut id, visit);
        let close = self.request(Method::DELETE, "_pit").json(&json!({ "id": id }));
        // It would end by itself; what was read counts.
        let _ = self.answer::<Value>(close, "close the point in time");
        read?;
        Ok(Behind { tombstones: self.tombstones()?, stale_writes: 0 })
    }
}

//! What can be set about Elasticsearch, and the checks that run before anything connects.

use serde::{Deserialize, Serialize};
use url::Url;

use super::operation::Target;
use super::setup::{IndexPlan, SetupError};
use super::sink::DocumentOptions;
use super::version::Generation;
use crate::kafka::secret::Secret;
use crate::kafka::settings::SettingError;

/// The `[elasticsearch]` part of a pipeline's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ElasticsearchSettings {
    /// The nodes, as URLs; requests go to one after the other, and pass over one that failed for some seconds.
    pub nodes: Vec<String>,
    /// The alias that readers search; the index behind it is made when it is missing.
    pub alias: String,
    /// Primary shards of an index that is made.
    pub shards: u32,
    /// Replicas of an index that is made.
    pub replicas: u32,
    /// Basic authentication; together with `password`.
    pub username: Option<String>,
    /// Of that user.
    pub password: Option<Secret>,
    /// An API key in the form Elasticsearch calls `encoded`; instead of user and password.
    pub api_key: Option<Secret>,
    /// PEM file of the authorities to trust, besides the public ones. Needs a build with the feature `tls`.
    pub ca_file: Option<String>,
    /// Whether request bodies are compressed: less network, more CPU.
    pub compress: bool,
    /// How long an answer is waited for before the outcome counts as unknown, connecting included.
    pub request_timeout_ms: u64,
    /// How long the start waits for a node to answer.
    pub start_timeout_ms: u64,
    /// A longer answer is not taken.
    pub answer_bytes_max: usize,
    /// A larger document becomes a dead letter.
    pub document_bytes_max: usize,
    /// Documents that each lane remembers for merging, in bytes.
    pub bases_bytes_per_lane: usize,
    /// Tombstones of documents removed longer ago are purged. Must not be below the topic's retention: while the log
    /// can still be replayed from before a removal, its tombstone is what keeps the document away.
    pub tombstone_retention_ms: u64,
}

impl Default for ElasticsearchSettings {
    fn default() -> Self {
        let DocumentOptions { bases_bytes, document_bytes_max, .. } = DocumentOptions::default();
        Self {
            nodes: vec!["http://127.0.0.1:9200".into()],
            alias: "messages".into(),
            shards: 1,
            replicas: 1,
            username: None,
            password: None,
            api_key: None,
            ca_file: None,
            compress: false,
            request_timeout_ms: 30_000,
            start_timeout_ms: 10_000,
            answer_bytes_max: 128 << 20,
            document_bytes_max,
            bases_bytes_per_lane: bases_bytes,
            // The topic's seven days, and one for segments that are deleted late.
            tombstone_retention_ms: 8 * 24 * 3_600_000,
        }
    }
}

impl ElasticsearchSettings {
    /// Checks everything that can be checked without connecting.
    ///
    /// # Errors
    /// The first setting that can't be.
    pub fn check(&self) -> Result<(), SettingError> {
        if self.nodes.is_empty() {
            return Err(refused("nodes", "[]", "name at least one node"));
        }
        for node in &self.nodes {
            check_node(node, cfg!(feature = "tls"))?;
        }
        if let Err(why) = Target::new(&*self.alias) {
            return Err(SettingError { key: "alias".into(), value: self.alias.clone(), allowed: why });
        }
        if self.username.is_some() != self.password.is_some() {
            let user = self.username.as_deref().unwrap_or_default();
            return Err(refused("username", user, "must be set together with password"));
        }
        if let Some(key) = &self.api_key {
            if self.username.is_some() {
                return Err(refused("api_key", "***", "can't be set together with username"));
            }
            if key.reveal().is_empty() || !key.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(refused(
                    "api_key",
                    "***",
                    "must be the `encoded` form of the key: letters, digits, +, / and =",
                ));
            }
        }
        if let (Some(file), false) = (&self.ca_file, cfg!(feature = "tls")) {
            return Err(refused("ca_file", file, NEEDS_TLS));
        }
        self.check_numbers()
    }

    fn check_numbers(&self) -> Result<(), SettingError> {
        let within = |key: &str, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(refused(key, &value.to_string(), &format!("must be between {min} and {max}")))
        };
        within("shards", self.shards.into(), 1, 1024)?;
        within("replicas", self.replicas.into(), 0, 100)?;
        within("request_timeout_ms", self.request_timeout_ms, 100, 600_000)?;
        within("start_timeout_ms", self.start_timeout_ms, 100, 600_000)?;
        within("answer_bytes_max", self.answer_bytes_max as u64, 1 << 20, 1 << 30)?;
        within("document_bytes_max", self.document_bytes_max as u64, 1_024, 100 << 20)?;
        within("bases_bytes_per_lane", self.bases_bytes_per_lane as u64, 0, 1 << 30)?;
        within("tombstone_retention_ms", self.tombstone_retention_ms, 60_000, 10 * 365 * 24 * 3_600_000)
    }

    /// The index that these settings ask for, with the flow's fields (see [`IndexPlan::new`]).
    ///
    /// # Errors
    /// When the alias or the mapping can't be.
    pub fn plan(&self, properties: &str) -> Result<IndexPlan, SetupError> {
        let target = Target::new(&*self.alias).map_err(SetupError::BadAlias)?;
        IndexPlan::new(target, self.shards, self.replicas, properties)
    }

    /// What the sink needs to know, with the generation found at the start.
    #[must_use]
    pub fn options(&self, generation: Generation) -> DocumentOptions {
        let (bases_bytes, document_bytes_max) = (self.bases_bytes_per_lane, self.document_bytes_max);
        DocumentOptions { generation, bases_bytes, document_bytes_max }
    }
}

const NEEDS_TLS: &str = "needs a build with the cargo feature `tls`";

fn refused(key: &str, value: &str, allowed: &str) -> SettingError {
    SettingError { key: key.into(), value: value.into(), allowed: allowed.into() }
}

fn check_node(node: &str, built_with_tls: bool) -> Result<(), SettingError> {
    let allowed = "must be a URL like http://HOST:PORT or https://HOST:PORT";
    let Ok(url) = Url::parse(node) else { return Err(refused("nodes", node, allowed)) };
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: it holds a password.
        let shown = format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default());
        return Err(refused("nodes", &shown, "must not hold a user: set username and password instead"));
    }
    let plain = url.has_host() && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "http" if plain => Ok(()),
        "https" if plain && built_with_tls => Ok(()),
        "https" if plain => Err(refused("nodes", node, NEEDS_TLS)),
        _ => Err(refused("nodes", node, allowed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(change: impl FnOnce(&mut ElasticsearchSettings)) -> String {
        let mut settings = ElasticsearchSettings::default();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_fine() {
        ElasticsearchSettings::default().check().unwrap();
    }

    #[test]
    fn what_can_not_be_is_named() {
        let node = |node: &str| why(|settings| settings.nodes = vec![node.into()]);
        for bad in ["localhost:9200", "ftp://a", "http://", "http://a/?x", "nonsense"] {
            assert!(node(bad).starts_with(&format!("nodes = {bad:?}: must be a URL")), "{}", node(bad));
        }
        assert!(!node("http://u:geheim@a:9200").contains("geheim"));
        assert!(why(|settings| settings.nodes.clear()).starts_with("nodes"));
        assert!(why(|settings| settings.alias = "Messages".into()).starts_with("alias = \"Messages\""));
        assert!(why(|settings| settings.username = Some("u".into())).contains("together with password"));
        assert!(
            why(|settings| settings.api_key = Some(Secret::new("a\nb"))).starts_with("api_key = \"***\"")
        );
        assert!(why(|settings| settings.shards = 0).contains("between 1 and 1024"));
    }

    #[test]
    fn unknown_keys_are_errors_and_secrets_hidden() {
        let error =
            serde_json::from_str::<ElasticsearchSettings>(r#"{"node":["x"]}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `node`"), "{error}");
        let settings = ElasticsearchSettings { password: Some(Secret::new("geheim")), ..Default::default() };
        assert!(!format!("{settings:?}{}", serde_json::to_string(&settings).unwrap()).contains("geheim"));
    }
}

//! What can be set about a system that is called, and the checks that run before anything connects.

use serde::{Deserialize, Serialize};
use thalweg_core::SinkSettings;
use thalweg_core::pacing::PacingSettings;
use thalweg_core::sink::FollowUps;
use url::Url;

use super::judge::Conflict;
use super::sink::Limits;
use crate::kafka::secret::Secret;
use crate::kafka::settings::SettingError;

/// The part of a pipeline's settings about one system that is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Where it is; paths of calls stand below this.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer_token: Option<Secret>,
    /// The header that has the idempotency key of a call.
    pub idempotency_header: String,
    /// What 409 means there: `in_progress`, `applied` or `refused`.
    pub conflict: Conflict,
    /// How long an answer is waited for before the outcome counts as unknown, connecting included.
    pub request_timeout_ms: u64,
    /// How long a call may still have its effect after whoever made it has given it up. Of use to calls that are looked up
    /// before they are made: one that nothing is known of is not made again before.
    pub settle_ms: u64,
    /// Calls under way at a time, for each worker.
    pub concurrency: u16,
    /// Tries of a call whose answers make no sense before it is given up; 0: for ever. Calls that were not answered, or
    /// were answered by 429 or 5xx, are tried for ever and don't count.
    pub attempts_max: u32,
    /// A longer answer is not taken.
    pub answer_bytes_max: u32,
    /// What follows from an answer (a record with its topic and headers) takes at most this. Each open record reserves as
    /// much of the engine's memory.
    pub follow_up_bytes_max: u32,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".into(),
            bearer_token: None,
            idempotency_header: "idempotency-key".into(),
            conflict: Conflict::default(),
            request_timeout_ms: 10_000,
            settle_ms: 20_000,
            concurrency: 64,
            attempts_max: 10,
            answer_bytes_max: 64 << 10,
            follow_up_bytes_max: 16 << 10,
        }
    }
}

/// Lanes: a call holds up its own key and those few that share its lane, a thousandth of them.
const LANES: u16 = 1_024;

impl HttpSettings {
    /// Checks everything that can be checked without connecting.
    ///
    /// # Errors
    /// The first setting that can't be.
    pub fn check(&self) -> Result<(), SettingError> {
        self.base()?;
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_name(&self.idempotency_header) {
            let allowed = "must be the name of a header: letters, digits and -";
            return Err(refused("idempotency_header", &self.idempotency_header, allowed));
        }
        if let Some(token) = &self.bearer_token
            && (token.reveal().is_empty() || !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(refused("bearer_token", "***", "must be visible ASCII characters"));
        }
        let within = |key: &str, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(refused(key, &value.to_string(), &format!("must be between {min} and {max}")))
        };
        within("request_timeout_ms", self.request_timeout_ms, 100, 600_000)?;
        within("settle_ms", self.settle_ms, 0, 600_000)?;
        within("concurrency", self.concurrency.into(), 1, LANES.into())?;
        within("answer_bytes_max", self.answer_bytes_max.into(), 1_024, 64 << 20)?;
        within("follow_up_bytes_max", self.follow_up_bytes_max.into(), 0, 16 << 20)
    }

    /// The URL that calls stand below, without a slash at its end.
    pub(super) fn base(&self) -> Result<String, SettingError> {
        let allowed = "must be a URL like http://HOST:PORT or https://HOST:PORT/PATH";
        let Ok(url) = Url::parse(&self.url) else { return Err(refused("url", &self.url, allowed)) };
        if !url.username().is_empty() || url.password().is_some() {
            // Not shown: it holds a password.
            let shown = format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default());
            return Err(refused("url", &shown, "must not hold a user: set bearer_token instead"));
        }
        let plain = url.has_host() && url.query().is_none() && url.fragment().is_none();
        match url.scheme() {
            "http" if plain => {}
            "https" if plain && cfg!(feature = "tls") => {}
            "https" if plain => {
                return Err(refused("url", &self.url, "needs a build with the cargo feature `tls`"));
            }
            _ => return Err(refused("url", &self.url, allowed)),
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// What the sink goes by; `follow_ups` is the sink that its effects lead to.
    #[must_use]
    pub fn limits(&self, follow_ups: Option<u8>) -> Limits {
        let (conflict, bytes_max) = (self.conflict, self.follow_up_bytes_max);
        let follow_ups = follow_ups.map(|sink| FollowUps { sink, bytes_max });
        Limits {
            conflict,
            idempotency_header: self.idempotency_header.clone(),
            follow_ups,
            settle_ms: self.settle_ms,
            request_timeout_ms: self.request_timeout_ms,
        }
    }

    /// How the sink is driven: one call a flight, in many lanes under one limit.
    #[must_use]
    pub fn driven(&self) -> SinkSettings {
        SinkSettings {
            lanes: LANES,
            pacing: PacingSettings { flights_max: self.concurrency, items_max: 1, bytes_max: u32::MAX },
            attempts_max: (self.attempts_max > 0).then_some(self.attempts_max),
            ..SinkSettings::default()
        }
    }
}

fn refused(key: &str, value: &str, allowed: &str) -> SettingError {
    SettingError { key: key.into(), value: value.into(), allowed: allowed.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_fine() {
        HttpSettings::default().check().unwrap();
    }

    #[test]
    fn what_can_not_be_is_named() {
        let why = |change: fn(&mut HttpSettings)| {
            let mut settings = HttpSettings::default();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(why(|settings| settings.url = "provider:80".into()).starts_with("url = "));
        assert!(why(|settings| settings.url = "http://a/?x".into()).contains("must be a URL"));
        assert!(!why(|settings| settings.url = "http://u:geheim@a".into()).contains("geheim"));
        assert!(why(|settings| settings.bearer_token = Some(Secret::new("a\nb"))).contains("***"));
        assert!(why(|settings| settings.idempotency_header = "a: b".into()).contains("name of a header"));
        assert!(why(|settings| settings.concurrency = 0).contains("between 1 and 1024"));
    }

    #[test]
    fn paths_stand_below_the_url() {
        let base = |url: &str| HttpSettings { url: url.into(), ..HttpSettings::default() }.base().unwrap();
        assert_eq!(base("http://a:1"), "http://a:1");
        assert_eq!(base("http://a:1/v1/"), "http://a:1/v1");
    }
}

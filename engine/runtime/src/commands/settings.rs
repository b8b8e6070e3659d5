//! The section `[commands]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use thalweg_connectors::kafka::secret::Secret;

use super::token::{SECRET_BYTES_MIN, TokenError, TokenKey};
use crate::settings::SettingError;

/// How commands are taken and answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandSettings {
    /// Where requests are taken: `ADDRESS:PORT`, port 0 for any free one.
    pub listen: String,
    /// What bearer tokens are signed with (HMAC-SHA256): at least 32 bytes, the same for all instances.
    pub token_secret: Option<Secret>,
    /// How long a request waits for the flow's answer before it gets a 504.
    pub answer_deadline_ms: u64,
    /// How long a client may take to send a request's head, its body, or to take an answer.
    pub client_timeout_ms: u64,
    /// Bytes of a request's body at most.
    pub body_bytes_max: u32,
    /// Commands that may wait for their answers at the same time; more get a 503.
    pub waiting_max: u32,
    /// Connections at the same time; more wait to be accepted.
    pub connections_max: u32,
    /// The topic of replies. Made when missing.
    pub replies_topic: String,
    /// Partitions that the topic of replies gets when it is made. Each instance reads one of them.
    pub replies_partitions: u32,
    /// How long the reply to a command with an idempotency key is remembered.
    pub remember_ms: u64,
}

impl Default for CommandSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            token_secret: None,
            answer_deadline_ms: 10_000,
            client_timeout_ms: 10_000,
            body_bytes_max: 8 << 10,
            waiting_max: 2_000,
            connections_max: 2_500,
            replies_topic: "command-replies".to_owned(),
            replies_partitions: 12,
            remember_ms: 24 * 3_600 * 1_000,
        }
    }
}

impl CommandSettings {
    /// Checks what types don't; keys are named below `section`.
    pub(super) fn check(&self, section: &str) -> Result<(), SettingError> {
        let within = |key: &str, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(SettingError::new(&format!("{section}.{key}"), value, format!("must be from {min} to {max}")))
        };
        const HOUR_MS: u64 = 3_600_000;
        // Below a second the Kafka client can't tell a command that was not written from one that may have been.
        within("answer_deadline_ms", self.answer_deadline_ms, 1_000, HOUR_MS)?;
        within("client_timeout_ms", self.client_timeout_ms, 100, HOUR_MS)?;
        // What is left of a record's megabyte is for the key and headers.
        within("body_bytes_max", self.body_bytes_max.into(), 1, 900_000)?;
        within("waiting_max", self.waiting_max.into(), 1, 100_000)?;
        within("connections_max", self.connections_max.into(), 1, 100_000)?;
        within("replies_partitions", self.replies_partitions.into(), 1, 10_000)?;
        within("remember_ms", self.remember_ms, 0, 366 * 24 * HOUR_MS)?;
        if self.address().is_none() {
            let (key, allowed) = (format!("{section}.listen"), "must be ADDRESS:PORT, as in 127.0.0.1:8080");
            return Err(SettingError::new(&key, format!("{:?}", self.listen), allowed));
        }
        if self.replies_topic.is_empty() {
            let key = format!("{section}.replies_topic");
            return Err(SettingError::new(&key, "\"\"", "must be the name of a topic"));
        }
        self.token_key().map(|_| ()).map_err(|_| {
            let allowed = format!(
                "must be set to at least {SECRET_BYTES_MIN} bytes that nobody can guess, as `openssl rand -hex 32` \
                 makes them; the same for all instances"
            );
            SettingError::new(&format!("{section}.token_secret"), "", allowed)
        })
    }

    /// Where requests are taken; `None`: it is no address.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// What tokens are signed with.
    pub(super) fn token_key(&self) -> Result<TokenKey, TokenError> {
        TokenKey::new(self.token_secret.as_ref().unwrap_or(&Secret::new("")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn good() -> CommandSettings {
        CommandSettings { token_secret: Some(Secret::new(SECRET)), ..CommandSettings::default() }
    }

    #[test]
    fn what_can_not_be_is_named_and_secrets_are_not_shown() {
        assert_eq!(good().check("commands"), Ok(()));
        let short = Some(Secret::new(&SECRET[1..]));
        let refused = [
            (CommandSettings { listen: "localhost:80".to_owned(), ..good() }, "commands.listen"),
            (CommandSettings { token_secret: None, ..good() }, "commands.token_secret"),
            (CommandSettings { token_secret: short, ..good() }, "commands.token_secret"),
            (CommandSettings { answer_deadline_ms: 999, ..good() }, "commands.answer_deadline_ms"),
            (CommandSettings { client_timeout_ms: 99, ..good() }, "commands.client_timeout_ms"),
            (CommandSettings { body_bytes_max: 0, ..good() }, "commands.body_bytes_max"),
            (CommandSettings { waiting_max: 0, ..good() }, "commands.waiting_max"),
            (CommandSettings { connections_max: 0, ..good() }, "commands.connections_max"),
            (CommandSettings { replies_topic: String::new(), ..good() }, "commands.replies_topic"),
            (CommandSettings { replies_partitions: 0, ..good() }, "commands.replies_partitions"),
            (CommandSettings { remember_ms: u64::MAX, ..good() }, "commands.remember_ms"),
        ];
        for (settings, key) in refused {
            let said = settings.check("commands").unwrap_err().to_string();
            assert!(said.starts_with(key) && said.contains("must be"), "{said}");
            assert!(!said.contains(&SECRET[1..]), "{said}");
        }
        assert!(!format!("{:?}", good()).contains(SECRET));
    }
}

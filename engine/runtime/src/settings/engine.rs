//! The `[engine]` section, which every pipeline has.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::error::{SettingError, within};

const HOUR_MS: u64 = 3_600_000;

/// No admin page.
const OFF: &str = "off";

/// How the engine runs a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Workers: each is a thread and a member of the group.
    pub workers: u16,
    /// Bytes for the whole process. What is left of it beside the program, what is read ahead and what sinks remember
    /// is for records whose outcome is open.
    pub memory_bytes: u64,
    /// Records whose outcome may be open, for each worker.
    pub open_records_max: u32,
    /// Time between commits.
    pub commit_interval_ms: u64,
    /// How long what is in the air of a revoked partition is waited for.
    pub revoke_deadline_ms: u64,
    /// How long a stop waits for what was read.
    pub stop_deadline_ms: u64,
    /// Go on from the oldest record there is when retention removed records that were not read yet.
    pub accept_lost_offsets: bool,
    /// Time between two looks at whether the topic is still the one the flow began with.
    pub topic_check_interval_ms: u64,
    /// Where the admin page listens: `HOST:PORT` with a numeric host, port 0 for any free one, or `off`.
    pub admin_listen: String,
    /// Whether the live page shows what records say: the values of dead letters, and, where it listens beyond this
    /// machine, what a search finds.
    pub show_payloads: bool,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or directives as in
    /// `info,thalweg=debug`.
    pub log_level: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            workers: 1,
            memory_bytes: 256 << 20,
            open_records_max: 100_000,
            commit_interval_ms: 1_000,
            revoke_deadline_ms: 20_000,
            stop_deadline_ms: 30_000,
            accept_lost_offsets: false,
            topic_check_interval_ms: 30_000,
            admin_listen: "127.0.0.1:9600".to_owned(),
            show_payloads: false,
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

impl EngineSettings {
    /// Where the admin page listens; `None`: nowhere.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_listen.parse().ok()
    }

    /// Checks what a flow may have for itself; keys are named below `section`.
    pub(crate) fn check_flow(&self, section: &str) -> Result<(), SettingError> {
        let within = |key: &str, value, min, max| within(&format!("{section}.{key}"), value, min, max);
        within("workers", self.workers.into(), 1, 256)?;
        within("open_records_max", self.open_records_max.into(), 1, 10_000_000)?;
        within("commit_interval_ms", self.commit_interval_ms, 10, HOUR_MS)?;
        within("revoke_deadline_ms", self.revoke_deadline_ms, 0, HOUR_MS)
    }

    /// Checks what types don't; keys are named below `engine`.
    ///
    /// # Errors
    /// The first value that can't be.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_flow("engine")?;
        // Below a few megabytes a worker could not admit one record of the largest size.
        let memory_bytes_min = u64::from(self.workers) * (16 << 20);
        within("engine.memory_bytes", self.memory_bytes, memory_bytes_min, 1 << 40)?;
        within("engine.stop_deadline_ms", self.stop_deadline_ms, 0, HOUR_MS)?;
        within("engine.topic_check_interval_ms", self.topic_check_interval_ms, 1_000, 24 * HOUR_MS)?;
        if self.admin_listen != OFF && self.admin_address().is_none() {
            let allowed = "must be ADDRESS:PORT, as in 127.0.0.1:9600, or off";
            return Err(SettingError::new(
                "engine.admin_listen",
                format!("{:?}", self.admin_listen),
                allowed,
            ));
        }
        tracing_subscriber::EnvFilter::try_new(&self.log_level).map(|_| ()).map_err(|error| {
            let allowed = format!("must be error, warn, info, debug, trace, or directives ({error})");
            SettingError::new("engine.log_level", format!("{:?}", self.log_level), allowed)
        })
    }
}

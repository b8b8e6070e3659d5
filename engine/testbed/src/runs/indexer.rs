//! How `message-indexer` is started.

use std::path::PathBuf;
use std::time::Duration;

use thalweg_testbed::TestbedError;

use super::ground::{Ground, Scene};
use super::program::Program;
use super::programs::Programs;

/// What the budget is set to.
pub(crate) const MEMORY_BYTES: u64 = 256 << 20;
/// How long the group waits for a silent member; what our brokers are set to for the consumer protocol.
pub(crate) const SESSION_MS: u64 = 6_000;
/// No blow is planned so close to the end of the load: one waits until three instances are up, which takes those struck
/// before up to a session and a restart, and then it must still find records in flight.
pub(crate) const CALM_AT_THE_END: Duration = Duration::from_millis(2 * SESSION_MS);
/// A third of the session, as is usual.
const HEARTBEAT_MS: u64 = 2_000;

/// What all instances of a group share.
pub(crate) struct Indexer<'r> {
    programs: &'r Programs,
    folder: PathBuf,
    settings: Vec<String>,
}

impl<'r> Indexer<'r> {
    /// Instances that index the scene's topic through Elasticsearch at `elasticsearch`.
    pub(crate) fn new(
        programs: &'r Programs,
        ground: &Ground,
        scene: &Scene,
        elasticsearch: &str,
        protocol: &str,
    ) -> Self {
        let mut settings = vec![
            format!("kafka.brokers={}", ground.kafka),
            format!("kafka.group.id={}", scene.group),
            format!("kafka.group.protocol={protocol}"),
            format!("source.topic={}", scene.topic),
            format!("elasticsearch.nodes=[\"{elasticsearch}\"]"),
            format!("elasticsearch.alias={}", scene.alias),
            format!("engine.memory_bytes={MEMORY_BYTES}"),
        ];
        if protocol == "classic" {
            settings.push(format!("kafka.group.session_timeout_ms={SESSION_MS}"));
            settings.push(format!("kafka.group.heartbeat_interval_ms={HEARTBEAT_MS}"));
        }
        Self { programs, folder: ground.folder.clone(), settings }
    }

    /// Starts the instance of that name, with its admin page at `port`. Its log goes on where it ended.
    pub(crate) fn start(&self, name: &str, port: u16) -> Result<Program, TestbedError> {
        let mut command = self.programs.command("message-indexer");
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.args(["--set", &format!("kafka.group.instance_id={name}")]);
        command.args(["--set", &format!("engine.admin_listen=127.0.0.1:{port}")]);
        Program::start(name, command, &self.folder)
    }
}

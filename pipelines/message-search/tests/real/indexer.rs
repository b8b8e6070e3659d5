//! The binary, started as a user does.

use std::process::Command;
use std::time::Duration;

use thalweg_testbed::instance::{self, Ended, Instance};
use thalweg_testbed::servers;

use crate::scene::Scene;

/// The bare command, with an environment that sets nothing.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = instance::command(env!("CARGO_BIN_EXE_message-indexer"));
    command.args(args);
    command
}

/// On the scene's topic, group and alias; `more` are further arguments.
pub(crate) fn start(scene: &Scene, more: &[&str]) -> Instance {
    let name = &scene.name;
    let settings = [
        format!("kafka.brokers={}", servers::kafka()),
        format!("source.topic={name}"),
        format!("kafka.group.id={name}"),
        format!("elasticsearch.nodes=[\"{}\"]", servers::elasticsearch()),
        format!("elasticsearch.alias={name}"),
        "elasticsearch.replicas=0".to_owned(),
        "engine.admin_listen=127.0.0.1:0".to_owned(),
        "engine.commit_interval_ms=100".to_owned(),
    ];
    let mut args: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    args.extend(more);
    Instance::start(command(&args), scene.files())
}

/// Runs a command to its end, which must come soon.
pub(crate) fn end_of(command: Command, limit: Duration) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    Instance::start(command, folder.path().join("indexer")).wait_end_within(limit)
}

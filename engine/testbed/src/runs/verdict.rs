//! What `verify` says.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use thalweg_testbed::TestbedError;

use super::ground::{Ground, Scene};
use super::program::Program;
use super::programs::Programs;

/// Two million records take it half a minute.
const LIMIT: Duration = Duration::from_secs(900);

/// The verifier's report.
#[derive(Debug, Clone)]
pub(crate) struct Verdict(Value);

impl Verdict {
    /// Runs `verify` against the topic, the real index and the dead letters.
    pub(crate) fn of(
        programs: &Programs,
        ground: &Ground,
        scene: &Scene,
        acked: &Path,
    ) -> Result<Self, TestbedError> {
        let mut command = programs.command("verify");
        command.args(["--brokers", &ground.kafka, "--topic", &scene.topic, "--alias", &scene.alias]);
        command.args(["--elasticsearch", &ground.elasticsearch, "--report", "json", "--acked"]).arg(acked);
        let mut program = Program::start("verify", command, &ground.folder)?;
        program.wait(LIMIT)?;
        let verdict = Self(program.report()?);
        if !verdict.ok() {
            eprintln!("{}", program.complain("found differences"));
        }
        Ok(verdict)
    }

    /// Whether all is as it must be.
    pub(crate) fn ok(&self) -> bool {
        self.0["ok"] == Value::Bool(true)
    }

    /// A count of the report; what it lacks (or could not check) counts as nothing.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_default()
    }

    /// The whole report.
    pub(crate) fn into_json(self) -> Value {
        self.0
    }
}

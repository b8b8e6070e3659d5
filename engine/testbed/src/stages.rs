//! What `cargo testbed` runs against the servers, in order. Append to [`STAGES`].

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use thalweg_testbed::process::POLL_INTERVAL;
use thalweg_testbed::servers::Addresses;
use thalweg_testbed::{TestbedError, machine};

use crate::interrupt;
use crate::shared::{self, Server};

/// One command that must succeed while the servers run.
struct Stage {
    /// What it is called in the output.
    name: &'static str,
    /// The command, run in the workspace's root with the servers' addresses in the environment.
    command: &'static [&'static str],
    /// When it counts as hung: three times what it takes on 2 cores.
    minutes_max: u64,
}

/// A long run's miniature, with the programs as the tests built them: checks that are debug assertions are on.
macro_rules! miniature {
    ($run:literal, $protocol:literal) => {
        [
            "cargo",
            "testbed",
            $run,
            "--miniature",
            "--servers",
            "shared",
            "--profile",
            "dev",
            "--protocol",
            $protocol,
        ]
    };
}

/// What the default build leaves out. A stage of its own, last: it builds OpenSSL.
const TLS: [&str; 8] =
    ["cargo", "test", "--package", "message-search", "--features", "tls", "--test", "secured_servers"];

/// A test that fails hides no other: whoever reads the log wants all of them.
const ALL_TESTS: [&str; 4] = ["cargo", "test", "--workspace", "--no-fail-fast"];

/// The stages. The first that fails ends the run.
const STAGES: &[Stage] = &[
    Stage { name: "build", command: &["cargo", "test", "--workspace", "--no-run"], minutes_max: 30 },
    Stage { name: "tests", command: &ALL_TESTS, minutes_max: 35 },
    Stage { name: "crash run", command: &miniature!("crash-run", "classic"), minutes_max: 6 },
    Stage { name: "crash run, KIP-848", command: &miniature!("crash-run", "consumer"), minutes_max: 6 },
    Stage { name: "copy run", command: &miniature!("copy-run", "classic"), minutes_max: 6 },
    Stage { name: "copy run, KIP-848", command: &miniature!("copy-run", "consumer"), minutes_max: 6 },
    Stage { name: "breaker run", command: &miniature!("breaker-run", "classic"), minutes_max: 6 },
    Stage { name: "tls", command: &TLS, minutes_max: 25 },
];

/// How long a stage has to end after it was asked to, before it is killed.
const STAGE_GRACE: Duration = Duration::from_secs(15);

/// Prepares the machine, starts what is not named in the environment, runs all stages, stops what it started.
/// False: a stage failed or somebody interrupted.
pub(crate) fn run_all() -> Result<bool, TestbedError> {
    let caught = interrupt::catch();
    caught.map_err(|source| TestbedError::File { path: "signal handlers".into(), source })?;
    machine::prepare()?;
    let named = Addresses::from_environment();
    let wanted: Vec<Server> =
        Server::ALL.iter().copied().filter(|server| !server.is_named_in(&named)).collect();
    let started = shared::start_fresh(&wanted)?;
    let addresses = with_running(named)?;
    let passed = STAGES.iter().all(|stage| stage.passes(&addresses));
    drop(started);
    if passed {
        eprintln!("cargo testbed: all {} stages passed", STAGES.len());
    }
    Ok(passed)
}

/// What the environment names, completed with what runs here.
fn with_running(named: Addresses) -> Result<Addresses, TestbedError> {
    let running = Addresses::running()?;
    let mut addresses = named;
    if addresses.kafka.is_none() {
        addresses.kafka = running.kafka;
        addresses.kafka_proxied = running.kafka_proxied;
        addresses.kafka_proxy_target = running.kafka_proxy_target;
    }
    addresses.elasticsearch = addresses.elasticsearch.or(running.elasticsearch);
    Ok(addresses)
}

impl Stage {
    fn passes(&self, addresses: &Addresses) -> bool {
        if interrupt::interrupted() {
            eprintln!("stage {}: not run, interrupted", self.name);
            return false;
        }
        eprintln!("stage {}: {}", self.name, self.command.join(" "));
        let begin = Instant::now();
        let outcome = self.spawn(addresses).and_then(|child| self.watch(child));
        let seconds = begin.elapsed().as_secs();
        match outcome {
            Ok(Some(status)) if status.success() => {
                eprintln!("stage {}: passed in {seconds} s", self.name);
                true
            }
            Ok(Some(status)) => {
                eprintln!("stage {}: FAILED after {seconds} s ({status})", self.name);
                false
            }
            Ok(None) => {
                eprintln!(
                    "stage {}: FAILED, ended by us after {seconds} s (interrupted or over its time)",
                    self.name
                );
                false
            }
            Err(error) => {
                eprintln!("stage {}: FAILED, could not be run: {error}", self.name);
                false
            }
        }
    }

    fn spawn(&self, addresses: &Addresses) -> std::io::Result<Child> {
        let (program, arguments) = self.command.split_first().unwrap_or((&"true", &[]));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(workspace_root()).envs(addresses.variables());
        // What `cargo run` set for us is not true of the stage's own cargo.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        // A group of its own, so that all it started can be ended with it.
        command.stdin(Stdio::null()).process_group(0).spawn()
    }

    /// The exit status, or `None` when we ended it.
    fn watch(&self, mut child: Child) -> std::io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + Duration::from_secs(self.minutes_max * 60);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if interrupt::interrupted() || Instant::now() >= deadline {
                end(&mut child)?;
                return Ok(None);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

fn end(child: &mut Child) -> std::io::Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |signal| {
        // It fails only when the group is gone already.
        let _ = group.map(|group| kill_process_group(group, signal));
    };
    signal(Signal::INT);
    let deadline = Instant::now() + STAGE_GRACE;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            signal(Signal::KILL);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    signal(Signal::KILL);
    Ok(())
}

pub(crate) fn workspace_root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

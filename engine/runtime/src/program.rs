//! A pipeline binary: command line, settings, start, run, exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thalweg_core::operator::Operator;

use crate::drive::Plan;
use crate::exit::ExitError;
use crate::flow::{Flow, Log};
use crate::settings::{self, EngineSettings, Layers, Variable};
use crate::{clock, logs, startup, supervise};

/// The settings of a pipeline: a struct with a default for everything, one section of which is the engine's.
pub trait Settings: Serialize + DeserializeOwned + Default {
    /// The section `[engine]`.
    fn engine(&self) -> &EngineSettings;
}

/// A pipeline binary.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// The binary's name.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Environment variables that the system's documents name, beside those of every Thalweg binary.
    pub variables: &'static [Variable],
}

impl Program {
    /// Runs the flow that `make` makes of the settings, as the command line says.
    pub fn run<S: Settings, O: Operator + 'static>(self, make: fn(&S) -> Flow<O>) -> ExitCode {
        let matches = self.command().get_matches();
        match self.obey(&matches, make) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let name = self.name;
                complain(&format!("{name}: {error}"));
                if let ExitError::Settings(_) = error {
                    complain(&format!("{name}: see `{name} --help` and `{name} --print-settings`"));
                }
                ExitCode::from(&error)
            }
        }
    }

    fn obey<S: Settings, O: Operator + 'static>(
        self,
        matches: &ArgMatches,
        make: fn(&S) -> Flow<O>,
    ) -> Result<(), ExitError> {
        let file = matches.get_one::<PathBuf>("settings");
        let flags: Vec<String> = matches.get_many("set").into_iter().flatten().cloned().collect();
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let layers = Layers::gather(file.map(PathBuf::as_path), self.variables, environment, &flags)?;
        let settings: S = layers.read()?;
        let explain = |error| layers.explain(error);
        settings.engine().check().map_err(explain)?;
        let flow = make(&settings);
        startup::check(&flow).map_err(explain)?;
        if matches.get_flag("print-settings") {
            say(&settings::print(&settings, &layers)?);
            return Ok(());
        }
        logs::begin(settings.engine());
        start(flow, settings.engine().clone(), matches.get_flag("check"))
    }
}

/// Looks at everything outside, and runs the flow unless it is `only_checked`.
fn start<O: Operator + 'static>(
    flow: Flow<O>,
    engine: EngineSettings,
    only_checked: bool,
) -> Result<(), ExitError> {
    let started_ms = clock::now().uptime_ms;
    let log = startup::look_at_log(&flow)?;
    let dead_letter_topic = startup::ensure_dead_letter_topic(&flow, &log)?;
    let plan = Plan { flow, engine, dead_letter_topic, started_ms };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ExitError::failed)?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        startup::prepare_sinks(&plan.flow, &log).await?;
        if !only_checked {
            return supervise::supervise(plan, log).await;
        }
        let sinks: Vec<_> = plan.flow.sinks.plans.iter().map(|(name, _)| *name).collect();
        say(&format!(
            "ok: topic {} with {} partitions, dead letters {}, sinks {}\n",
            log.topic,
            log.partitions,
            plan.dead_letter_topic,
            sinks.join(", ")
        ));
        Ok(())
    })
}

impl Program {
    fn command(self) -> Command {
        Command::new(self.name)
            .about(self.about)
            .arg(
                Arg::new("settings")
                    .long("settings")
                    .value_name("FILE")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("Reads settings from this TOML file"),
            )
            .arg(
                Arg::new("set").long("set").value_name("KEY=VALUE").action(ArgAction::Append).help(
                    "Sets one key, as in --set kafka.brokers=broker:9092; wins over environment and file",
                ),
            )
            .arg(Arg::new("print-settings").long("print-settings").action(ArgAction::SetTrue).help(
                "Prints the settings in force and where each comes from, secrets hidden; connects nowhere",
            ))
            .arg(
                Arg::new("check").long("check").action(ArgAction::SetTrue).help(
                    "Checks settings, connects, checks topics and sinks, makes what is missing, and exits",
                ),
            )
    }
}

#[expect(clippy::print_stdout, reason = "the answer to a question")]
fn say(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "the last word of a program that fails, whatever is logged")]
fn complain(text: &str) {
    eprintln!("{text}");
}

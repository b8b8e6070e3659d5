//! A pipeline binary: command line, settings, start, run, exit code.

use std::process::ExitCode;

use clap::ArgMatches;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::demo::Tryout;
use crate::exit::ExitError;
use crate::flow::{self, Flows};
use crate::job::Job;
use crate::settings::{self, EngineSettings, Layers, Variable};
use crate::terminal::say;
use crate::tryout::{Options, Stage};
use crate::{command_line, logs, memory, startup};

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
    /// Runs the flow or the flows that `make` makes of the settings, as the command line says.
    pub fn run<S: Settings, F: Into<Flows>>(self, make: fn(&S) -> F) -> ExitCode {
        let matches = command_line::of(&self).get_matches();
        self.exit(self.obey(&matches, make, None))
    }

    /// As [`Program::run`]; with `--embedded`, on systems of its own in this process, and with `--demo` with somebody who
    /// uses them.
    pub fn run_or_try<S: Settings, F: Into<Flows>>(self, make: fn(&S) -> F, tryout: Tryout<S>) -> ExitCode {
        let command = command_line::with_tryout(command_line::of(&self), self.name, &tryout.words);
        let matches = command.get_matches();
        let options = command_line::tryout(&matches, &tryout.words);
        self.exit(self.obey(&matches, make, options.map(|options| (options, tryout))))
    }

    fn exit(self, done: Result<(), ExitError>) -> ExitCode {
        match done {
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

    fn obey<S: Settings, F: Into<Flows>>(
        self,
        matches: &ArgMatches,
        make: fn(&S) -> F,
        tryout: Option<(Options, Tryout<S>)>,
    ) -> Result<(), ExitError> {
        let (file, mut flags) = command_line::given(matches);
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let environment: Vec<_> = environment.collect();
        let presets = match &tryout {
            Some((Options { demo: true, .. }, tryout)) => (tryout.presets)().map_err(ExitError::Failed)?,
            _ => Vec::new(),
        };
        let gather = |flags: &[String]| {
            Layers::gather(file, self.variables, environment.iter().cloned(), flags)?.over(&presets)
        };
        let mut layers = gather(&flags)?;
        let mut settings: S = layers.read()?;
        let mut stage = None;
        if let Some((_, Tryout { settings: of_systems, needs_index, .. })) = &tryout {
            // The flows' own settings say which topics they need; where they reach them is said by the systems.
            let set = Stage::set(&make(&settings).into().0, *needs_index)?;
            flags.extend(of_systems(&set.addresses()).map_err(ExitError::Failed)?);
            layers = gather(&flags)?;
            settings = layers.read()?;
            stage = Some(set);
        }
        let explain = |error| layers.explain(error);
        settings.engine().check().map_err(explain)?;
        let Flows(flows) = make(&settings).into();
        flow::check(&flows, settings.engine()).map_err(explain)?;
        flows.iter().try_for_each(startup::check).map_err(explain)?;
        memory::check(&flows, settings.engine()).map_err(explain)?;
        if matches.get_flag("print-settings") {
            say(&settings::print(&settings, &layers)?);
            return Ok(());
        }
        logs::begin(settings.engine());
        if let Some(stage) = &stage {
            stage.announce();
        }
        let job = match (matches.subcommand_name(), matches.get_flag("check")) {
            (Some(_), _) => Job::RaiseGeneration,
            (None, true) => Job::Check,
            (None, false) => Job::Run,
        };
        if let (Some(stage), Some((options, tryout))) = (&mut stage, tryout) {
            stage.rehearse(&flows, options, |place| (tryout.demo)(&settings, place))?;
        }
        job.begin(flows, settings.engine(), command_line::shown(matches), stage)
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program that fails, whatever is logged")]
fn complain(text: &str) {
    eprintln!("{text}");
}

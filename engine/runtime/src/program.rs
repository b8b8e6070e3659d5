//! A pipeline binary: command line, settings, start, run, exit code.

use std::process::ExitCode;
use std::sync::Arc;

use clap::ArgMatches;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command_line::Shown;
use crate::demo::Tryout;
use crate::drive::Plan;
use crate::exit::ExitError;
use crate::flow::{Flow, Log};
use crate::letters::LetterCounts;
use crate::page::latest_letters::LatestLetters;
use crate::raise_generation::{self, Step};
use crate::settings::{self, EngineSettings, Layers, Variable};
use crate::tryout::{Options, Stage};
use crate::{clock, command_line, logs, memory, startup, supervise};

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
    pub fn run<S: Settings>(self, make: fn(&S) -> Flow) -> ExitCode {
        let matches = command_line::of(&self).get_matches();
        self.exit(self.obey(&matches, make, None))
    }

    /// As [`Program::run`]; with `--embedded`, on systems of its own in this process.
    pub fn run_or_try<S: Settings>(self, make: fn(&S) -> Flow, tryout: Tryout<S>) -> ExitCode {
        let matches = command_line::with_tryout(command_line::of(&self), self.name).get_matches();
        self.exit(self.obey(&matches, make, command_line::tryout(&matches).map(|options| (options, tryout))))
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

    fn obey<S: Settings>(
        self,
        matches: &ArgMatches,
        make: fn(&S) -> Flow,
        tryout: Option<(Options, Tryout<S>)>,
    ) -> Result<(), ExitError> {
        let (file, mut flags) = command_line::given(matches);
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let environment: Vec<_> = environment.collect();
        let mut layers = Layers::gather(file, self.variables, environment.clone().into_iter(), &flags)?;
        let mut settings: S = layers.read()?;
        let mut stage = None;
        if let Some((_, Tryout { settings: of_systems, .. })) = &tryout {
            // The flow's own settings say which topics it needs; where it reaches them is said by the systems.
            let set = Stage::set(&make(&settings))?;
            flags.extend(of_systems(&set.addresses()));
            layers = Layers::gather(file, self.variables, environment.into_iter(), &flags)?;
            settings = layers.read()?;
            stage = Some(set);
        }
        let explain = |error| layers.explain(error);
        settings.engine().check().map_err(explain)?;
        let flow = make(&settings);
        startup::check(&flow).map_err(explain)?;
        memory::check(&flow, settings.engine()).map_err(explain)?;
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
            stage.rehearse(&flow, options, |place| (tryout.demo)(&settings, place))?;
        }
        start(flow, settings.engine().clone(), job, (command_line::shown(matches), stage))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Run,
    Check,
    RaiseGeneration,
}

/// Looks at everything outside, then does the job.
fn start(
    flow: Flow,
    engine: EngineSettings,
    job: Job,
    (shown, stage): (Shown, Option<Stage>),
) -> Result<(), ExitError> {
    let started_ms = clock::now().uptime_ms;
    let topics = Arc::new(startup::connect(&flow)?);
    let log = startup::look_at_log(&topics, &flow.source.topic)?;
    let changelog = flow.work.prepare(&flow, &topics, &log)?;
    let dead_letter_topic = startup::ensure_dead_letter_topic(&flow, &topics, &log)?;
    let (letters, latest_letters) = (LetterCounts::default(), LatestLetters::new(engine.show_payloads));
    let plan = Plan {
        flow,
        engine,
        topics,
        log,
        changelog,
        dead_letter_topic,
        started_ms,
        only_old: None,
        letters,
        latest_letters,
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ExitError::failed)?;
    let done = tokio::task::LocalSet::new().block_on(&runtime, async {
        if job == Job::RaiseGeneration {
            return raise_generation(plan).await;
        }
        startup::prepare_sinks(&plan.flow, &plan.log).await?;
        if job == Job::Run {
            return supervise::supervise(Arc::new(plan), shown, stage).await;
        }
        let sinks: Vec<_> = plan.flow.sinks.plans.iter().map(|(name, _)| *name).collect();
        let Log { topic, partitions, .. } = &plan.log;
        let (letters, sinks) = (&plan.dead_letter_topic, sinks.join(", "));
        say(&format!(
            "ok: topic {topic} with {partitions} partitions, dead letters {letters}, sinks {sinks}\n"
        ));
        Ok(())
    });
    // Questions to brokers that are still out must not hold up the end.
    runtime.shutdown_background();
    done
}

async fn raise_generation(mut plan: Plan) -> Result<(), ExitError> {
    let log = plan.log.clone();
    let Step::Drain { before, partitions } = raise_generation::plan(&plan.flow, &log).await? else {
        say("nothing to do: the sinks were written from the topic as it is\n");
        return Ok(());
    };
    startup::prepare_sinks(&plan.flow, &before).await?;
    plan.only_old = Some(partitions);
    // A second member would wait for partitions of the first.
    plan.engine.workers = 1;
    let plan = Arc::new(plan);
    supervise::drain_old(Arc::clone(&plan)).await?;
    raise_generation::begin_again(&plan.topics, &log, partitions).await?;
    say(&raise_generation::raise(&plan.flow, &log).await?);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer to a question")]
fn say(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "the last word of a program that fails, whatever is logged")]
fn complain(text: &str) {
    eprintln!("{text}");
}

//! What a program was started for: looks at everything outside, then does it.

use std::sync::Arc;

use crate::command_line::Shown;
use crate::drive::Plan;
use crate::exit::ExitError;
use crate::flow::{self, Flow, Log};
use crate::letters::LetterCounts;
use crate::memory::MemoryShares;
use crate::page::latest_letters::LatestLetters;
use crate::raise_generation::{self, Step};
use crate::settings::EngineSettings;
use crate::terminal::say;
use crate::tryout::Stage;
use crate::{clock, commands, startup, supervise};

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Run,
    Check,
    RaiseGeneration,
}

impl Job {
    /// Does it with these flows.
    ///
    /// # Errors
    /// When a flow can't run, or has failed.
    pub(crate) fn begin(
        self,
        flows: Vec<Flow>,
        engine: &EngineSettings,
        shown: Shown,
        stage: Option<Stage>,
    ) -> Result<(), ExitError> {
        let plans = plans(flows, engine)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ExitError::failed)?;
        let done = tokio::task::LocalSet::new().block_on(&runtime, async {
            if self == Self::RaiseGeneration {
                return raise_generation(plans).await;
            }
            for plan in &plans {
                startup::prepare_sinks(&plan.flow, &plan.log).await?;
            }
            if self == Self::Run {
                let plans = plans.into_iter().map(Arc::new).collect();
                return supervise::supervise(plans, engine, shown, stage).await;
            }
            plans.iter().for_each(|plan| say(&in_order(plan)));
            Ok(())
        });
        // Questions to brokers that are still out must not hold up the end.
        runtime.shutdown_background();
        done
    }
}

/// Looks at the topics of all flows, and makes what is missing. Blocks.
fn plans(flows: Vec<Flow>, engine: &EngineSettings) -> Result<Vec<Plan>, ExitError> {
    let (shares, is_alone) = (MemoryShares::of(&flows, engine), flows.len() == 1);
    flows.into_iter().map(|flow| plan(flow, engine, shares, is_alone)).collect()
}

fn plan(
    flow: Flow,
    engine: &EngineSettings,
    shares: MemoryShares,
    is_alone: bool,
) -> Result<Plan, ExitError> {
    let started_ms = clock::now().uptime_ms;
    let topics = Arc::new(startup::connect(&flow)?);
    flow::make_missing(&flow, &topics)?;
    let log = startup::look_at_log(&topics, &flow.source.topic)?;
    if let Some(commands) = &flow.commands {
        commands::prepare(commands, &topics, &log)?;
    }
    let changelog = flow.work.prepare(&flow, &topics, &log)?;
    let dead_letter_topic = startup::ensure_dead_letter_topic(&flow, &topics, &log)?;
    Ok(Plan {
        engine: flow.own.settings.over(engine),
        memory: shares.plan(&flow, log.partitions),
        is_alone,
        flow,
        topics,
        log,
        changelog,
        dead_letter_topic,
        started_ms,
        only_old: None,
        letters: LetterCounts::default(),
        latest_letters: LatestLetters::new(engine.show_payloads),
    })
}

/// What `--check` says of a flow.
fn in_order(plan: &Plan) -> String {
    let sinks: Vec<_> = plan.flow.sinks.plans.iter().map(|(name, _)| *name).collect();
    let Log { topic, partitions, .. } = &plan.log;
    let (letters, sinks) = (&plan.dead_letter_topic, sinks.join(", "));
    let flow = if plan.is_alone { String::new() } else { format!("{}: ", plan.flow.name) };
    format!("{flow}ok: topic {topic} with {partitions} partitions, dead letters {letters}, sinks {sinks}\n")
}

/// One flow after the other: each reads what is left of its old log, then lets the new one win.
async fn raise_generation(plans: Vec<Plan>) -> Result<(), ExitError> {
    let mut all_as_it_was = true;
    for mut plan in plans {
        let log = plan.log.clone();
        let Step::Drain { before, partitions } = raise_generation::plan(&plan.flow, &log).await? else {
            continue;
        };
        all_as_it_was = false;
        startup::prepare_sinks(&plan.flow, &before).await?;
        plan.only_old = Some(partitions);
        // A second member would wait for partitions of the first.
        plan.engine.workers = 1;
        let plan = Arc::new(plan);
        supervise::drain_old(Arc::clone(&plan)).await?;
        raise_generation::begin_again(&plan.topics, &log, partitions).await?;
        say(&raise_generation::raise(&plan.flow, &log).await?);
    }
    if all_as_it_was {
        say("nothing to do: the sinks were written from the topic as it is\n");
    }
    Ok(())
}

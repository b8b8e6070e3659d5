//! What a flow says of a sink, and what the runtime needs of it.

use std::any::TypeId;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use thalweg_core::SinkSettings;
use thalweg_core::sink::{Reply, Request, Sink, SinkHandle, SinkMachine};

use super::search::Search;
use crate::exit::ExitError;
use crate::settings::SettingError;

/// Something that is waited for.
pub type Waiting<'w, T> = Pin<Box<dyn Future<Output = T> + 'w>>;

/// The log that a flow reads, as its cluster describes it at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The topic.
    pub topic: String,
    /// Its id: another one when the topic was made anew.
    pub topic_id: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// A sink as a flow declares it: makes both halves of the connector.
///
/// Calls come in this order: `check`, `prepare`, then for each worker `machine` and `connect` on the worker's thread.
pub trait SinkPlan: Send + Sync + 'static {
    /// The pure half.
    type Machine: Sink;

    /// Checks the settings; nothing connects.
    ///
    /// # Errors
    /// The first setting that can't be.
    fn check(&self) -> Result<(), SettingError>;

    /// Looks at the outside system, and makes there what is missing; once per process, and again whenever the topic is
    /// looked at.
    ///
    /// # Errors
    /// When it is not there, or not fit for this flow.
    fn prepare<'w>(&'w self, log: &'w Log) -> Waiting<'w, Result<(), ExitError>>;

    /// The pure half for one worker; `sinks` are all those of the flow.
    fn machine(&self, sinks: &Sinks) -> Self::Machine;

    /// How the sink is driven.
    fn settings(&self) -> SinkSettings {
        SinkSettings::default()
    }

    /// The sink that effects of this one lead to; it must be added to the flow after this one.
    fn follow_up_sink(&self) -> Option<&'static str> {
        None
    }

    /// Bytes that the sink keeps at most for each worker, whether or not there is something to do: they are taken off
    /// the process's memory before records are let in.
    fn kept_bytes(&self) -> u64 {
        0
    }

    /// The I/O half for one worker.
    ///
    /// # Errors
    /// When it can't be made.
    fn connect(&self) -> Result<Rc<dyn Connection>, ExitError>;

    /// The log that the sink was written from so far; `None`: it keeps no such record, or nothing was written yet.
    ///
    /// # Errors
    /// When the outside system can't tell.
    fn recorded_log(&self) -> Waiting<'_, Result<Option<Log>, ExitError>> {
        Box::pin(async { Ok(None) })
    }

    /// The log under the sink was replaced on purpose, and all of the old one is applied: from now on writes of `log`
    /// win over all before. Answers what was done, for people.
    ///
    /// # Errors
    /// When the sink can't be told.
    fn raise_generation<'w>(&'w self, _log: &'w Log) -> Waiting<'w, Result<Option<String>, ExitError>> {
        Box::pin(async { Ok(None) })
    }

    /// What the outside system is called, for people.
    fn system(&self) -> &'static str {
        "The sink"
    }

    /// Finds what the sink has written, for the live page's search box; `None`: it can't be searched.
    ///
    /// # Errors
    /// When it can't be made.
    fn search(&self) -> Result<Option<Arc<dyn Search>>, ExitError> {
        Ok(None)
    }

    /// What has to be done from time to time beside the flow; called about every [`SinkPlan::upkeep_interval_ms`].
    fn upkeep(&self) -> Waiting<'_, ()> {
        Box::pin(async {})
    }

    /// Time between two [`SinkPlan::upkeep`]s; `None`: there is nothing to be done.
    fn upkeep_interval_ms(&self) -> Option<u64> {
        None
    }
}

/// The I/O half of a sink for one worker.
pub trait Connection {
    /// Sends a request and brings its reply.
    fn send(self: Rc<Self>, request: Request) -> Waiting<'static, Reply>;
}

/// [`SinkPlan`] without its type.
pub(crate) trait AnySink: Send + Sync {
    fn machine_type(&self) -> TypeId;
    fn check(&self) -> Result<(), SettingError>;
    fn prepare<'w>(&'w self, log: &'w Log) -> Waiting<'w, Result<(), ExitError>>;
    fn machine(&self, sinks: &Sinks) -> Box<dyn SinkMachine>;
    fn settings(&self) -> SinkSettings;
    fn follow_up_sink(&self) -> Option<&'static str>;
    fn kept_bytes(&self) -> u64;
    fn connect(&self) -> Result<Rc<dyn Connection>, ExitError>;
    fn recorded_log(&self) -> Waiting<'_, Result<Option<Log>, ExitError>>;
    fn raise_generation<'w>(&'w self, log: &'w Log) -> Waiting<'w, Result<Option<String>, ExitError>>;
    fn system(&self) -> &'static str;
    fn search(&self) -> Result<Option<Arc<dyn Search>>, ExitError>;
    fn upkeep(&self) -> Waiting<'_, ()>;
    fn upkeep_interval_ms(&self) -> Option<u64>;
}

impl<P: SinkPlan> AnySink for P {
    fn machine_type(&self) -> TypeId {
        TypeId::of::<P::Machine>()
    }

    fn check(&self) -> Result<(), SettingError> {
        SinkPlan::check(self)
    }

    fn prepare<'w>(&'w self, log: &'w Log) -> Waiting<'w, Result<(), ExitError>> {
        SinkPlan::prepare(self, log)
    }

    fn machine(&self, sinks: &Sinks) -> Box<dyn SinkMachine> {
        Box::new(SinkPlan::machine(self, sinks))
    }

    fn follow_up_sink(&self) -> Option<&'static str> {
        SinkPlan::follow_up_sink(self)
    }

    fn settings(&self) -> SinkSettings {
        SinkPlan::settings(self)
    }

    fn kept_bytes(&self) -> u64 {
        SinkPlan::kept_bytes(self)
    }

    fn connect(&self) -> Result<Rc<dyn Connection>, ExitError> {
        SinkPlan::connect(self)
    }

    fn recorded_log(&self) -> Waiting<'_, Result<Option<Log>, ExitError>> {
        SinkPlan::recorded_log(self)
    }

    fn raise_generation<'w>(&'w self, log: &'w Log) -> Waiting<'w, Result<Option<String>, ExitError>> {
        SinkPlan::raise_generation(self, log)
    }

    fn system(&self) -> &'static str {
        SinkPlan::system(self)
    }

    fn search(&self) -> Result<Option<Arc<dyn Search>>, ExitError> {
        SinkPlan::search(self)
    }

    fn upkeep(&self) -> Waiting<'_, ()> {
        SinkPlan::upkeep(self)
    }

    fn upkeep_interval_ms(&self) -> Option<u64> {
        SinkPlan::upkeep_interval_ms(self)
    }
}

/// The sinks of a flow, as operators find them when they are made.
#[derive(Default, Clone)]
pub struct Sinks {
    pub(crate) plans: Vec<(&'static str, Arc<dyn AnySink>)>,
}

impl Sinks {
    /// The handle of the flow's sink of that name.
    ///
    /// # Panics
    /// When the flow has no sink of that name and type: a mistake in the flow, which shows as soon as it is built.
    #[must_use]
    pub fn find<S: Sink>(&self, name: &str) -> SinkHandle<S> {
        let index = self
            .plans
            .iter()
            .position(|(found, plan)| *found == name && plan.machine_type() == TypeId::of::<S>());
        assert!(index.is_some(), "the flow has no sink {name:?} of that type");
        SinkHandle::new(index.unwrap_or_default() as u8)
    }

    /// Every sink finds those that its effects lead to.
    ///
    /// # Panics
    /// When one does not: a mistake in the flow.
    pub(crate) fn check_follow_ups(&self) {
        for (index, (name, plan)) in self.plans.iter().enumerate() {
            let Some(next) = plan.follow_up_sink() else { continue };
            let after = self.plans[index + 1..].iter().any(|(found, _)| *found == next);
            assert!(
                after,
                "the sink {next:?}, which follows from {name:?}, must be added to the flow after it"
            );
            drop(plan.machine(self));
        }
    }
}

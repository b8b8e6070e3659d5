//! Building a flow, in the order in which it is read.

use std::sync::Arc;

use thalweg_core::operator::{Operator, Output, Step, Then};
use thalweg_core::record::Record;

use super::flows::Own;
use super::missing_topic::MissingTopic;
use super::sink::{SinkPlan, Sinks};
use super::source::{DeadLetters, Dedupe, Source};
use crate::commands::Commands;
use crate::drive::{AtLeastOnce, Work};

/// What a flow promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Every record has its effect at least once, and in the order of its key; a sink that is versioned or idempotent
    /// ends as if exactly once.
    AtLeastOnce,
}

/// A flow that has a name and nothing else.
#[derive(Debug)]
pub struct Named {
    name: &'static str,
}

/// A flow with a source, to which the rest is added.
pub struct FlowBuilder<O> {
    pub(super) name: &'static str,
    pub(super) source: Source,
    pub(super) dedupe: Option<Dedupe>,
    stage: &'static str,
    operators: Arc<dyn Fn(&Sinks) -> O + Send + Sync>,
    sinks: Sinks,
}

/// A flow that only lacks its guarantee.
pub struct AlmostFlow<O> {
    flow: FlowBuilder<O>,
    dead_letters: DeadLetters,
}

/// A complete flow.
pub struct Flow {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    pub(crate) dedupe: Option<Dedupe>,
    /// The last operator.
    pub(crate) stage: &'static str,
    /// Sinks of at-least-once flows.
    pub(crate) sinks: Sinks,
    pub(crate) dead_letters: DeadLetters,
    /// The operators, and how they are driven for what the flow promises.
    pub(crate) work: Arc<dyn Work>,
    /// Requests that become records of the source.
    pub(crate) commands: Option<Commands>,
    /// What is made at the start.
    pub(crate) missing_topics: Vec<MissingTopic>,
    /// What it has for itself where it is not the only flow.
    pub(crate) own: Own,
}

/// The beginning of every chain of operators.
#[derive(Debug, Clone, Copy)]
pub struct Start;

impl Operator for Start {
    #[inline]
    fn process(&mut self, _record: &Record<'_>, _out: &mut Output<'_>) -> Step {
        Step::Forward
    }
}

impl Flow {
    /// Begins a flow. Its name stands in dead letters, metrics and logs.
    #[must_use]
    pub fn named(name: &'static str) -> Named {
        Named { name }
    }

    /// Takes HTTP requests: those that become records of the source's topic, which the flow's operator must answer with
    /// [`crate::commands::Replies`], and those that are answered at once.
    #[must_use]
    pub fn commands(mut self, commands: Commands) -> Self {
        self.commands = Some(commands);
        self
    }
}

impl Named {
    /// Where the records come from.
    #[must_use]
    pub fn source(self, source: Source) -> FlowBuilder<Start> {
        FlowBuilder {
            name: self.name,
            source,
            dedupe: None,
            stage: "operator",
            operators: Arc::new(|_| Start),
            sinks: Sinks::default(),
        }
    }
}

impl<O: Operator + 'static> FlowBuilder<O> {
    /// Drops records whose event was seen before; before anything else looks at them.
    #[must_use]
    pub fn dedupe(mut self, dedupe: Dedupe) -> Self {
        self.dedupe = Some(dedupe);
        self
    }

    /// Adds an operator behind those before. `make` runs once for each worker. The name stands in dead letters.
    #[must_use]
    pub fn operator<P: Operator + 'static>(
        self,
        name: &'static str,
        make: impl Fn(&Sinks) -> P + Send + Sync + 'static,
    ) -> FlowBuilder<Then<O, P>> {
        let before = self.operators;
        FlowBuilder {
            name: self.name,
            source: self.source,
            dedupe: self.dedupe,
            stage: name,
            operators: Arc::new(move |sinks| Then(before(sinks), make(sinks))),
            sinks: self.sinks,
        }
    }

    /// Adds a sink, which operators find by its name.
    #[must_use]
    pub fn sink(mut self, name: &'static str, plan: impl SinkPlan) -> Self {
        self.sinks.plans.push((name, Arc::new(plan)));
        self
    }

    /// Where records go that can't be processed.
    #[must_use]
    pub fn dead_letters(self, dead_letters: DeadLetters) -> AlmostFlow<O> {
        AlmostFlow { flow: self, dead_letters }
    }
}

impl<O: Operator + 'static> AlmostFlow<O> {
    /// What the flow promises.
    ///
    /// # Panics
    /// When an operator asks for a sink that the flow does not have, or a sink leads to one that does not stand after it.
    #[must_use]
    pub fn guarantee(self, guarantee: Guarantee) -> Flow {
        let Self { flow, dead_letters } = self;
        let Guarantee::AtLeastOnce = guarantee;
        // Made once for nothing, so that a sink that an operator misses is missed now.
        drop((flow.operators)(&flow.sinks));
        flow.sinks.check_follow_ups();
        Flow {
            name: flow.name,
            source: flow.source,
            dedupe: flow.dedupe,
            stage: flow.stage,
            sinks: flow.sinks,
            dead_letters,
            work: Arc::new(AtLeastOnce { operators: flow.operators }),
            commands: None,
            missing_topics: Vec::new(),
            own: Own::default(),
        }
    }
}

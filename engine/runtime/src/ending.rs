//! How workers ended, taken together: what the process says of it, and its exit code.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::drive::{Ending, Plan};
use crate::exit::ExitError;
use crate::topic_watch;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Endings {
    /// The first reason of each flow.
    failed: BTreeMap<&'static str, String>,
    /// Flows whose topic got partitions.
    grown: Vec<Arc<Plan>>,
    unclean: bool,
    stuck: Vec<String>,
}

impl Endings {
    /// A worker has ended.
    pub(crate) fn note(&mut self, plan: &Arc<Plan>, ending: Ending) {
        match ending {
            Ending::Failed(reason) => self.fail(plan, reason),
            Ending::TopicGrew => self.grown.push(Arc::clone(plan)),
            Ending::Stopped { clean, stuck } => {
                self.unclean |= !clean;
                self.stuck.extend(stuck.into_iter().map(|what| named(plan, what)));
            }
        }
    }

    /// The flow must not go on.
    pub(crate) fn fail(&mut self, plan: &Plan, reason: String) {
        self.failed.entry(plan.flow.name).or_insert_with(|| named(plan, reason));
    }

    /// A worker did not end.
    pub(crate) fn silent(&mut self) {
        self.stuck.push("a worker does not answer".to_owned());
    }

    /// The worst of all: a flow that must not go on is worse than a drain that was cut short.
    pub(crate) async fn outcome(mut self) -> Result<(), ExitError> {
        for plan in std::mem::take(&mut self.grown) {
            if !self.failed.contains_key(plan.flow.name) {
                self.fail(&plan, topic_watch::grown(&plan).await.to_string());
            }
        }
        if !self.failed.is_empty() {
            let reasons: Vec<_> = self.failed.into_values().collect();
            return Err(ExitError::Failed(reasons.join("\n")));
        }
        if self.unclean || !self.stuck.is_empty() {
            let lines: Vec<_> = self.stuck.iter().map(|line| format!("\n  {line}")).collect();
            return Err(ExitError::Unfinished(format!(
                "the drain did not finish in time; what is left is done again at the next start:{}",
                if lines.is_empty() {
                    "\n  the last commit was not confirmed".to_owned()
                } else {
                    lines.concat()
                }
            )));
        }
        Ok(())
    }
}

/// With the flow's name before it, where there are several.
fn named(plan: &Plan, what: String) -> String {
    if plan.is_alone { what } else { format!("{}: {what}", plan.flow.name) }
}

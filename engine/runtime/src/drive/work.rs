//! What a flow promises decides how it is driven.

use std::pin::Pin;
use std::sync::Arc;

use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_connectors::kafka::topics::Topics;

use super::counted::Counted;
use super::thread::{Ending, Plan};
use super::wake::Wake;
use crate::exit::ExitError;
use crate::flow::{Flow, Log};
use crate::settings::{EngineSettings, SettingError};
use crate::snapshot::Board;
use crate::trial::{Answer, Lasts, TrialRecord, Tried};

/// Which worker it is.
pub(crate) struct Place {
    pub(super) number: u16,
    pub(super) wake: Arc<Wake>,
    pub(super) board: Board,
}

/// How a worker's life ended.
pub(crate) struct Life {
    /// None: another source is to try.
    pub(super) ending: Option<Ending>,
    /// What was counted in this life and those before.
    pub(super) counted: Counted,
    /// To be closed.
    pub(super) source: KafkaSource,
}

/// A worker's life, under way.
pub(crate) type Living<'l> = Pin<Box<dyn Future<Output = Result<Life, ExitError>> + 'l>>;

/// The operators of a flow, and how they are driven.
pub(crate) trait Work: Send + Sync {
    /// Checks settings; nothing connects.
    fn check(&self) -> Result<(), SettingError> {
        Ok(())
    }

    /// Looks at topics beside the source and the dead letters, and makes what is missing; answers the changelog, if there
    /// is one. Blocks.
    fn prepare(&self, _flow: &Flow, _topics: &Topics, _log: &Log) -> Result<Option<Log>, ExitError> {
        Ok(None)
    }

    /// What no other flow of the process may have, beside its group: the setting it comes from, and its value.
    fn claims(&self, _flow: &Flow) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Bytes kept at most for each worker, whether or not there is something to do.
    fn kept_bytes(&self, _engine: &EngineSettings) -> u64 {
        0
    }

    /// Topics that it needs beside the source and the dead letters; the changelog is one.
    fn topics(&self, _flow: &Flow) -> Vec<String> {
        Vec::new()
    }

    /// Where it writes beside the flow's sinks: names, and what the systems behind them are called.
    fn outputs(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// One life of a worker: with one source, from joining the group on. `before` is what was counted in lives before.
    fn live<'l>(&'l self, plan: &'l Plan, place: Place, before: Counted) -> Living<'l>;

    /// Shows a record to the operators, with nothing outside.
    fn try_record(&self, flow: &Flow, record: &TrialRecord<'_>, answer: &mut Answer<'_>) -> Tried;

    /// The same for an exactly-once flow, from record to record.
    fn last(&self, _flow: &Flow, _unix_ms: i64) -> Option<Box<dyn Lasts>> {
        None
    }
}

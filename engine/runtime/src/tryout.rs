//! `--embedded`: what the flows run on in this process, and with `--demo` somebody who uses them, and says what came of it.

mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thalweg_embedded::index::IndexOptions;
use thalweg_embedded::{Embedded, EmbeddedOptions};

use crate::admin::{View, Views};
use crate::cpu_meter::{CpuMeter, LOOK_INTERVAL_MS};
use crate::demo::{Addresses, CameOf, Consumed, Demo, Place, Requests, Told, Verified};
use crate::exit::ExitError;
use crate::flow::Flow;
use crate::page::OwnPage;
use crate::report::Report;

/// Between two looks at whether everything is done.
const LOOK: Duration = Duration::from_millis(20);

/// After the last record was written: the rest takes milliseconds, unless something is stuck. Then the verifier says what
/// is missing.
const FINISH_WITHIN: Duration = Duration::from_secs(60);

/// What the command line says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) demo: bool,
    /// Of whatever the demo does, so much each second.
    pub(crate) rate: u32,
    pub(crate) seconds: Option<u32>,
}

/// The embedded systems of one run, and who plays on them.
pub(crate) struct Stage {
    embedded: Embedded,
    /// How many partitions each topic has.
    topics: BTreeMap<String, u32>,
    demo: Option<Box<dyn Demo>>,
    meter: Mutex<CpuMeter>,
}

impl Stage {
    /// Starts the systems with the topics of those flows.
    ///
    /// # Errors
    /// When they can't be started.
    pub(crate) fn set(flows: &[Flow], needs_index: bool) -> Result<Self, ExitError> {
        let topics = topics::of(flows);
        let listed: Vec<_> = topics.iter().map(|(topic, partitions)| (topic.as_str(), *partitions)).collect();
        let index = needs_index.then(IndexOptions::default);
        let embedded = Embedded::start(&EmbeddedOptions { topics: &listed, index });
        let embedded = embedded.map_err(ExitError::failed)?;
        Ok(Self { embedded, topics, demo: None, meter: Mutex::default() })
    }

    /// Where the systems are.
    pub(crate) fn addresses(&self) -> Addresses {
        let brokers = self.embedded.kafka_brokers().to_owned();
        Addresses { brokers, index_url: self.embedded.index_url().unwrap_or_default() }
    }

    /// Says what this is.
    pub(crate) fn announce(&self) {
        let Addresses { brokers, index_url } = self.addresses();
        let index_url = (!index_url.is_empty()).then_some(index_url);
        tracing::info!(brokers, index_url, "on embedded systems, for trying out: nothing is kept");
    }

    /// Lets `make` connect the demo of those flows.
    ///
    /// # Errors
    /// When it can't be connected.
    pub(crate) fn rehearse(
        &mut self,
        flows: &[Flow],
        options: Options,
        make: impl FnOnce(&Place) -> Result<Box<dyn Demo>, String>,
    ) -> Result<(), ExitError> {
        if let (true, Some(flow)) = (options.demo, flows.first()) {
            let place = Place {
                at: self.addresses(),
                topic: flow.source.topic.clone(),
                partitions: self.partitions_of(flow),
                rate: options.rate,
                seconds: options.seconds,
                consumed: self.consumed(flow)?,
            };
            self.demo = Some(make(&place).map_err(ExitError::Failed)?);
        }
        self.meter = Mutex::new(CpuMeter::beside_what_runs());
        Ok(())
    }

    fn consumed(&self, flow: &Flow) -> Result<Consumed, ExitError> {
        let (group, topic) = (&flow.source.settings.group.id, &flow.source.topic);
        let progress = self.embedded.broker.group(group, topic, self.partitions_of(flow));
        let progress = progress.map_err(ExitError::failed)?;
        // Nothing is told while the broker does not answer: then nothing more is written.
        Ok(Arc::new(move || progress.committed().unwrap_or_default()))
    }

    fn partitions_of(&self, flow: &Flow) -> u32 {
        self.topics.get(&flow.source.topic).copied().unwrap_or_default()
    }

    /// The demo's own page, if it has one.
    pub(crate) fn page(&self) -> Option<OwnPage> {
        self.demo.as_ref().and_then(|demo| demo.page())
    }

    /// Lets the demo begin once the flows can read, and returns when it is over and everything it wrote has its outcome.
    /// Without a demo, or with an endless one: never.
    pub(crate) async fn play(&self, views: &Views, requests: &Requests) {
        let Some(demo) = &self.demo else { return std::future::pending().await };
        while !views.iter().all(|view| view.snapshots().iter().all(|worker| worker.joined)) {
            tokio::time::sleep(LOOK).await;
        }
        demo.go(requests);
        while !demo.is_over() {
            tokio::time::sleep(LOOK).await;
        }
        let all_ended = async {
            while ended(views) < demo.written() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(FINISH_WITHIN, all_ended).await.is_err() {
            tracing::error!("only {} of {} records have their outcome", ended(views), demo.written());
        }
        self.meter.lock().look();
    }

    /// Looks at what the engine uses, until dropped.
    pub(crate) async fn measure(&self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(LOOK_INTERVAL_MS));
        loop {
            ticks.tick().await;
            self.meter.lock().look();
        }
    }

    /// The curtain: what a verifier of documents found goes into the report of the first flow; what the demo itself has to
    /// say is answered. Everything written has its outcome by now, or never will.
    ///
    /// # Errors
    /// When the demo itself failed, or documents are not as they should be.
    pub(crate) async fn end(self, report: &mut Report) -> Result<Option<Told>, ExitError> {
        let seconds = self.meter.lock().seconds();
        let Some(demo) = self.demo else { return Ok(None) };
        let finished = tokio::task::spawn_blocking(move || demo.finish()).await;
        let came_of = finished.map_err(ExitError::failed)?.map_err(ExitError::Failed)?;
        // Until here the verifier read from them.
        drop(self.embedded);
        match came_of {
            CameOf::Nothing => Ok(None),
            CameOf::Told(told) => Ok(Some(told)),
            CameOf::Documents(verified) => Self::judge(verified, seconds, report).map(|()| None),
        }
    }

    fn judge(verified: Verified, seconds: f64, report: &mut Report) -> Result<(), ExitError> {
        let wrong = verified.wrong_documents;
        let examples: Vec<_> = verified.examples.iter().map(|example| format!("\n  {example}")).collect();
        report.verified(verified, seconds);
        if wrong == 0 {
            return Ok(());
        }
        Err(ExitError::Failed(format!("{wrong} documents are not as they should be:{}", examples.concat())))
    }
}

/// Records of the first flow that have their outcome.
fn ended(views: &Views) -> u64 {
    let of_worker = |outcomes: &[u64]| outcomes.iter().sum::<u64>();
    let snapshots = views.first().map(View::snapshots).unwrap_or_default();
    snapshots.iter().map(|worker| of_worker(&worker.accounts.outcomes)).sum()
}

//! HTTP calls, as a sink of an at-least-once flow; and the records that follow from their answers.

use std::rc::Rc;
use std::sync::Arc;

use thalweg_connectors::http::settings::HttpSettings;
use thalweg_connectors::http::{Call, Conclusion, Ended, HttpClient, HttpSink};
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_core::SinkSettings;
use thalweg_core::sink::{FollowUp, Reply, Request, SinkHandle};

use crate::exit::ExitError;
use crate::flow::{Connection, Log, SinkPlan, Sinks, Waiting};
use crate::settings::SettingError;

/// Calls to one system, and what follows from their answers.
///
/// ```no_run
/// # use thalweg::calls::{Call, Calls, Ended, HttpSettings, HttpSink, Method};
/// # use thalweg::flow::{DeadLetters, Flow, Guarantee, Source};
/// # use thalweg::kafka::{Headers, KafkaSettings, Produce, Records};
/// # use thalweg::{Output, Record, Step};
/// # fn flow(kafka: &KafkaSettings, provider: &HttpSettings) -> Flow {
/// Flow::named("charges")
///     .source(Source::topic("charges").settings(kafka))
///     .operator("charge", |sinks| {
///         let provider = sinks.find::<HttpSink>("provider");
///         move |record: &Record<'_>, out: &mut Output<'_>| {
///             let (order, body) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
///             let idempotency_key = &String::from_utf8_lossy(order);
///             let (method, path, headers) = (Method::Post, "/charges", Headers::default());
///             out.send(provider, Call { method, path, headers, body, idempotency_key, note: order, lookup: None });
///             Step::Done
///         }
///     })
///     .sink(
///         "provider",
///         Calls::to("provider", provider).with_follow_ups("charged", |call, ended, follow_ups| {
///             let value = match ended {
///                 Ended::Found { body } | Ended::Done { body, .. } | Ended::Refused { body, .. } => body,
///                 Ended::GaveUp { .. } => b"gave up",
///             };
///             let (key, value) = (Some(call.note), Some(value));
///             follow_ups.record(&Produce { topic: "charged", partition: None, key, value, headers: Headers::default() })
///         }),
///     )
///     .sink("charged", Records::on_topic(kafka, "charged"))
///     .dead_letters(DeadLetters::beside_the_topic())
///     .guarantee(Guarantee::AtLeastOnce)
/// # }
/// ```
#[derive(Clone)]
pub struct Calls {
    section: &'static str,
    settings: HttpSettings,
    follow_ups: Option<(&'static str, Arc<Concludes>)>,
}

type Concludes = dyn Fn(&Call<'_>, Ended<'_>, &FollowUps) -> Conclusion + Send + Sync;

/// Makes records of answers.
#[derive(Debug, Clone, Copy)]
pub struct FollowUps {
    sink: SinkHandle<KafkaSink>,
}

impl FollowUps {
    /// This record follows from the answer: the call's own record is finished when this one is written.
    #[must_use]
    pub fn record(&self, record: &Produce<'_>) -> Conclusion {
        Conclusion::FollowUp(FollowUp::new(self.sink, *record))
    }
}

impl Calls {
    /// To the system of those settings, which stand in the section of that name.
    #[must_use]
    pub fn to(section: &'static str, settings: &HttpSettings) -> Self {
        Self { section, settings: settings.clone(), follow_ups: None }
    }

    /// `concludes` says what follows from the end of a call: records of the flow's sink of that name (a
    /// [`crate::kafka::Records`] that is added to the flow after this one). Without it nothing follows: a call that was
    /// made is done, and one that was refused or given up is a dead letter.
    #[must_use]
    pub fn with_follow_ups(
        mut self,
        sink: &'static str,
        concludes: impl Fn(&Call<'_>, Ended<'_>, &FollowUps) -> Conclusion + Send + Sync + 'static,
    ) -> Self {
        self.follow_ups = Some((sink, Arc::new(concludes)));
        self
    }

    fn refused(&self, error: &thalweg_connectors::kafka::settings::SettingError) -> SettingError {
        SettingError::of_connector(self.section, error)
    }
}

impl SinkPlan for Calls {
    type Machine = HttpSink;

    fn check(&self) -> Result<(), SettingError> {
        self.settings.check().map_err(|error| self.refused(&error))
    }

    fn prepare<'w>(&'w self, _log: &'w Log) -> Waiting<'w, Result<(), ExitError>> {
        // Whether the system is there is the breaker's business: a flow must be able to start without it.
        Box::pin(async { Ok(()) })
    }

    fn machine(&self, sinks: &Sinks) -> HttpSink {
        let Some((name, concludes)) = &self.follow_ups else {
            return HttpSink::new(self.settings.limits(None), Box::new(|_, _| Conclusion::Nothing));
        };
        let (follow_ups, concludes) = (FollowUps { sink: sinks.find(name) }, Arc::clone(concludes));
        let limits = self.settings.limits(Some(follow_ups.sink.index()));
        HttpSink::new(limits, Box::new(move |call, ended| concludes(call, ended, &follow_ups)))
    }

    fn settings(&self) -> SinkSettings {
        self.settings.driven()
    }

    fn follow_up_sink(&self) -> Option<&'static str> {
        self.follow_ups.as_ref().map(|(name, _)| *name)
    }

    fn kept_bytes(&self) -> u64 {
        // Answers on their way in.
        u64::from(self.settings.concurrency) * u64::from(self.settings.answer_bytes_max)
    }

    fn connect(&self) -> Result<Rc<dyn Connection>, ExitError> {
        let client = HttpClient::new(&self.settings).map_err(|error| self.refused(&error))?;
        Ok(Rc::new(CallConnection { client }))
    }

    fn system(&self) -> &'static str {
        "The system that is called"
    }
}

struct CallConnection {
    client: HttpClient,
}

impl Connection for CallConnection {
    fn send(self: Rc<Self>, request: Request) -> Waiting<'static, Reply> {
        Box::pin(async move { self.client.send(request).await })
    }
}

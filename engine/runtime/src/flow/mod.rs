//! A flow: source, operators, sinks, dead letters and guarantee of one job, said in this order.
//!
//! ```no_run
//! # use thalweg::flow::{DeadLetters, Dedupe, Flow, Guarantee, Source};
//! # use thalweg::kafka::KafkaSettings;
//! # use thalweg::{Output, Record, Step};
//! # fn settings() -> KafkaSettings { KafkaSettings::default() }
//! let flow = Flow::named("audit")
//!     .source(Source::topic("orders").settings(&settings()))
//!     .dedupe(Dedupe::by_header("event-id"))
//!     .operator("count", |_sinks| |_record: &Record<'_>, _out: &mut Output<'_>| Step::Filtered("counted"))
//!     .dead_letters(DeadLetters::beside_the_topic())
//!     .guarantee(Guarantee::AtLeastOnce);
//! ```

mod builder;
mod flows;
mod missing_topic;
mod search;
mod sink;
mod source;
mod stateful;

pub use builder::{AlmostFlow, Flow, FlowBuilder, Guarantee, Named, Start};
pub use flows::Flows;
pub(crate) use flows::check;
pub use missing_topic::MissingTopic;
pub(crate) use missing_topic::make_missing;
pub use search::{Hit, Search, Searching};
pub(crate) use sink::AnySink;
pub use sink::{Connection, Log, SinkPlan, Sinks, Waiting};
pub use source::{DeadLetters, Dedupe, Source};
pub use stateful::{AlmostStateful, ExactlyOnce, Outgoing, OutputTopic, OutputTopics, StatefulBuilder};

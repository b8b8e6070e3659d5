//! Kafka: the source that records come from, and the sink that writes records and dead letters.
//!
//! The pure half ([`produce`], [`answer`], [`sink`], [`dead_letter`], [`settings`], [`properties`]) is always
//! compiled. The I/O half (feature `kafka`) reads in batches (`source`), writes (`producer`), looks after topics (`topics`),
//! reads stretches (`span`), what comes newly to a partition (`tail`) and whole topics (`follow`), reads changelogs back
//! (`changelog`) and writes in transactions (`transaction`; `transactor` for an exactly-once worker, `transactions` for a
//! replay); every `unsafe` of it is in `librdkafka`.

pub mod answer;
pub mod dead_letter;
pub mod produce;
pub mod properties;
pub mod secret;
pub mod settings;
pub mod sink;

#[cfg(feature = "kafka")]
pub mod changelog;
#[cfg(feature = "kafka")]
mod changelog_topic;
#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
pub mod closing;
#[cfg(feature = "kafka")]
mod compacted_topic;
#[cfg(feature = "kafka")]
pub mod event;
#[cfg(feature = "kafka")]
mod fetches;
#[cfg(feature = "kafka")]
pub mod follow;
#[cfg(feature = "kafka")]
mod librdkafka;
#[cfg(feature = "kafka")]
mod membership;
#[cfg(feature = "kafka")]
mod offsets;
#[cfg(feature = "kafka")]
mod orphans;
#[cfg(feature = "kafka")]
pub mod partitions;
#[cfg(feature = "kafka")]
pub mod producer;
#[cfg(feature = "kafka")]
mod reading;
#[cfg(feature = "kafka")]
pub mod source;
#[cfg(feature = "kafka")]
pub mod span;
#[cfg(feature = "kafka")]
pub mod tail;
#[cfg(feature = "kafka")]
pub mod topics;
#[cfg(feature = "kafka")]
mod transaction;
#[cfg(feature = "kafka")]
pub mod transactions;
#[cfg(feature = "kafka")]
pub mod transactor;

//! What `--demo` needs of a pipeline: somebody who writes its topic, and a verifier of what came of it.

use std::sync::Arc;

use serde::Serialize;
pub use thalweg_embedded::unread::UnreadBytes;

/// Of each partition of the topic, the offset below which the flow has finished and committed everything.
pub type Consumed = Arc<dyn Fn() -> Vec<u64> + Send + Sync>;

/// Where a demo takes place.
#[derive(Clone)]
pub struct Place {
    /// The embedded systems.
    pub at: Addresses,
    /// The flow's topic.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Records a second.
    pub rate: u32,
    /// How long records are written; `None`: until the flow is stopped. Then nothing is verified.
    pub seconds: Option<u32>,
    /// How far the flow is: the broker keeps little of what is unread.
    pub consumed: Consumed,
}

/// A demo that is ready, or under way on threads of its own.
pub trait Demo: Send {
    /// Lets the writing begin.
    fn go(&self);
    /// Lets it end before its time.
    fn stop(&self);
    /// Records written and acknowledged so far.
    fn written(&self) -> u64;
    /// Whether nothing more will be written.
    fn is_over(&self) -> bool;
    /// Everything written has its outcome: stops what still runs, and says what the verifier found, where there is one.
    /// Blocks; not to be called from an async task.
    ///
    /// # Errors
    /// When it can't be found out, or the demo itself failed.
    fn finish(self: Box<Self>) -> Result<Option<Verified>, String>;
}

/// What a pipeline says of itself so that it can be tried with nothing installed.
#[derive(Debug, Clone, Copy)]
pub struct Tryout<S> {
    /// Settings, as `--set` takes them, by which the flow talks to the embedded systems.
    pub settings: fn(&Addresses) -> Vec<String>,
    /// Connects its demo, which waits to begin.
    pub demo: fn(&S, &Place) -> Connected,
}

/// A demo, or why it can't be connected.
pub type Connected = Result<Box<dyn Demo>, String>;

/// Where the embedded systems are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The broker: `HOST:PORT`.
    pub brokers: String,
    /// The search index: `http://HOST:PORT`.
    pub index_url: String,
}

/// What a verifier found, which read every record from the first one on and knows nothing of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Records that were written.
    pub written: u64,
    /// Documents that readers find.
    pub documents: u64,
    /// Documents that should be found and are not.
    pub lost: u64,
    /// Documents that show another than their last state.
    pub reordered: u64,
    /// Documents that are not as they should be, in whatever way: lost, reordered, or there against the log.
    pub wrong_documents: u64,
    /// Some of them, in words.
    pub examples: Vec<String>,
}

//! What `--embedded --demo` needs of a pipeline: what the flows run on, somebody who uses them, and who says what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
pub use thalweg_embedded::unread::UnreadBytes;

pub use crate::page::OwnPage;

/// Of each partition of the topic, the offset below which the flow has finished and committed everything.
pub type Consumed = Arc<dyn Fn() -> Vec<u64> + Send + Sync>;

/// Where requests are taken, by the section of the settings that says so, as in `orders.commands`.
pub type Requests = BTreeMap<String, SocketAddr>;

/// Where a demo takes place.
#[derive(Clone)]
pub struct Place {
    /// The embedded systems.
    pub at: Addresses,
    /// The first flow's topic.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// What `--rate` says.
    pub rate: u32,
    /// How long the demo goes on; `None`: until the flow is stopped.
    pub seconds: Option<u32>,
    /// How far the first flow is: the broker keeps little of what is unread.
    pub consumed: Consumed,
}

/// A demo that is ready, or under way on threads of its own.
pub trait Demo: Send {
    /// Lets it begin: the flows run.
    fn go(&self, requests: &Requests);
    /// Lets it end before its time.
    fn stop(&self);
    /// Records of the first flow that were written and acknowledged so far, of which each must get its outcome.
    fn written(&self) -> u64;
    /// Whether nothing more will be written.
    fn is_over(&self) -> bool;
    /// A page of its own, beside the live page.
    fn page(&self) -> Option<OwnPage> {
        None
    }
    /// The flows have stopped: stops what still runs, and says what came of it. Blocks; not to be called from an async task.
    ///
    /// # Errors
    /// When it can't be found out, or the demo itself failed.
    fn finish(self: Box<Self>) -> Result<CameOf, String>;
}

/// What came of a demo.
#[derive(Debug)]
pub enum CameOf {
    /// Nobody has looked.
    Nothing,
    /// A verifier has looked at every document.
    Documents(Verified),
    /// The demo has its own words for it.
    Told(Told),
}

/// A demo's own report: the last thing that the process says.
#[derive(Debug)]
pub struct Told {
    /// For people: lines.
    pub text: String,
    /// For `--report json`: an object.
    pub json: serde_json::Value,
    /// What is not as it must be, if something is not: then the exit code says so too.
    pub wrong: Option<String>,
}

/// What a pipeline says of itself so that it can be tried with nothing installed.
#[derive(Debug, Clone, Copy)]
pub struct Tryout<S> {
    /// What the help says of it.
    pub words: Words,
    /// Whether a search index is needed beside the broker.
    pub needs_index: bool,
    /// Settings, as `--set` takes them, that suit a demo better than the defaults; whatever else is set wins over them.
    pub presets: fn() -> Set,
    /// Starts in this process what else the flows need, and answers settings, as `--set` takes them, by which they talk
    /// to that and to the embedded systems: they win over all others.
    pub settings: fn(&Addresses) -> Set,
    /// Connects its demo, which waits to begin.
    pub demo: fn(&S, &Place) -> Connected,
}

/// Settings (`KEY=VALUE`), or why there can't be any.
pub type Set = Result<Vec<String>, String>;

/// A demo, or why it can't be connected.
pub type Connected = Result<Box<dyn Demo>, String>;

/// What the help says of trying a program out.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// What it runs on: "a broker".
    pub systems: &'static str,
    /// What `--demo` adds: "people who ...".
    pub demo: &'static str,
    /// What `--rate` counts.
    pub rate: &'static str,
    /// How many of that each second, unless somebody says so.
    pub rate_usual: u32,
    /// A rate worth trying.
    pub rate_tried: u32,
    /// What `--seconds` does.
    pub seconds: &'static str,
}

/// Where the embedded systems are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The broker: `HOST:PORT`.
    pub brokers: String,
    /// The search index: `http://HOST:PORT`; empty where none is needed.
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

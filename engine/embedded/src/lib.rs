//! What `--embedded` runs on: a broker, and where it is needed a search index, in this process, for trying out. Flows
//! reach both over loopback with the connectors they always use, and don't know the difference.
//!
//! ```no_run
//! use thalweg_embedded::index::IndexOptions;
//! use thalweg_embedded::{Embedded, EmbeddedOptions};
//!
//! let topics = [("message-events", 8), ("message-events.dlq", 8)];
//! let embedded = Embedded::start(&EmbeddedOptions { topics: &topics, index: Some(IndexOptions::default()) })?;
//! println!("{} {:?}", embedded.kafka_brokers(), embedded.index_url());
//! # Ok::<(), thalweg_embedded::EmbeddedError>(())
//! ```

pub mod broker;
pub mod index;
pub mod unread;

use rdkafka::error::KafkaError;

use broker::EmbeddedBroker;
use index::{EmbeddedIndex, IndexOptions};

/// What is to be embedded.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmbeddedOptions<'a> {
    /// The broker's topics, dead letters' topics too: name and number of partitions.
    pub topics: &'a [(&'a str, u32)],
    /// The search index; `None`: there is none.
    pub index: Option<IndexOptions>,
}

/// Why it can't be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The port is taken, or the system gives no thread.
    #[error("the embedded search index can't be started on port {port}: {reason}")]
    Index {
        /// The port asked for; 0: any.
        port: u16,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The topics can't be so.
    #[error("the embedded broker can't be started: {0}")]
    Broker(#[from] KafkaError),
}

/// A broker and perhaps a search index in this process; both end, with all they hold, when dropped.
pub struct Embedded {
    /// The broker.
    pub broker: EmbeddedBroker,
    /// The search index.
    pub index: Option<EmbeddedIndex>,
}

impl Embedded {
    /// Starts what is asked for.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start(options: &EmbeddedOptions<'_>) -> Result<Self, EmbeddedError> {
        let start = |options: IndexOptions| {
            let port = options.port;
            EmbeddedIndex::start(options).map_err(|reason| EmbeddedError::Index { port, reason })
        };
        let index = options.index.map(start).transpose()?;
        Ok(Self { broker: EmbeddedBroker::start(options.topics)?, index })
    }

    /// Where Kafka clients connect: `HOST:PORT`.
    #[must_use]
    pub fn kafka_brokers(&self) -> &str {
        self.broker.brokers()
    }

    /// Where Elasticsearch clients connect: `http://HOST:PORT`; `None`: there is no search index.
    #[must_use]
    pub fn index_url(&self) -> Option<String> {
        self.index.as_ref().map(EmbeddedIndex::url)
    }
}

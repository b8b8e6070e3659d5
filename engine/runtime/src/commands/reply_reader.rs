//! Reads this instance's partition of the topic of replies, and hands each reply to who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_connectors::kafka::span::LoggedRecord;
use thalweg_connectors::kafka::tail::Tail;
use thalweg_connectors::kafka::topics::Topics;

use super::envelope::ReplyHeaders;
use super::waiting::{Reply, Waiting};
use crate::exit::ExitError;

/// How soon the thread notices that it is to end.
const POLL: Duration = Duration::from_millis(200);

/// Between two lines about the same trouble.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(5);

/// Ends the reading thread when dropped.
pub(super) struct ReplyReader {
    stop: Arc<AtomicBool>,
}

impl ReplyReader {
    /// Begins to read what comes to that partition from now on. Blocks until a broker has said where it ends.
    pub(super) fn start(
        (kafka, topics): (&KafkaSettings, &Topics),
        (topic, partition): (&str, u32),
        waiting: Arc<Waiting>,
    ) -> Result<Self, ExitError> {
        // Where it ends now, not where it will end when the client gets around to asking: a reply could come before.
        let end = topics.end_of(topic, partition).map_err(ExitError::failed)?;
        let tail = Tail::open(kafka, topic, partition, end).map_err(ExitError::failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let mut complained: Option<Instant> = None;
            while !stopped.load(Relaxed) {
                match tail.poll(POLL) {
                    Ok(Some(record)) => hand_on(record, &waiting),
                    Ok(None) => {}
                    Err(error) if complained.is_none_or(|last| last.elapsed() > COMPLAINT_PAUSE) => {
                        tracing::warn!("replies to commands can't be read: {error}");
                        complained = Some(Instant::now());
                    }
                    Err(_) => {}
                }
            }
        };
        std::thread::Builder::new().name("replies".to_owned()).spawn(run).map_err(ExitError::failed)?;
        Ok(Self { stop })
    }
}

impl Drop for ReplyReader {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// Replies to other instances, and to those who wait no longer, are passed over.
fn hand_on(record: LoggedRecord, waiting: &Waiting) {
    let Some(ReplyHeaders { correlation_id, status, repeated }) = ReplyHeaders::read(record.headers()) else {
        return tracing::warn!(
            partition = record.partition,
            offset = record.offset,
            "a record on the topic of replies is none, and is passed over"
        );
    };
    let reply = || Reply { status, repeated, body: Bytes::from(record.value.unwrap_or_default()) };
    if !waiting.answer(&correlation_id, reply) {
        tracing::trace!(
            partition = record.partition,
            offset = record.offset,
            "nobody waits for this reply here"
        );
    }
}

//! Where the log ends, asked from time to time: what lag is measured against.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thalweg_connectors::kafka::topics::Topics;

use crate::clock;
use crate::flow::Log;

/// What the brokers have told of the log's ends.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// One above the newest record, by partition number.
    pub(crate) by_partition: BTreeMap<i32, i64>,
    /// Uptime of the last answer.
    pub(crate) answered_ms: Option<u64>,
}

/// Written by one task, read by whoever shows lag.
pub(crate) type LogEnds = Arc<Mutex<Ends>>;

/// One small request per partition.
const INTERVAL: Duration = Duration::from_secs(2);

/// Keeps `ends` up to date, until dropped.
pub(crate) async fn follow(topics: Arc<Topics>, log: Log, ends: LogEnds) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (topics, log, ends) = (Arc::clone(&topics), log.clone(), Arc::clone(&ends));
        let asked = tokio::task::spawn_blocking(move || {
            for number in 0..log.partitions {
                match topics.end_of(&log.topic, number) {
                    Ok(end) => {
                        let mut ends = ends.lock();
                        ends.by_partition.insert(number.cast_signed(), end);
                        ends.answered_ms = Some(clock::now().uptime_ms);
                    }
                    // The lag stays what it was; that the brokers are away is told elsewhere.
                    Err(_) => return,
                }
            }
        });
        if asked.await.is_err() {
            return;
        }
    }
}

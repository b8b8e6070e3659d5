//! Where the log ends, asked from time to time: what lag is measured against.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thalweg_connectors::kafka::topics::Topics;

use crate::flow::Log;

/// One above the newest record, by partition number.
pub(crate) type LogEnds = Arc<Mutex<BTreeMap<i32, i64>>>;

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
                    Ok(end) => drop(ends.lock().insert(number.cast_signed(), end)),
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

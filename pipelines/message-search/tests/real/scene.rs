//! What one test has to itself: a topic, a group, an alias; gone afterwards.

use std::time::{Duration, Instant};

use crate::{index, topic};

/// No single step takes longer on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Scene {
    pub(crate) name: String,
}

impl Scene {
    pub(crate) fn new(what: &str, partitions: i32) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let name = format!("indexer-{what}-{}-{}", std::process::id(), now.as_nanos());
        topic::create(&name, partitions);
        Self { name }
    }

    pub(crate) fn dead_letter_topic(&self) -> String {
        format!("{}.dlq", self.name)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        topic::delete(&[&self.name, &self.dead_letter_topic()]);
        index::delete(&self.name);
    }
}

/// Polls until the condition gives something.
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

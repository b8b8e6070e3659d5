//! What one test has to itself: a topic, a group, an alias, a folder; gone afterwards.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::{index, topic};

pub(crate) struct Scene {
    pub(crate) name: String,
    folder: TempDir,
    launches: AtomicU32,
}

impl Scene {
    pub(crate) fn new(what: &str, partitions: i32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let name = format!("indexer-{what}-{}-{}", std::process::id(), now.as_nanos());
        topic::create(&name, partitions);
        Self { name, folder: TempDir::new().unwrap(), launches: AtomicU32::new(0) }
    }

    pub(crate) fn dead_letter_topic(&self) -> String {
        format!("{}.dlq", self.name)
    }

    /// Where another program's output goes.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join(self.launches.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        topic::delete(&[&self.name, &self.dead_letter_topic()]);
        index::delete(&self.name);
    }
}

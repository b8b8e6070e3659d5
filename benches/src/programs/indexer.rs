//! What an instance of `message-indexer` is told.

use anyhow::Result;

use super::instance::Instance;

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Job<'j> {
    pub(crate) brokers: &'j str,
    pub(crate) topic: &'j str,
    pub(crate) group: &'j str,
    pub(crate) elasticsearch: &'j str,
    /// Further settings, as `KEY=VALUE`.
    pub(crate) set: Vec<String>,
}

impl Job<'_> {
    /// Starts an instance.
    pub(crate) fn start(&self) -> Result<Instance> {
        let mut settings = vec![
            format!("source.topic={}", self.topic),
            format!("elasticsearch.nodes=[\"{}\"]", self.elasticsearch),
        ];
        settings.extend(self.set.iter().cloned());
        Instance::start("message-indexer", (self.brokers, self.group), &settings)
    }
}

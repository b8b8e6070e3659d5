//! Looks at a view's topic: where it ends, whether it has grown, and whether it is still the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use thalweg_connectors::kafka::topics::{TopicDescription, TopicError, Topics};

use super::progress::Unready;
use super::view::AnyView;

/// Between two looks when nobody asks: how soon new partitions are read, and how old the lag is that is told.
const INTERVAL: Duration = Duration::from_secs(2);

/// After a question that no broker answered.
const PAUSE: Duration = Duration::from_millis(200);

/// Between two lines about the same trouble.
pub(super) const COMPLAINT_PAUSE: Duration = Duration::from_secs(5);

/// What a thread looks at.
pub(super) struct Look {
    pub(super) view: Arc<dyn AnyView>,
    pub(super) topics: Arc<Topics>,
    pub(super) topic: TopicDescription,
    /// When it was described.
    pub(super) described: Instant,
    /// How many partitions there are, for the thread that reads them.
    pub(super) partitions: Arc<AtomicU32>,
    /// Wakes that thread.
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
}

/// What a look may find.
enum Wrong {
    /// It may be better next time.
    ForNow(TopicError),
    /// It is another topic.
    Another,
}

impl From<TopicError> for Wrong {
    fn from(error: TopicError) -> Self {
        Self::ForNow(error)
    }
}

impl Look {
    /// Until nobody asks any more, or it is another topic.
    pub(super) fn run(mut self) {
        let mut complained: Option<Instant> = None;
        while let Some(question) = self.view.progress().next_question(INTERVAL) {
            match self.look(question) {
                Ok(()) => {}
                Err(Wrong::Another) => {
                    let why = "its topic was made anew while it was read: start again";
                    tracing::error!(topic = self.view.topic(), "a view is shown no more: {why}");
                    return self.view.progress().stop(Unready::Failed(why.to_owned()));
                }
                Err(Wrong::ForNow(error)) => {
                    if complained.is_none_or(|last| last.elapsed() > COMPLAINT_PAUSE) {
                        tracing::warn!(
                            topic = self.view.topic(),
                            "the topic of a view can't be looked at: {error}"
                        );
                        complained = Some(Instant::now());
                    }
                    std::thread::sleep(PAUSE);
                    // Who waits still wants to know.
                    self.view.progress().ask();
                }
            }
        }
    }

    fn look(&mut self, question: u64) -> Result<(), Wrong> {
        let topic = self.view.topic();
        if self.described.elapsed() >= INTERVAL {
            let found = self.topics.describe(topic)?;
            self.described = Instant::now();
            if found.id != self.topic.id {
                return Err(Wrong::Another);
            }
            if found.partitions > self.topic.partitions {
                let (was, is) = (self.topic.partitions, found.partitions);
                tracing::warn!(topic, was, is, "the topic of a view has new partitions: keys have moved");
                self.partitions.store(is, Relaxed);
                (self.wake)();
            }
            self.topic = found;
        }
        let ends = self.topics.ends_of(topic, self.topic.partitions)?;
        self.view.progress().answer(question, &ends);
        Ok(())
    }
}

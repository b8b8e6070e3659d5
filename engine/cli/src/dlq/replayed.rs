//! What of a partition was replayed: what the consumer group remembers.
//!
//! The group's position in a partition of the dead-letter topic is the first letter that was not replayed; the commit's
//! metadata names those beyond it that were, in the form that flows use for finished records. So the memory is a set of
//! letters, whatever filters chose them: overlapping filters replay nothing twice, and a letter that no filter has
//! chosen yet stays there to be chosen.
//!
//! While a replay is under way, the metadata also names its filter (`q`) and where it ends (`e`): letters that come to
//! the topic meanwhile, perhaps by what was replayed, are not its business, and not that of the same command that goes
//! on after an interruption.

use thalweg::kafka::commit_metadata;

use super::offsets::Offsets;

/// A replay that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Stands for its filter and limits.
    pub(crate) filter: u64,
    /// Where it ends in this partition.
    pub(crate) end: i64,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Everything below was replayed, or went out of retention.
    position: i64,
    /// What was replayed beyond; never touches the position.
    beyond: Offsets,
    /// The replay that is under way.
    pub(crate) run: Option<Run>,
}

impl Replayed {
    /// Nothing; `low` is the oldest offset.
    pub(crate) fn nothing(low: i64) -> Self {
        Self { position: low, beyond: Offsets::default(), run: None }
    }

    /// Reads what the group remembers; `low` and `high` are the topic's bounds.
    ///
    /// # Errors
    /// Why it can't be believed.
    pub(crate) fn decode(position: i64, metadata: &str, (low, high): (i64, i64)) -> Result<Self, String> {
        let finished = commit_metadata::decode(position, metadata).map_err(|error| error.to_string())?;
        let run = run_of(metadata)?;
        let mut replayed = Self { position, beyond: Offsets::default(), run };
        for stretch in finished {
            replayed.settle(stretch);
        }
        let end = replayed.beyond.span().map_or(position, |span| span.end);
        if end > high {
            return Err(format!("it is at {end} and the topic ends at {high}: the topic was made anew"));
        }
        // Retention has removed what is below.
        replayed.settle(position..low);
        Ok(replayed)
    }

    /// The position, and the metadata; `None` when these letters are too many and too scattered for it.
    pub(crate) fn encode(&self) -> Option<(i64, String)> {
        let mut metadata = commit_metadata::encode(self.position, self.beyond.stretches());
        let read = commit_metadata::decode(self.position, &metadata).ok()?;
        if !read.into_iter().eq(self.beyond.stretches()) {
            return None;
        }
        if let Some(Run { filter, end }) = self.run {
            // 42 bytes at most; the encoding leaves 64 for such fields.
            metadata.push_str(&format!(";q={filter:016x};e={end}"));
        }
        Some((self.position, metadata))
    }

    /// Whether the letter was replayed.
    pub(crate) fn contains(&self, offset: i64) -> bool {
        offset < self.position || self.beyond.contains(offset)
    }

    /// Notes that a stretch was replayed, or holds no letters.
    pub(crate) fn settle(&mut self, stretch: std::ops::Range<i64>) {
        self.beyond.add(stretch.start.max(self.position)..stretch.end);
        if let Some(end) = self.beyond.end_of_start(self.position) {
            self.position = end;
            self.beyond.remove_below(end);
        }
    }
}

fn run_of(metadata: &str) -> Result<Option<Run>, String> {
    let field = |name: &str| metadata.split(';').find_map(|field| field.strip_prefix(name));
    match (field("q="), field("e=")) {
        (None, None) => Ok(None),
        (filter, end) => {
            let filter = filter.and_then(|text| u64::from_str_radix(text, 16).ok());
            let run = filter.zip(end.and_then(|text| text.parse().ok()));
            run.map(|(filter, end)| Some(Run { filter, end }))
                .ok_or_else(|| "the replay that it names can't be read".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_remembered_as_it_was(
            low in 0i64..1_000,
            steps in prop::collection::vec((0i64..400, 1i64..5), 0..120),
            run in prop::option::of((any::<u64>(), 0i64..2_000)),
        ) {
            let mut replayed = Replayed::nothing(low);
            replayed.run = run.map(|(filter, end)| Run { filter, end });
            let mut naive = BTreeSet::new();
            for (start, len) in steps {
                replayed.settle(low + start..low + start + len);
                naive.extend(low + start..low + start + len);
            }
            let (position, metadata) = replayed.encode().unwrap();
            prop_assert!(metadata.len() <= commit_metadata::METADATA_BYTES_MAX);
            let read = Replayed::decode(position, &metadata, (low, 3_000)).unwrap();
            prop_assert_eq!(&read, &replayed);
            prop_assert!((low..low + 500).all(|offset| read.contains(offset) == naive.contains(&offset)));
        }
    }

    #[test]
    fn retention_moves_it_on_and_a_new_topic_is_noticed() {
        let mut replayed = Replayed::nothing(10);
        replayed.settle(20..30);
        let (position, metadata) = replayed.encode().unwrap();
        let later = |low| Replayed::decode(position, &metadata, (low, 100)).unwrap();
        assert_eq!(later(10).encode().unwrap().0, 10);
        assert_eq!(later(15).encode().unwrap().0, 15);
        assert_eq!(later(20).encode(), Some((30, "t1".to_owned())));
        assert_eq!(later(50).encode(), Some((50, "t1".to_owned())));
        assert!(Replayed::decode(position, &metadata, (0, 29)).unwrap_err().contains("made anew"));
        assert!(Replayed::decode(10, "somebody else's", (0, 29)).is_err());
        assert!(Replayed::decode(10, "t1;q=zz;e=3", (0, 29)).is_err());
    }

    #[test]
    fn what_does_not_fit_is_said_before_it_is_lost() {
        let mut replayed = Replayed::nothing(0);
        replayed.run = Some(Run { filter: u64::MAX, end: i64::MAX });
        for number in 0..10_000 {
            replayed.settle(2 * number + 1..2 * number + 2);
        }
        let (_, metadata) = replayed.encode().unwrap();
        assert!(metadata.len() <= commit_metadata::METADATA_BYTES_MAX, "{}", metadata.len());
        for number in 10_000..20_000 {
            replayed.settle(2 * number + 1..2 * number + 2);
        }
        assert_eq!(replayed.encode(), None);
    }
}

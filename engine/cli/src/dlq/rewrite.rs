//! From a dead letter back to its record: where it goes, and with which headers.

use std::collections::BTreeMap;

use thalweg::dead_letters::REPLAY_COUNT;
use thalweg::kafka::{Headers, Produce, TopicError, encode_headers};

use super::letter::Letter;
use super::plan::Plan;
use super::safe_text::safe;
use crate::connection::Connection;
use crate::failure::Failure;

/// The topics that letters go to.
#[derive(Debug)]
pub(crate) struct Targets {
    to: Option<String>,
    /// How many partitions topics have.
    partitions: BTreeMap<String, u32>,
    /// A topic that is gone had as many as its dead letters' topic.
    dead_letter_partitions: u32,
}

/// The headers of a record to be written, in the encoding of [`Headers`].
pub(crate) struct Rewritten<'l> {
    letter: &'l Letter,
    headers: Vec<u8>,
}

impl Targets {
    /// Looks at the topics that a plan writes to.
    ///
    /// # Errors
    /// When one is not there.
    pub(crate) fn look_up(
        connection: &Connection,
        plan: &Plan<'_>,
        to: Option<&str>,
    ) -> Result<Self, Failure> {
        let dead_letter_partitions = connection.spans.len() as u32;
        let mut targets =
            Self { to: to.map(str::to_owned), partitions: BTreeMap::new(), dead_letter_partitions };
        if let Some(to) = to {
            let found = connection.topics.describe(to)?;
            targets.partitions.insert(to.to_owned(), found.partitions);
        }
        for original in &plan.originals {
            match connection.topics.describe(original) {
                Ok(found) => drop(targets.partitions.insert(original.clone(), found.partitions)),
                // Nothing is written to it.
                Err(TopicError::Missing { .. }) if to.is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(targets)
    }

    /// The record to be written.
    pub(crate) fn record<'r>(&'r self, rewritten: &'r Rewritten<'_>) -> Produce<'r> {
        let Rewritten { letter, headers } = rewritten;
        let (topic, partition) = self.home(letter);
        let (key, value) = (letter.key.as_deref(), letter.value.as_deref());
        Produce { topic, partition, key, value, headers: Headers::new(headers) }
    }

    /// Where the letter goes, for people.
    pub(crate) fn topic(&self, letter: &Letter) -> String {
        safe(self.home(letter).0.as_bytes())
    }

    /// The topic and the partition; `None`: by the key, as the client does it.
    fn home<'r>(&'r self, letter: &'r Letter) -> (&'r str, Option<i32>) {
        let original = letter.original.topic.as_str();
        let topic = self.to.as_deref().unwrap_or(original);
        let of = |topic| self.partitions.get(topic).copied();
        let partitions = of(topic).unwrap_or(0);
        // Where the topics are equally wide, a key's records lie where the key's others do.
        let as_wide = of(original).unwrap_or(self.dead_letter_partitions) == partitions;
        let partition = letter.original.place.partition;
        let exists = u32::try_from(partition).is_ok_and(|number| number < partitions);
        (topic, (as_wide && exists).then_some(partition))
    }
}

impl<'l> Rewritten<'l> {
    /// The record as it was, with one replay more.
    pub(crate) fn of(letter: &'l Letter) -> Self {
        let count = letter.replays.saturating_add(1).to_string();
        let own = letter.headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref()));
        let all: Vec<_> = own.chain([(REPLAY_COUNT.as_bytes(), Some(count.as_bytes()))]).collect();
        let mut headers = Vec::new();
        encode_headers(all.into_iter(), &mut headers);
        Self { letter, headers }
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::record;
    use super::*;

    fn targets(to: Option<&str>, partitions: &[(&str, u32)]) -> Targets {
        let partitions = partitions.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect();
        Targets { to: to.map(str::to_owned), partitions, dead_letter_partitions: 8 }
    }

    #[test]
    fn it_goes_home_or_where_the_key_would() {
        // Of events, partition 5.
        let letter = Letter::of(record(0, &[], &[])).unwrap();
        for (to, partitions, home) in [
            (None, vec![("events", 8)], ("events", Some(5))),
            (None, vec![("events", 5)], ("events", None)),
            (Some("other"), vec![("events", 8), ("other", 8)], ("other", Some(5))),
            (Some("other"), vec![("events", 8), ("other", 12)], ("other", None)),
            (Some("other"), vec![("other", 8)], ("other", Some(5))),
            (Some("other"), vec![("other", 9)], ("other", None)),
        ] {
            assert_eq!(targets(to, &partitions).home(&letter), home, "{to:?} {partitions:?}");
        }
    }

    #[test]
    fn the_record_is_as_it_was_with_one_replay_more() {
        let own = [("trace", Some("1")), (REPLAY_COUNT, Some("2")), ("nothing", None)];
        let letter = Letter::of(record(0, &own, &[])).unwrap();
        let (rewritten, targets) = (Rewritten::of(&letter), targets(None, &[("events", 8)]));
        let produced = targets.record(&rewritten);
        assert_eq!((produced.key, produced.value), (Some(b"k".as_slice()), Some(b"v".as_slice())));
        let found: Vec<_> = produced.headers.iter().collect();
        let wanted: [(&[u8], Option<&[u8]>); 3] =
            [(b"trace", Some(b"1")), (b"nothing", None), (REPLAY_COUNT.as_bytes(), Some(b"3"))];
        assert_eq!(found, wanted);
    }
}

//! A dead letter, taken apart: the record as it was, and what was said of its failure.

use thalweg::dead_letters::{HEADER_NAMES, LEFT_OUT_NAMES, REPLAY_COUNT};
use thalweg::kafka::LoggedRecord;

use super::place::Place;

/// Where the record of a letter lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Original {
    pub(crate) topic: String,
    pub(crate) place: Place,
}

/// Names and values of headers; names need not be UTF-8.
pub(crate) type HeaderPairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What a letter had to leave out for its size: its length, and the XXH3-64 of it in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) length: String,
    pub(crate) xxh3: String,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Where it lies itself.
    pub(crate) place: Place,
    pub(crate) original: Original,
    /// When the record was written, ms since 1970.
    pub(crate) original_timestamp_ms: i64,
    pub(crate) flow: String,
    /// The operator or sink that refused it.
    pub(crate) stage: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) attempts: String,
    pub(crate) first_failure_ms: i64,
    pub(crate) last_failure_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    /// The record's own headers, without the count of replays.
    pub(crate) headers: HeaderPairs,
    /// How often the record was replayed; more than we can count when the header is none of ours.
    pub(crate) replays: u32,
    pub(crate) value_left_out: Option<LeftOut>,
    pub(crate) key_left_out: Option<LeftOut>,
}

impl Letter {
    /// Takes a record of a dead-letter topic apart; `None`: it is no dead letter of a flow.
    ///
    /// What a flow has added are the last headers; whatever lies before is the record's own, also when it has such
    /// names.
    pub(crate) fn of(record: LoggedRecord) -> Option<Self> {
        let place = Place { partition: record.partition, offset: record.offset };
        let mut headers: HeaderPairs =
            record.headers().iter().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect();
        let [value_names, key_names] = LEFT_OUT_NAMES;
        let [key_left_out, value_left_out] = [key_names, value_names].map(|names| {
            let [length, xxh3] = take_last(&mut headers, names)?;
            Some(LeftOut { length, xxh3 })
        });
        let [topic, partition, offset, timestamp, flow, stage, reason, message, attempts, first, last] =
            take_last(&mut headers, HEADER_NAMES)?;
        let original_place = Place { partition: partition.parse().ok()?, offset: offset.parse().ok()? };
        let replays = count(&mut headers);
        Some(Self {
            place,
            original: Original { topic, place: original_place },
            original_timestamp_ms: timestamp.parse().ok()?,
            flow,
            stage,
            reason,
            message,
            attempts,
            first_failure_ms: first.parse().ok()?,
            last_failure_ms: last.parse().ok()?,
            key: record.key,
            value: record.value,
            headers,
            replays,
            value_left_out,
            key_left_out,
        })
    }

    /// Whether it holds all of the record.
    pub(crate) fn is_whole(&self) -> bool {
        self.value_left_out.is_none() && self.key_left_out.is_none()
    }

    /// About how many bytes it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + len(value));
        len(&self.key) + len(&self.value) + headers.sum::<usize>()
    }
}

/// Takes the last headers off, if they have these names; their values as text.
fn take_last<const N: usize>(headers: &mut HeaderPairs, names: [&str; N]) -> Option<[String; N]> {
    let first = headers.len().checked_sub(N)?;
    if !headers[first..].iter().zip(names).all(|((found, _), name)| found == name.as_bytes()) {
        return None;
    }
    let texts: Vec<String> = headers
        .drain(first..)
        .map(|(_, value)| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned())
        .collect();
    texts.try_into().ok()
}

/// Takes the count of replays off.
fn count(headers: &mut HeaderPairs) -> u32 {
    let is_count = |(name, _): &(Vec<u8>, _)| name == REPLAY_COUNT.as_bytes();
    let last = headers.iter().rfind(|header| is_count(header)).and_then(|(_, value)| value.clone());
    headers.retain(|header| !is_count(header));
    last.map_or(0, |value| {
        std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use thalweg::kafka::encode_headers;

    use super::*;

    /// A letter as a flow writes it, of a record with these headers.
    pub(crate) fn record(offset: i64, own: &[(&str, Option<&str>)], beyond: &[(&str, &str)]) -> LoggedRecord {
        let values = [
            "events",
            "5",
            "42",
            "1000",
            "search",
            "decode",
            "undecodable",
            "it is no JSON",
            "3",
            "11",
            "12",
        ];
        let ours = HEADER_NAMES.iter().copied().zip(values.map(Some));
        let beyond = beyond.iter().map(|(name, value)| (*name, Some(*value)));
        let all: Vec<_> = own.iter().copied().chain(ours).chain(beyond).collect();
        let pairs = all.iter().map(|(name, value)| (name.as_bytes(), value.map(str::as_bytes)));
        let mut headers = Vec::new();
        encode_headers(pairs, &mut headers);
        let (key, value) = (Some(b"k".to_vec()), Some(b"v".to_vec()));
        LoggedRecord { partition: 5, offset, timestamp_ms: 99, key, value, headers }
    }

    fn names(letter: &Letter) -> Vec<&str> {
        letter.headers.iter().map(|(name, _)| std::str::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn the_record_is_found_as_it_was() {
        let own = [("trace", Some("1")), ("nothing", None), ("dlq.reason", Some("mine"))];
        let letter = Letter::of(record(7, &own, &[])).unwrap();
        assert_eq!(letter.original, Original { topic: "events".into(), place: "5/42".parse().unwrap() });
        assert_eq!((letter.reason.as_str(), letter.last_failure_ms), ("undecodable", 12));
        assert_eq!(names(&letter), ["trace", "nothing", "dlq.reason"], "a record's own header stays");
        assert_eq!(letter.headers[1].1, None);
        assert_eq!((letter.replays, letter.is_whole()), (0, true));
    }

    #[test]
    fn the_count_of_replays_is_the_last_of_its_name() {
        let counted = |values: &[&'static str]| {
            let own: Vec<_> = values.iter().map(|value| (REPLAY_COUNT, Some(*value))).collect();
            let letter = Letter::of(record(0, &own, &[])).unwrap();
            assert_eq!(names(&letter), Vec::<&str>::new());
            letter.replays
        };
        assert_eq!([counted(&[]), counted(&["2"]), counted(&["9", "1"])], [0, 2, 1]);
        assert_eq!(
            [counted(&["many"]), counted(&["-1"])],
            [u32::MAX; 2],
            "what can't be counted is not replayed"
        );
    }

    #[test]
    fn what_was_left_out_is_known() {
        let value = [("dlq.value.length", "9"), ("dlq.value.xxh3", "ff")];
        let both = [value[0], value[1], ("dlq.key.length", "1"), ("dlq.key.xxh3", "ee")];
        let letter = Letter::of(record(0, &[("trace", Some("1"))], &value)).unwrap();
        assert_eq!(letter.value_left_out.as_ref().unwrap().length, "9");
        assert_eq!(
            (letter.key_left_out.is_none(), letter.is_whole(), names(&letter)),
            (true, false, vec!["trace"])
        );
        let letter = Letter::of(record(0, &[], &both)).unwrap();
        assert_eq!(letter.key_left_out.unwrap().xxh3, "ee");
    }

    #[test]
    fn what_is_no_letter_is_none() {
        let mut foreign = record(0, &[], &[("x", "y")]);
        assert_eq!(Letter::of(foreign.clone()), None, "something lies behind");
        foreign.headers.clear();
        assert_eq!(Letter::of(foreign), None);
    }
}

//! The sink for dead letters: the original record with headers that say where it came from and why it failed.

use std::collections::VecDeque;

use thalweg_core::dead_letter::{DeadLetter, DeadLetterSink};
use thalweg_core::failure::{Reason, RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::headers::{Headers, encode_headers};
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, SinkMachine};
use xxhash_rust::xxh3::xxh3_64;

use super::answer::{ItemAnswer, cut, decode_answers, unreadable};
use super::produce::Produce;
use super::sink::{PRODUCE, answer_body, request_for_all};

/// Names of the headers that a dead letter adds to the original's, in this order.
pub const HEADER_NAMES: [&str; 11] = [
    "dlq.original.topic",
    "dlq.original.partition",
    "dlq.original.offset",
    "dlq.original.timestamp",
    "dlq.flow",
    "dlq.stage",
    "dlq.reason",
    "dlq.message",
    "dlq.attempts",
    "dlq.first_failure",
    "dlq.last_failure",
];

/// Names of the headers that follow when the letter had to leave its value out, its key, or both (in this order).
pub const LEFT_OUT_NAMES: [[&str; 2]; 2] =
    [["dlq.value.length", "dlq.value.xxh3"], ["dlq.key.length", "dlq.key.xxh3"]];

/// `dlq.message` is cut to this: enough for what outside systems say, and never what makes a letter too large.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// Writes dead letters to one topic, each to the partition number that its original had.
///
/// A letter that the broker refuses for its size is not lost: it goes out again alone (its size may have been that of
/// its neighbours), then without its value, then without key and original headers; what is left out is named by
/// length and hash.
///
/// Letters of one key go out one after the other, in the order in which they arose: the next waits while one is tried
/// again, for its size or because the topic failed. Letters of other keys do not wait, and may lie before it. Letters
/// arise when records fail, so that of a record that was retried for long lies behind those of later records of its key
/// (of other documents, or rejected by an operator) that failed at once; and after a crash letters may be written
/// again.
#[derive(Debug)]
pub struct DeadLetters {
    topic: String,
    /// By lane: letters of its flight that were too large and go out again one by one.
    resends: Vec<VecDeque<Resend>>,
}

/// A letter that was too large, and how it is tried next.
#[derive(Debug, Clone, Copy)]
struct Resend {
    index: usize,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Alone,
    WithoutValue,
    Bare,
}

impl Form {
    fn smaller(self) -> Option<Self> {
        match self {
            Self::Alone => Some(Self::WithoutValue),
            Self::WithoutValue => Some(Self::Bare),
            Self::Bare => None,
        }
    }
}

impl DeadLetters {
    /// A sink for the dead-letter topic of that name.
    #[must_use]
    pub fn new(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), resends: Vec::new() }
    }

    fn waiting(&mut self, lane: LaneId) -> &mut VecDeque<Resend> {
        let index = usize::from(lane.0);
        if self.resends.len() <= index {
            self.resends.resize_with(index + 1, VecDeque::new);
        }
        &mut self.resends[index]
    }

    /// The request for the letter that waits first, if one does.
    fn next_resend(&mut self, lane: LaneId, flight: &Flight) -> Next {
        let Some(resend) = self.waiting(lane).front().copied() else { return Next::Settled };
        match encode_form(flight.effect(resend.index), resend.form) {
            Some(body) => Next::Send(Request { operation: PRODUCE, body }),
            None => Next::Failed(RequestFailure::Unknown(unreadable())),
        }
    }

    /// Judges the answers to the request that carried the whole flight.
    fn judge_all(&mut self, lane: LaneId, flight: &mut Flight, body: &[u8]) -> Next {
        let Some(answers) = decode_answers(body, flight.len()) else {
            return Next::Failed(RequestFailure::Unknown(unreadable()));
        };
        let form = if flight.len() == 1 { Form::WithoutValue } else { Form::Alone };
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                ItemAnswer::TooLarge(_) => self.waiting(lane).push_back(Resend { index, form }),
                answer => flight.settle(index, verdict(answer)),
            }
        }
        self.next_resend(lane, flight)
    }

    /// Judges the answer to a letter that went out again alone.
    fn judge_one(&mut self, lane: LaneId, flight: &mut Flight, resend: Resend, body: &[u8]) -> Next {
        let mut rest = body;
        let Some(answer) = ItemAnswer::decode(&mut rest).filter(|_| rest.is_empty()) else {
            self.waiting(lane).clear();
            return Next::Failed(RequestFailure::Unknown(unreadable()));
        };
        match (answer, resend.form.smaller()) {
            (ItemAnswer::TooLarge(_), Some(form)) => {
                if let Some(first) = self.waiting(lane).front_mut() {
                    first.form = form;
                }
            }
            (answer, _) => {
                self.waiting(lane).pop_front();
                flight.settle(resend.index, verdict(answer));
            }
        }
        self.next_resend(lane, flight)
    }
}

impl SinkMachine for DeadLetters {
    fn begin(&mut self, lane: LaneId, flight: &mut Flight) -> Next {
        self.waiting(lane).clear();
        Next::Send(request_for_all(flight))
    }

    fn resume(&mut self, lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let body = match answer_body(reply) {
            Ok(body) => body,
            Err(failure) => {
                self.waiting(lane).clear();
                return Next::Failed(failure);
            }
        };
        match self.waiting(lane).front().copied() {
            None => self.judge_all(lane, flight, &body),
            Some(resend) => self.judge_one(lane, flight, resend, &body),
        }
    }

    /// Letters of one request can fail independently, for their size or otherwise, and go out again after it.
    fn one_per_domain(&self) -> bool {
        true
    }
}

impl DeadLetterSink for DeadLetters {
    fn encode(&self, letter: &DeadLetter<'_>, into: &mut Vec<u8>) -> Domain {
        let record = letter.record;
        let values = header_values(letter);
        let ours =
            HEADER_NAMES.iter().zip(&values).map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        let pairs: Vec<_> = record.headers.iter().chain(ours).collect();
        let mut headers = Vec::new();
        encode_headers(pairs.into_iter(), &mut headers);
        Produce {
            topic: &self.topic,
            partition: Some(letter.partition_number),
            key: record.key,
            value: record.value,
            headers: Headers::new(&headers),
        }
        .encode(into);
        Domain(record.key_hash())
    }
}

/// A dead letter is never dead-lettered itself: whatever is wrong with it is the topic's state, and its key waits.
fn verdict(answer: ItemAnswer) -> Verdict {
    match answer {
        ItemAnswer::TooLarge(message) | ItemAnswer::Invalid(message) => {
            Verdict::SinkDown(Reason::new("dead_letter_refused", message))
        }
        answer => answer.verdict(),
    }
}

/// The values of [`HEADER_NAMES`], as text.
fn header_values(letter: &DeadLetter<'_>) -> [String; HEADER_NAMES.len()] {
    let position = letter.record.position;
    [
        letter.topic.to_owned(),
        letter.partition_number.to_string(),
        position.offset.to_string(),
        letter.record.timestamp_ms.to_string(),
        letter.flow.to_owned(),
        letter.stage.to_owned(),
        letter.reason.class.to_owned(),
        cut(&letter.reason.message, MESSAGE_BYTES_MAX).to_owned(),
        letter.attempts.to_string(),
        letter.first_failure_ms.to_string(),
        letter.last_failure_ms.to_string(),
    ]
}

/// The encoded letter in a smaller form; `None` when the bytes are not an encoded letter.
fn encode_form(encoded: &[u8], form: Form) -> Option<Vec<u8>> {
    if form == Form::Alone {
        return Some(encoded.to_vec());
    }
    let letter = Produce::decode(&mut &*encoded)?;
    let all: Vec<_> = letter.headers.iter().collect();
    let kept = if form == Form::Bare { all.len().saturating_sub(HEADER_NAMES.len()) } else { 0 };
    let value = letter.value.map(fingerprint);
    let key = letter.key.filter(|_| form == Form::Bare).map(fingerprint);
    let mut pairs: Vec<_> = all.into_iter().skip(kept).collect();
    for (names, parts) in LEFT_OUT_NAMES.into_iter().zip([&value, &key]) {
        for (name, text) in names.iter().zip(parts.iter().flatten()) {
            pairs.push((name.as_bytes(), Some(text.as_bytes())));
        }
    }
    let mut headers = Vec::new();
    encode_headers(pairs.into_iter(), &mut headers);
    let key = letter.key.filter(|_| form != Form::Bare);
    let mut bytes = Vec::new();
    Produce { key, value: None, headers: Headers::new(&headers), ..letter }.encode(&mut bytes);
    Some(bytes)
}

/// Length (decimal) and XXH3-64 (hexadecimal) of what a letter leaves out.
fn fingerprint(bytes: &[u8]) -> [String; 2] {
    [bytes.len().to_string(), format!("{:016x}", xxh3_64(bytes))]
}

#[cfg(test)]
mod tests {
    use thalweg_core::position::{Epoch, PartitionId, Position};
    use thalweg_core::record::Record;

    use super::*;

    const LANE: LaneId = LaneId(3);

    fn letter_bytes(key: &[u8], value: &[u8], message: &str) -> (Domain, Vec<u8>) {
        let mut headers = Vec::new();
        encode_headers([(b"trace".as_slice(), Some(b"1".as_slice()))].into_iter(), &mut headers);
        let record = Record {
            position: Position { partition: PartitionId(7), epoch: Epoch(2), offset: 42 },
            timestamp_ms: 1_000,
            key: Some(key),
            value: Some(value),
            headers: Headers::new(&headers),
        };
        let letter = DeadLetter {
            record: &record,
            topic: "events",
            partition_number: 5,
            flow: "search",
            stage: "decode",
            reason: &Reason::new("undecodable", message.to_owned()),
            attempts: 3,
            first_failure_ms: 11,
            last_failure_ms: 12,
        };
        let mut bytes = Vec::new();
        let domain = DeadLetters::new("events.dlq").encode(&letter, &mut bytes);
        (domain, bytes)
    }

    fn flight_of(letters: &[(Domain, Vec<u8>)]) -> Flight {
        Flight::of_effects(
            letters.iter().zip(0..).map(|((domain, bytes), offset)| (offset, *domain, &bytes[..])),
        )
    }

    fn reply(answers: &[ItemAnswer]) -> Reply {
        let mut body = Vec::new();
        answers.iter().for_each(|answer| answer.encode(&mut body));
        Reply::Answer { status: 0, body }
    }

    fn sent(next: &Next) -> Produce<'_> {
        let Next::Send(request) = next else { panic!("expected a request, got {next:?}") };
        Produce::decode(&mut request.body.as_slice()).unwrap()
    }

    fn text(letter: &Produce<'_>, name: &str) -> Option<String> {
        letter.headers.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn a_letter_carries_the_original_and_says_why() {
        let (_, bytes) = letter_bytes(b"k", b"v", &"ä".repeat(600));
        let letter = Produce::decode(&mut bytes.as_slice()).unwrap();
        assert_eq!((letter.topic, letter.partition), ("events.dlq", Some(5)));
        assert_eq!((letter.key, letter.value), (Some(b"k".as_slice()), Some(b"v".as_slice())));
        let expected = [
            ("trace", "1".to_owned()),
            ("dlq.original.topic", "events".to_owned()),
            ("dlq.original.partition", "5".to_owned()),
            ("dlq.original.offset", "42".to_owned()),
            ("dlq.original.timestamp", "1000".to_owned()),
            ("dlq.flow", "search".to_owned()),
            ("dlq.stage", "decode".to_owned()),
            ("dlq.reason", "undecodable".to_owned()),
            ("dlq.message", "ä".repeat(500)),
            ("dlq.attempts", "3".to_owned()),
            ("dlq.first_failure", "11".to_owned()),
            ("dlq.last_failure", "12".to_owned()),
        ];
        let found: Vec<_> = letter
            .headers
            .iter()
            .map(|(name, value)| {
                (std::str::from_utf8(name).unwrap(), String::from_utf8(value.unwrap().to_vec()).unwrap())
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_letter_that_is_too_large_shrinks_until_it_is_taken() {
        let letters = [letter_bytes(b"a", b"small", "m"), letter_bytes(b"b", b"large", "m")];
        let mut flight = flight_of(&letters);
        let mut sink = DeadLetters::new("events.dlq");
        let _ = sink.begin(LANE, &mut flight);
        let too_large = || ItemAnswer::TooLarge(String::new());

        let next = sink.resume(LANE, &mut flight, reply(&[ItemAnswer::Delivered, too_large()]));
        assert_eq!(sent(&next).value, Some(b"large".as_slice()), "first alone, as it was");

        let next = sink.resume(LANE, &mut flight, reply(&[too_large()]));
        let letter = sent(&next);
        assert_eq!((letter.key, letter.value), (Some(b"b".as_slice()), None));
        assert_eq!(text(&letter, "dlq.value.length").as_deref(), Some("5"));
        assert_eq!(text(&letter, "dlq.value.xxh3"), Some(format!("{:016x}", xxh3_64(b"large"))));
        assert_eq!(text(&letter, "trace").as_deref(), Some("1"));
        assert_eq!(text(&letter, "dlq.original.offset").as_deref(), Some("42"));

        let next = sink.resume(LANE, &mut flight, reply(&[too_large()]));
        let letter = sent(&next);
        assert_eq!((letter.key, letter.value, letter.partition), (None, None, Some(5)));
        assert_eq!(text(&letter, "trace"), None);
        assert_eq!(text(&letter, "dlq.original.offset").as_deref(), Some("42"));
        assert_eq!(text(&letter, "dlq.key.length").as_deref(), Some("1"));

        assert!(matches!(sink.resume(LANE, &mut flight, reply(&[ItemAnswer::Delivered])), Next::Settled));
        assert_eq!(flight.verdicts(), [Some(Verdict::Done), Some(Verdict::Done)]);
    }

    #[test]
    fn a_topic_that_takes_no_letter_at_all_is_down_and_nothing_is_dropped() {
        let mut flight = flight_of(&[letter_bytes(b"a", b"v", "m")]);
        let mut sink = DeadLetters::new("events.dlq");
        let _ = sink.begin(LANE, &mut flight);
        let too_large = || reply(&[ItemAnswer::TooLarge(String::new())]);
        assert_eq!(sent(&sink.resume(LANE, &mut flight, too_large())).value, None, "alone it was already");
        let _ = sink.resume(LANE, &mut flight, too_large());
        assert!(matches!(sink.resume(LANE, &mut flight, too_large()), Next::Settled));
        assert!(matches!(flight.verdicts(), [Some(Verdict::SinkDown(_))]));
    }

    #[test]
    fn a_failure_while_resending_ends_the_flight_and_the_next_begins_afresh() {
        let mut flight = flight_of(&[letter_bytes(b"a", b"v", "m")]);
        let mut sink = DeadLetters::new("events.dlq");
        let _ = sink.begin(LANE, &mut flight);
        let _ = sink.resume(LANE, &mut flight, reply(&[ItemAnswer::TooLarge(String::new())]));
        let next = sink.resume(LANE, &mut flight, Reply::Unknown("gone".into()));
        assert!(matches!(next, Next::Failed(RequestFailure::Unknown(_))));

        let mut flight = flight_of(&[letter_bytes(b"a", b"v", "m")]);
        assert_eq!(sent(&sink.begin(LANE, &mut flight)).value, Some(b"v".as_slice()));
        assert!(matches!(sink.resume(LANE, &mut flight, reply(&[ItemAnswer::Delivered])), Next::Settled));
        assert_eq!(flight.verdicts(), [Some(Verdict::Done)]);
    }
}

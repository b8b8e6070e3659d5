//! Dead letters on their way out, counted by reason.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;
use thalweg_connectors::kafka::answer::{ItemAnswer, decode_answers};
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::producer::KafkaProducer;
use thalweg_core::sink::{Reply, Request};

use crate::flow::{Connection, Waiting};
use crate::page::latest_letters::{LETTERS_MAX, LatestLetters, Letter};

/// Acknowledged dead letters of this process, by reason.
pub(crate) type LetterCounts = Arc<Mutex<BTreeMap<String, u64>>>;

/// More reasons than any flow has; whatever comes beyond is counted as `other`.
const REASONS_MAX: usize = 100;

/// Writes dead letters.
pub(crate) struct LetterConnection {
    pub(crate) producer: KafkaProducer,
    pub(crate) counts: LetterCounts,
    pub(crate) latest: LatestLetters,
}

impl Connection for LetterConnection {
    fn send(self: Rc<Self>, request: Request) -> Waiting<'static, Reply> {
        Box::pin(async move {
            let reasons = reasons(&request.body);
            let latest = last_of(&self.latest, &request.body, reasons.len());
            let reply = self.producer.send(request).await;
            if let Reply::Answer { body, .. } = &reply {
                self.count(&reasons, body);
                self.note(latest, reasons.len(), body);
            }
            reply
        })
    }
}

/// Notes letters, side by side in their encoding, that were committed with their transaction.
pub(crate) fn note_committed(counts: &LetterCounts, latest: &LatestLetters, letters: &[u8]) {
    let reasons = reasons(letters);
    count(counts, reasons.iter());
    last_of(latest, letters, reasons.len()).into_iter().for_each(|letter| latest.note(letter));
}

fn count<'r>(counts: &LetterCounts, reasons: impl Iterator<Item = &'r String>) {
    let mut counts = counts.lock();
    for reason in reasons {
        let known = counts.contains_key(reason) || counts.len() < REASONS_MAX;
        let name = if known { reason.as_str() } else { "other" };
        *counts.entry(name.to_owned()).or_default() += 1;
    }
}

/// The last of so many letters, as many as are shown.
fn last_of(latest: &LatestLetters, mut letters: &[u8], count: usize) -> Vec<Letter> {
    let all = std::iter::from_fn(|| Produce::decode(&mut letters));
    all.skip(count.saturating_sub(LETTERS_MAX)).map(|letter| latest.describe(&letter)).collect()
}

impl LetterConnection {
    fn count(&self, reasons: &[String], answers: &[u8]) {
        let answers = decode_answers(answers, reasons.len()).unwrap_or_default();
        let delivered = reasons.iter().zip(answers).filter(|(_, answer)| *answer == ItemAnswer::Delivered);
        count(&self.counts, delivered.map(|(reason, _)| reason));
    }

    /// Notes those of the last letters that were acknowledged.
    fn note(&self, latest: Vec<Letter>, letters: usize, answers: &[u8]) {
        let answers = decode_answers(answers, letters).unwrap_or_default();
        let answers = answers.into_iter().skip(letters.saturating_sub(LETTERS_MAX));
        let delivered =
            latest.into_iter().zip(answers).filter(|(_, answer)| *answer == ItemAnswer::Delivered);
        delivered.for_each(|(letter, _)| self.latest.note(letter));
    }
}

/// The reason of each letter of a request.
fn reasons(mut body: &[u8]) -> Vec<String> {
    let mut reasons = Vec::new();
    while let Some(letter) = Produce::decode(&mut body) {
        let reason = letter.headers.get("dlq.reason").unwrap_or(b"other");
        reasons.push(String::from_utf8_lossy(reason).into_owned());
    }
    reasons
}

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
            let latest = self.latest(&request.body, reasons.len());
            let reply = self.producer.send(request).await;
            if let Reply::Answer { body, .. } = &reply {
                self.count(&reasons, body);
                self.note(latest, reasons.len(), body);
            }
            reply
        })
    }
}

impl LetterConnection {
    fn count(&self, reasons: &[String], answers: &[u8]) {
        let answers = decode_answers(answers, reasons.len()).unwrap_or_default();
        let mut counts = self.counts.lock();
        for (reason, _) in reasons.iter().zip(answers).filter(|(_, answer)| *answer == ItemAnswer::Delivered)
        {
            let known = counts.contains_key(reason) || counts.len() < REASONS_MAX;
            let name = if known { reason.as_str() } else { "other" };
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// The last letters of a request of so many, as many as are shown.
    fn latest(&self, mut body: &[u8], letters: usize) -> Vec<Letter> {
        let letters_of_body = std::iter::from_fn(|| Produce::decode(&mut body));
        let last = letters_of_body.skip(letters.saturating_sub(LETTERS_MAX));
        last.map(|letter| self.latest.describe(&letter)).collect()
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

//! Answers on their way back to who asked.

use thalweg::flow::{Outgoing, OutputTopic};
use thalweg::kafka::{Headers, encode_headers};
use thalweg::{Record, Run};

use crate::answer::Answer;

/// What tells the commands of one instance apart: the header of a command that its answer carries too.
pub const CORRELATION_ID: &str = "correlation-id";

/// The topic of answers.
#[derive(Debug)]
pub struct Replies(pub OutputTopic);

impl Replies {
    /// Answers the command that the record holds, as a part of the run. One that nobody waits for has no correlation id.
    pub fn send(&self, run: &mut Run<'_>, record: &Record<'_>, answer: &Answer) {
        let Some(correlation_id) = record.headers.get(CORRELATION_ID) else { return };
        let status = answer.status.to_string();
        let (mut headers, body) = (Vec::new(), answer.body.to_string());
        let pairs = [
            (CORRELATION_ID.as_bytes(), Some(correlation_id)),
            (b"status".as_slice(), Some(status.as_bytes())),
            (b"content-type".as_slice(), Some(answer.content_type().as_bytes())),
        ];
        encode_headers(pairs.into_iter(), &mut headers);
        let reply = Outgoing {
            key: Some(correlation_id),
            value: Some(body.as_bytes()),
            headers: Headers::new(&headers),
        };
        self.0.send(run, reply);
    }
}

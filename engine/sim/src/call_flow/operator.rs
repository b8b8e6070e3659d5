//! The operator, which asks for calls, and what it makes of their answers.

use thalweg_connectors::http::{Call, Conclusion, Ended, HttpSink, Method};
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_core::failure::Reason;
use thalweg_core::headers::Headers;
use thalweg_core::operator::{Operator, Output, Step};
use thalweg_core::record::Record;
use thalweg_core::sink::{FollowUp, SinkHandle};

use super::{CALLS, VERDICTS};

/// Charges orders: a record's key names the order, its value is the amount.
#[derive(Debug)]
pub struct ChargeOperator {
    provider: SinkHandle<HttpSink>,
}

impl ChargeOperator {
    pub(super) fn new(provider: SinkHandle<HttpSink>) -> Self {
        Self { provider }
    }
}

impl Operator for ChargeOperator {
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step {
        let (Some(key), Some(value)) = (record.key, record.value) else {
            return Step::Rejected(Reason::new("undecodable", "an order has a key and an amount"));
        };
        let amount = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok());
        match amount {
            None => return Step::Rejected(Reason::new("undecodable", "the amount is no number")),
            Some(0) => return Step::Filtered("nothing to charge"),
            Some(_) => {}
        }
        let place = format!("{}-{}", record.position.partition.0, record.position.offset);
        let lookup = (record.position.offset % 2 == 0).then(|| format!("/charges/{place}"));
        out.send(
            self.provider,
            Call {
                method: Method::Post,
                path: "/charges",
                headers: Headers::default(),
                body: value,
                idempotency_key: &place,
                note: key,
                lookup: lookup.as_deref(),
            },
        );
        Step::Done
    }
}

/// The record that follows from an answer: the order's key, and `PARTITION-OFFSET STATUS BODY`.
pub(super) fn concludes(call: &Call<'_>, ended: Ended<'_>) -> Conclusion {
    let told = match ended {
        // What the ledger has: status and body.
        Ended::Found { body } => String::from_utf8_lossy(body).into_owned(),
        // An invalid amount is nobody's business but ours.
        Ended::Refused { status: 422, .. } => return Conclusion::Nothing,
        Ended::GaveUp { .. } if call.body.ends_with(b"8") => return Conclusion::Nothing,
        Ended::Done { status, body } | Ended::Refused { status, body } => {
            format!("{status} {}", String::from_utf8_lossy(body))
        }
        Ended::GaveUp { .. } => "gave up".to_owned(),
    };
    let value = format!("{} {told}", call.idempotency_key);
    let record = Produce {
        topic: VERDICTS,
        partition: None,
        key: Some(call.note),
        value: Some(value.as_bytes()),
        headers: Headers::default(),
    };
    Conclusion::FollowUp(FollowUp::new(SinkHandle::<KafkaSink>::new(CALLS as u8 + 1), record))
}

//! The sink that writes records to topics.

use thalweg_core::exactly_once::TransactionalSink;
use thalweg_core::failure::{Reason, RequestFailure};
use thalweg_core::flight::Flight;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, Sink, SinkMachine};

use super::answer::{decode_answers, unreadable};
use super::produce::Produce;

/// The one operation of the Kafka sink: the body holds encoded [`Produce`]s side by side; the answer's body holds as
/// many [`super::answer::ItemAnswer`]s.
pub const PRODUCE: u8 = 1;

/// Writes [`Produce`] effects. Every flight is one request; the idempotent client keeps the order within it and
/// retries without end, so this sink never does.
#[derive(Debug, Default)]
pub struct KafkaSink;

impl SinkMachine for KafkaSink {
    fn begin(&mut self, _lane: LaneId, flight: &mut Flight) -> Next {
        Next::Send(request_for_all(flight))
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let body = match answer_body(reply) {
            Ok(body) => body,
            Err(failure) => return Next::Failed(failure),
        };
        let Some(answers) = decode_answers(&body, flight.len()) else {
            return Next::Failed(RequestFailure::Unknown(unreadable()));
        };
        for (index, answer) in answers.into_iter().enumerate() {
            flight.settle(index, answer.verdict());
        }
        Next::Settled
    }

    fn one_per_domain(&self) -> bool {
        false
    }
}

impl Sink for KafkaSink {
    type Effect<'e> = Produce<'e>;

    fn encode(effect: Produce<'_>, into: &mut Vec<u8>) -> Domain {
        effect.encode(into);
        effect.domain()
    }
}

/// In an exactly-once flow the effects are part of the worker's transaction.
impl TransactionalSink for KafkaSink {}

/// The request that writes every effect of the flight, in order.
pub(crate) fn request_for_all(flight: &Flight) -> Request {
    let mut body = Vec::new();
    for index in 0..flight.len() {
        body.extend_from_slice(flight.effect(index));
    }
    Request { operation: PRODUCE, body }
}

/// The bytes of the answer, or why there is none.
pub(crate) fn answer_body(reply: Reply) -> Result<Vec<u8>, RequestFailure> {
    match reply {
        Reply::Answer { body, .. } => Ok(body),
        Reply::NotSent(why) => Err(RequestFailure::SinkDown(Reason::new("producer_failed", why))),
        Reply::Unknown(why) => Err(RequestFailure::Unknown(Reason::new("producer_failed", why))),
    }
}

#[cfg(test)]
mod tests {
    use thalweg_core::failure::Verdict;
    use thalweg_core::headers::Headers;

    use super::super::answer::ItemAnswer;
    use super::*;

    fn flight_of(keys: &[&[u8]]) -> Flight {
        let encoded: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut bytes = Vec::new();
                let effect = Produce {
                    topic: "t",
                    partition: None,
                    key: Some(key),
                    value: Some(b"v"),
                    headers: Headers::default(),
                };
                let domain = KafkaSink::encode(effect, &mut bytes);
                (domain, bytes)
            })
            .collect();
        Flight::of_effects(
            encoded.iter().zip(0..).map(|((domain, bytes), offset)| (offset, *domain, &bytes[..])),
        )
    }

    #[test]
    fn each_record_is_judged_by_its_own_answer() {
        let mut flight = flight_of(&[b"a", b"b", b"c", b"d"]);
        let Next::Send(request) = KafkaSink.begin(LaneId(0), &mut flight) else { panic!("a request") };
        let mut rest = request.body.as_slice();
        let keys: Vec<_> = std::iter::from_fn(|| Produce::decode(&mut rest))
            .map(|record| record.key.unwrap().to_vec())
            .collect();
        assert_eq!(keys, [b"a", b"b", b"c", b"d"]);

        let mut body = Vec::new();
        for answer in [
            ItemAnswer::Delivered,
            ItemAnswer::TooLarge("1".into()),
            ItemAnswer::Refused("2".into()),
            ItemAnswer::Failed("3".into()),
        ] {
            answer.encode(&mut body);
        }
        let next = KafkaSink.resume(LaneId(0), &mut flight, Reply::Answer { status: 0, body });
        assert!(matches!(next, Next::Settled));
        assert!(matches!(
            flight.verdicts(),
            [
                Some(Verdict::Done),
                Some(Verdict::Refused(_)),
                Some(Verdict::SinkDown(_)),
                Some(Verdict::Unknown(_))
            ]
        ));
    }

    #[test]
    fn an_answer_that_does_not_fit_leaves_the_outcome_unknown() {
        let mut flight = flight_of(&[b"a", b"b"]);
        let _ = KafkaSink.begin(LaneId(0), &mut flight);
        let mut body = Vec::new();
        ItemAnswer::Delivered.encode(&mut body);
        let next = KafkaSink.resume(LaneId(0), &mut flight, Reply::Answer { status: 0, body });
        assert!(matches!(next, Next::Failed(RequestFailure::Unknown(_))));
    }
}

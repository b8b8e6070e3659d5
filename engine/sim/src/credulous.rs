//! A dead-letter sink that takes refusals for acknowledgements: two of the sabotages.

use thalweg_connectors::kafka::answer::ItemAnswer;
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_core::dead_letter::{DeadLetter, DeadLetterSink};
use thalweg_core::flight::Flight;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, SinkMachine};

use crate::sabotage::Sabotage;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Credulous {
    sink: DeadLetters,
    sabotage: Sabotage,
}

impl Credulous {
    pub(crate) fn new(sink: DeadLetters, sabotage: Sabotage) -> Self {
        Self { sink, sabotage }
    }

    fn believe(&self, body: &[u8]) -> Vec<u8> {
        let (mut rest, mut believed) = (body, Vec::new());
        while let Some(answer) = ItemAnswer::decode(&mut rest) {
            let large = matches!(answer, ItemAnswer::TooLarge(_));
            let believes = self.sabotage == Sabotage::DeadLettersBelieved || large;
            let answer = if believes { ItemAnswer::Delivered } else { answer };
            answer.encode(&mut believed);
        }
        believed
    }
}

impl SinkMachine for Credulous {
    fn begin(&mut self, lane: LaneId, flight: &mut Flight) -> Next {
        self.sink.begin(lane, flight)
    }

    fn resume(&mut self, lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let reply = match reply {
            Reply::Answer { status, body } => Reply::Answer { status, body: self.believe(&body) },
            reply => reply,
        };
        self.sink.resume(lane, flight, reply)
    }

    fn one_per_domain(&self) -> bool {
        self.sink.one_per_domain()
    }
}

impl DeadLetterSink for Credulous {
    fn encode(&self, letter: &DeadLetter<'_>, into: &mut Vec<u8>) -> Domain {
        self.sink.encode(letter, into)
    }
}

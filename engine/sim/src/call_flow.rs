//! A flow of calls: each order is charged by a provider over HTTP, and the provider's answer becomes a record.
//!
//! The provider tells every other call by its key when it is made again; the others are looked up before they are made, and
//! must be made once.
//!
//! What it shows beside [`crate::message_flow`]: an effect that leads to another (a follow-up), with a sink that takes one
//! item a request and has many lanes.

mod operator;
mod outside;
mod provider;
mod reader;

use thalweg_connectors::http::{Conflict, HttpSink, Limits};
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_core::SinkSettings;
use thalweg_core::sink::{FollowUps, SinkHandle, SinkMachine};

use crate::flow::Flow;
use crate::plan::TRAVEL_MS_MAX;
use crate::sabotage::{Behaviour, Sabotage};
pub use operator::ChargeOperator;
pub use outside::CallWorld;

/// Where the provider's answers go.
const VERDICTS: &str = "charged";

/// The sink of the calls, then that of the records that follow.
const CALLS: usize = 0;

/// A follow-up is a few dozen bytes.
const FOLLOW_UP_BYTES_MAX: u32 = 300;

/// Orders to charges, charges to records.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallFlow;

impl Flow for CallFlow {
    type Operator = ChargeOperator;
    type Outside = CallWorld;

    fn name(&self) -> &'static str {
        "charges"
    }

    fn event_id_header(&self) -> Option<&'static str> {
        Some("message-id")
    }

    fn operator(&self) -> ChargeOperator {
        ChargeOperator::new(SinkHandle::new(CALLS as u8))
    }

    fn sinks(&self, behaviour: Behaviour) -> Vec<(&'static str, Box<dyn SinkMachine>)> {
        let limits = Limits {
            conflict: Conflict::InProgress,
            idempotency_header: "idempotency-key".to_owned(),
            follow_ups: Some(FollowUps { sink: CALLS as u8 + 1, bytes_max: FOLLOW_UP_BYTES_MAX }),
            // A request arrives within this time, or never; and then it has its effect at once.
            settle_ms: if behaviour.0 == Some(Sabotage::CallsNotSettled) { 0 } else { TRAVEL_MS_MAX },
            request_timeout_ms: 0,
        };
        let concludes = Box::new(operator::concludes);
        vec![("provider", Box::new(HttpSink::new(limits, concludes))), (VERDICTS, Box::new(KafkaSink))]
    }

    fn sink_settings(&self, sink: usize, drawn: SinkSettings) -> SinkSettings {
        if sink != CALLS {
            return drawn;
        }
        let mut settings = drawn;
        settings.lanes = drawn.lanes.saturating_mul(16);
        settings.pacing.items_max = 1;
        // So few, that some calls are given up.
        settings.attempts_max = Some(3);
        settings
    }

    fn keeps_up_with_each_key(&self) -> bool {
        false
    }

    fn outside(&self, partitions: u32, _window: u64) -> CallWorld {
        CallWorld::new(partitions)
    }
}

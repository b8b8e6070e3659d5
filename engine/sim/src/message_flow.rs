//! A flow to simulate, and an example of how to bring one's own: message events become documents of a search index.
//!
//! [`operator`] is what would run in production, the rest is the world around it.

mod operator;
mod outside;
mod reader;
mod traffic;

use thalweg_connectors::elasticsearch::{DocumentOptions, DocumentSink};
use thalweg_core::sink::{SinkHandle, SinkMachine};

use crate::flow::Flow;
use crate::sabotage::Behaviour;
pub use operator::MessageOperator;
pub use outside::MessageWorld;

/// Message events to documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageFlow;

impl Flow for MessageFlow {
    type Operator = MessageOperator;
    type Outside = MessageWorld;

    fn name(&self) -> &'static str {
        "messages"
    }

    fn event_id_header(&self) -> Option<&'static str> {
        Some("message-id")
    }

    fn operator(&self) -> MessageOperator {
        MessageOperator::new(SinkHandle::new(0))
    }

    fn sinks(&self, behaviour: Behaviour) -> Vec<(&'static str, Box<dyn SinkMachine>)> {
        // So little memory for bases that some are remembered and some must be read.
        let options = DocumentOptions { bases_bytes: 6_000, ..DocumentOptions::default() };
        vec![("index", Box::new(DocumentSink::with_rules(options, behaviour)))]
    }

    fn outside(&self, partitions: u32, window: u64) -> MessageWorld {
        MessageWorld::new(partitions, window)
    }
}

//! Elasticsearch's twin: one index behind one alias, with the semantics the document sink relies on.
//!
//! What it keeps of the real one: external versions and their conflicts, guarded deletes, deletes that are forgotten
//! after a while or by a restart, strict mappings, per-item results, gets that see through the alias's filter while
//! searches don't, an index that must be there. Everything happens in the order of the calls; nothing is random: which
//! requests and items fail is the caller's decision ([`Faults`]).

mod action;
mod answers;
mod document;
mod fault;
mod index;
mod mapping;
mod requests;

use thalweg_connectors::elasticsearch::{Operation, Target};
use thalweg_core::sink::Request;

pub use fault::{Faults, NoFaults};
pub use index::Stored;

use index::Index;

/// A cluster of one index.
#[derive(Debug, Clone)]
pub struct ElasticsearchTwin {
    target: Target,
    index: Option<Index>,
}

impl ElasticsearchTwin {
    /// A cluster without the index.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, index: None }
    }

    /// Answers a request: the HTTP status and the body. Whether the answer arrives is the caller's decision.
    pub fn answer(&mut self, request: &Request, faults: &mut impl Faults) -> (u16, Vec<u8>) {
        let Some(operation) = Operation::of(request.operation) else {
            return answers::refused(405, "illegal_argument_exception", "no such operation");
        };
        if let Some(status) = faults.request(operation) {
            return fault::request_answer(status);
        }
        match operation {
            Operation::Bulk => requests::bulk(&self.target, self.index.as_mut(), &request.body, faults),
            Operation::Mget => requests::multi_get(&self.target, self.index.as_ref(), &request.body, faults),
            Operation::ReadIndex => requests::read_index(&self.target, self.index.as_ref()),
            Operation::CreateIndex => requests::create_index(&self.target, &mut self.index, &request.body),
            Operation::PutMapping => requests::put_mapping(&self.target, self.index.as_mut(), &request.body),
            Operation::SearchTombstones => {
                requests::search_tombstones(&self.target, self.index.as_ref(), &request.body)
            }
            Operation::Search => {
                answers::refused(400, "parsing_exception", "no flow searches, and this twin does not")
            }
            Operation::Health => (200, br#"{"status":"green"}"#.to_vec()),
        }
    }

    /// What a restart, or `index.gc_deletes`, does: real deletes are forgotten, with their versions.
    pub fn forget_deletes(&mut self) {
        if let Some(index) = &mut self.index {
            index.forget_deletes();
        }
    }

    /// Blocks or allows writes, as a full disk does.
    pub fn block_writes(&mut self, blocked: bool) {
        if let Some(index) = &mut self.index {
            index.write_blocked = blocked;
        }
    }

    /// Loses the index, with its alias.
    pub fn drop_index(&mut self) {
        self.index = None;
    }

    /// Every document in the index, tombstones too, by id.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.index.iter().flat_map(Index::documents)
    }
}

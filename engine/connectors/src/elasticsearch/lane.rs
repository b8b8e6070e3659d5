//! One lane of the sink: the flight it is busy with, and the bases it remembers.

use thalweg_core::failure::{Reason, RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::position::Position;
use thalweg_core::sink::Next;

use super::answer::{self, ReadDocument};
use super::bases::{Base, Bases};
use super::bulk;
use super::document::{Effect, Kind};
use super::judge;
use super::merge::{self, Merged};
use super::operation::Operation;
use super::rules::{Rule, Rules};
use super::sink::{Terms, too_large};

/// Merged documents of a flight are put together in a buffer that keeps at most this much for the next one: those of
/// 1,000 usual documents fit.
const WARM_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Lane {
    bases: Bases,
    stage: Stage,
    /// Effects (by index in the flight) whose base is being read.
    reads: Vec<usize>,
    /// Effects to be written, in the order of the bulk request.
    writes: Vec<Write>,
    /// Documents merged for this flight, one after the other.
    merged: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Reading,
    Writing,
}

/// One write of the flight.
#[derive(Debug, Clone, Copy)]
struct Write {
    index: usize,
    version: u64,
    /// Where in [`Lane::merged`] the document lies; `None`: it is the effect's own.
    merged: Option<(usize, usize)>,
}

impl Lane {
    pub(super) fn new(bases_bytes: usize) -> Self {
        Self {
            bases: Bases::new(bases_bytes),
            stage: Stage::Idle,
            reads: Vec::new(),
            writes: Vec::new(),
            merged: Vec::new(),
        }
    }

    /// What it keeps at most between two flights.
    pub(super) fn bytes_max(bases_bytes: usize) -> usize {
        Bases::memory_bytes_max(bases_bytes).saturating_add(WARM_BYTES_MAX)
    }

    /// Plans a flight: what can be written as it is, what can be merged from memory, what has to be read first.
    pub(super) fn plan<R: Rules>(&mut self, terms: &Terms<R>, flight: &mut Flight) -> Next {
        // The flight before may have been cut short: then its next request never left, and nothing is in doubt.
        self.stage = Stage::Idle;
        self.reads.clear();
        self.writes.clear();
        self.merged.clear();
        self.merged.shrink_to(WARM_BYTES_MAX);
        for index in 0..flight.len() {
            if let Some(verdict) = self.plan_effect(terms, flight, index) {
                flight.settle(index, verdict);
            }
        }
        if self.reads.is_empty() {
            return self.write(terms, flight);
        }
        self.stage = Stage::Reading;
        let ids = self
            .reads
            .iter()
            .filter_map(|&index| Effect::decode(flight.effect(index)))
            .map(|effect| effect.id);
        Next::Send(Operation::Mget.request(bulk::multi_get(ids)))
    }

    /// Plans one effect, or says at once what becomes of it.
    fn plan_effect<R: Rules>(&mut self, terms: &Terms<R>, flight: &Flight, index: usize) -> Option<Verdict> {
        let position = flight.position(index);
        let Some(effect) = Effect::decode(flight.effect(index)) else {
            return Some(Verdict::Refused(Reason::new("bad_effect", "not an effect of this connector")));
        };
        let Some(version) = terms.options.generation.version(position.offset) else {
            let message = format!("offset {} makes no version", position.offset);
            return Some(Verdict::Refused(Reason::new("bad_offset", message)));
        };
        if effect.kind != Kind::Merge {
            let refused = too_large(&terms.options, effect.body);
            if refused.is_none() {
                self.writes.push(Write { index, version, merged: None });
            }
            return refused;
        }
        let known = self.bases.get(&terms.rules, flight.domain(index), effect.id, position);
        let Some(Base { version: base, removed, source }) = known else {
            self.reads.push(index);
            return None;
        };
        if removed || base >= version {
            return Some(Verdict::Superseded);
        }
        let start = self.merged.len();
        let source = std::str::from_utf8(source).unwrap_or_default();
        let merged = merge::merge(source, effect.fields(), &mut self.merged);
        self.merged_write(terms, Write { index, version, merged: Some((start, self.merged.len())) }, &merged)
    }

    /// Queues the write of a merged document, or says why there is none.
    fn merged_write<R: Rules>(&mut self, terms: &Terms<R>, write: Write, merged: &Merged) -> Option<Verdict> {
        match merged {
            Merged::Tombstone => return Some(Verdict::Superseded),
            Merged::Unreadable => {
                let reason = Reason::new("document_unreadable", "what is stored there is no JSON object");
                return Some(Verdict::Refused(reason));
            }
            Merged::Document => {}
        }
        let refused =
            write.merged.and_then(|(start, end)| too_large(&terms.options, &self.merged[start..end]));
        if refused.is_none() {
            self.writes.push(write);
        }
        refused
    }

    /// Sends what is to be written, if anything.
    fn write<R: Rules>(&mut self, terms: &Terms<R>, flight: &Flight) -> Next {
        if self.writes.is_empty() {
            self.stage = Stage::Idle;
            return Next::Settled;
        }
        let parts = || {
            self.writes.iter().filter_map(|write| {
                let effect = Effect::decode(flight.effect(write.index))?;
                let document = write.merged.map_or(effect.body, |(start, end)| &self.merged[start..end]);
                Some((effect, write.version, document))
            })
        };
        let bytes = parts().map(|(effect, _, document)| bulk::index_bytes(effect.id, document)).sum();
        let mut body = Vec::with_capacity(bytes);
        for (effect, version, document) in parts() {
            let version = terms.rules.keep(Rule::Versions).then_some(version);
            match effect.kind {
                Kind::Remove if !terms.rules.keep(Rule::Tombstones) => {
                    bulk::push_delete(&mut body, effect.id, version)
                }
                _ => bulk::push_index(&mut body, effect.id, version, document),
            }
        }
        if !terms.rules.keep(Rule::BaseAcknowledged) {
            (0..self.writes.len()).for_each(|place| self.remember(flight, self.writes[place]));
        }
        self.stage = Stage::Writing;
        Next::Send(Operation::Bulk.request(body))
    }

    /// Goes on with an answer to the request under way.
    pub(super) fn answered<R: Rules>(
        &mut self,
        terms: &Terms<R>,
        flight: &mut Flight,
        status: u16,
        mut body: Vec<u8>,
    ) -> Next {
        if let Some(failure) = judge::request(status, &body) {
            return self.fail(terms, flight, failure);
        }
        let understood = match self.stage {
            Stage::Reading => self.take_bases(terms, flight, &body),
            Stage::Writing => self.take_verdicts(terms, flight, &mut body),
            Stage::Idle => None,
        };
        match (understood, self.stage) {
            (None, _) => {
                let reason = Reason::new("elasticsearch_unknown", "the answer is not one to this request");
                self.fail(terms, flight, RequestFailure::Unknown(reason))
            }
            (Some(()), Stage::Reading) => self.write(terms, flight),
            (Some(()), _) => {
                self.stage = Stage::Idle;
                Next::Settled
            }
        }
    }

    /// The request failed as a whole: what is there now is not known for anything it was to write.
    pub(super) fn fail<R: Rules>(
        &mut self,
        terms: &Terms<R>,
        flight: &Flight,
        failure: RequestFailure,
    ) -> Next {
        if self.stage == Stage::Writing && terms.forgets_bases() {
            for write in &self.writes {
                self.bases.forget(flight.domain(write.index));
            }
        }
        self.stage = Stage::Idle;
        Next::Failed(failure)
    }

    /// Takes the bases that were read, and merges onto them. `None` when the answer is to another question.
    fn take_bases<R: Rules>(&mut self, terms: &Terms<R>, flight: &mut Flight, body: &[u8]) -> Option<()> {
        let documents = answer::read_documents(body)?;
        let reads = std::mem::take(&mut self.reads);
        let in_order = documents.len() == reads.len()
            && reads.iter().zip(&documents).all(|(&index, document)| {
                Effect::decode(flight.effect(index)).is_some_and(|effect| effect.id == document.id.as_bytes())
            });
        if in_order {
            for (&index, document) in reads.iter().zip(&documents) {
                if let Some(verdict) = self.take_base(terms, flight, index, document) {
                    flight.settle(index, verdict);
                }
            }
        }
        self.reads = reads;
        in_order.then_some(())
    }

    fn take_base<R: Rules>(
        &mut self,
        terms: &Terms<R>,
        flight: &Flight,
        index: usize,
        document: &ReadDocument<'_>,
    ) -> Option<Verdict> {
        if let Some(cause) = &document.error {
            return Some(judge::read(cause));
        }
        let effect = Effect::decode(flight.effect(index))?;
        let version = terms.options.generation.version(flight.position(index).offset)?;
        let (true, Some(base), Some(source)) = (document.found, document.version, document.source) else {
            let message = format!("no document {} to change", String::from_utf8_lossy(effect.id));
            return Some(Verdict::Refused(Reason::new("document_missing", message)));
        };
        if base >= version {
            return Some(Verdict::Superseded);
        }
        let start = self.merged.len();
        let merged = merge::merge(source.get(), effect.fields(), &mut self.merged);
        self.merged_write(terms, Write { index, version, merged: Some((start, self.merged.len())) }, &merged)
    }

    /// Takes the verdicts of a bulk answer. `None` when the answer is to another question.
    fn take_verdicts<R: Rules>(
        &mut self,
        terms: &Terms<R>,
        flight: &mut Flight,
        body: &mut [u8],
    ) -> Option<()> {
        let ids = self.writes.iter().filter_map(|write| Effect::decode(flight.effect(write.index)));
        if answer::all_written(body, ids.map(|effect| effect.id)) {
            for place in 0..self.writes.len() {
                self.settle(terms, flight, self.writes[place], Verdict::Done);
            }
            return Some(());
        }
        let items: Vec<_> = answer::bulk_items(body)?.collect();
        let in_order = items.len() == self.writes.len()
            && self.writes.iter().zip(&items).all(|(write, item)| {
                Effect::decode(flight.effect(write.index))
                    .is_some_and(|effect| effect.id == item.id.as_bytes())
            });
        if !in_order {
            return None;
        }
        for (place, item) in items.iter().enumerate() {
            let verdict = if terms.rules.keep(Rule::ItemByItem) {
                judge::item(item.status, item.error.as_ref())
            } else {
                Verdict::Done
            };
            self.settle(terms, flight, self.writes[place], verdict);
        }
        Some(())
    }

    fn settle<R: Rules>(&mut self, terms: &Terms<R>, flight: &mut Flight, write: Write, verdict: Verdict) {
        let domain = flight.domain(write.index);
        if verdict == Verdict::Done {
            self.remember(flight, write);
        } else if terms.forgets_bases() {
            self.bases.forget(domain);
        }
        flight.settle(write.index, verdict);
    }

    fn remember(&mut self, flight: &Flight, write: Write) {
        let Some(effect) = Effect::decode(flight.effect(write.index)) else { return };
        let removed = effect.kind == Kind::Remove;
        let source = match write.merged {
            _ if removed => &[],
            Some((start, end)) => &self.merged[start..end],
            None => effect.body,
        };
        let base = Base { version: write.version, removed, source };
        let position: Position = flight.position(write.index);
        self.bases.put(flight.domain(write.index), effect.id, position, &base);
    }
}

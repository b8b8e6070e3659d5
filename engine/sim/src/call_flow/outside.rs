//! The world around the flow: orders, the provider's twin, and the topic that its answers are written to.

use std::collections::BTreeSet;

use thalweg_connectors::kafka::answer::ItemAnswer;
use thalweg_connectors::kafka::produce::Produce;
use thalweg_core::sink::Request;

use super::provider::{Provider, place_of};
use super::reader::Reader;
use super::{CALLS, VERDICTS};
use crate::broker::log::{LogRecord, NewRecord};
use crate::checks::Violation;
use crate::flow::{Fate, Outside, Touch};
use crate::weather::{Trouble, Weather};

/// See the module's text.
#[derive(Debug)]
pub struct CallWorld {
    partitions: u32,
    keys: u32,
    next_id: u64,
    reader: Reader,
    provider: Provider,
    /// Places of the records on the topic.
    written: BTreeSet<(u32, i64)>,
    broken: Option<Violation>,
}

impl CallWorld {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            partitions,
            keys: 0,
            next_id: 0,
            reader: Reader::default(),
            provider: Provider::default(),
            written: BTreeSet::new(),
            broken: None,
        }
    }

    /// The topic takes records, in their order up to the first that it does not take.
    fn write(
        &mut self,
        request: &Request,
        weather: &mut Weather,
        touches: &mut Vec<Touch>,
    ) -> (u16, Vec<u8>) {
        let (mut rest, mut body, mut fails) = (request.body.as_slice(), Vec::new(), None);
        while let Some(record) = Produce::decode(&mut rest) {
            // An idempotent client that gives a record up has none behind it written.
            if fails.is_none() && (weather.strikes(Trouble::Items503) || weather.strikes(Trouble::Items403)) {
                fails = Some(ItemAnswer::Refused("Broker: Topic authorization failed".to_owned()));
            } else if fails.is_none() && weather.strikes(Trouble::Items429) {
                fails = Some(ItemAnswer::Failed("Local: Purged in flight".to_owned()));
                // It may have been written.
                if weather.strikes(Trouble::Items429) {
                    self.take(&record, touches);
                }
            } else if fails.is_none() {
                self.take(&record, touches);
            }
            fails.clone().unwrap_or(ItemAnswer::Delivered).encode(&mut body);
        }
        (0, body)
    }

    fn take(&mut self, record: &Produce<'_>, touches: &mut Vec<Touch>) {
        let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
        let (key, told) = value.split_once(' ').unwrap_or((&value, ""));
        let wanted = self.provider.answer_to(key).map(|(status, body)| format!("{status} {body}"));
        if record.topic != VERDICTS || (wanted.as_deref() != Some(told) && told != "gave up") {
            let detail = format!("{value:?} on {}, but the provider answered {wanted:?}", record.topic);
            self.broken.get_or_insert(Violation::new("follow_ups_exact", detail));
        }
        let Some(place) = place_of(key) else { return };
        let domain = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
        let applied = self.written.insert(place);
        touches.push(Touch { domain, place: Some(place), applied });
    }
}

impl Outside for CallWorld {
    fn next_record(&mut self, rng: &mut fastrand::Rng) -> NewRecord {
        if self.keys == 0 {
            self.keys = rng.u32(2..40);
        }
        self.next_id += 1;
        let order = rng.u32(0..self.keys);
        let id = if rng.u8(0..100) < 5 { rng.u64(0..self.next_id) } else { self.next_id };
        let mut record = NewRecord {
            partition: order % self.partitions,
            key: Some(format!("o{order}").into_bytes()),
            value: Some(rng.u32(0..1_000).to_string().into_bytes()),
            headers: vec![("message-id".to_owned(), format!("e{id}").into_bytes())],
        };
        match rng.u8(0..100) {
            0 => record.key = None,
            1 => record.value = None,
            2 => record.value = Some(b"much".to_vec()),
            3 => record.headers.clear(),
            _ => {}
        }
        record
    }

    fn read(&mut self, record: &LogRecord) -> Fate {
        self.reader.read(record)
    }

    fn forget(&mut self, partition: u32) {
        self.reader.forget(partition);
    }

    fn serve(
        &mut self,
        sink: usize,
        request: &Request,
        weather: &mut Weather,
        touches: &mut Vec<Touch>,
    ) -> (u16, Vec<u8>) {
        if sink != CALLS {
            return self.write(request, weather, touches);
        }
        let served = self.provider.serve(request, weather);
        if let Some(overtook) = served.overtook {
            self.broken.get_or_insert(Violation::new("calls_in_key_order", overtook));
        }
        if let Some(twice) = served.twice {
            self.broken.get_or_insert(Violation::new("calls_once", twice));
        }
        served.answer
    }

    fn restart(&mut self, _sink: usize) {
        // Provider and topic keep what they took.
    }

    fn one_per_domain(&self, sink: usize) -> bool {
        // A topic takes many records of a key in one request, in their order.
        sink == CALLS
    }

    fn broken(&mut self) -> Option<Violation> {
        self.broken.take()
    }

    fn difference(&self) -> Option<String> {
        let (wanted, allowed) = self.reader.charged();
        let called: BTreeSet<_> = self.provider.keys().filter_map(place_of).collect();
        if let Some(place) =
            wanted.iter().find(|place| !called.contains(place) && !self.written.contains(place))
        {
            return Some(format!("{place:?} was neither called for nor given up"));
        }
        called.iter().find(|place| !allowed.contains(place)).map(|place| format!("{place:?} was called for"))
    }
}

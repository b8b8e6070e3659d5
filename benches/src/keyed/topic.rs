//! The topics of the keyed workloads: filled once, used again by later runs.

use anyhow::{Result, bail};
use rdkafka::producer::BaseRecord;
use thalweg_benches::sequenced::{Records, Shape};

use crate::topic::{Filler, held, make};

/// Decides every byte of every topic.
const SEED: u64 = 7;

/// A topic that a run needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) records: u64,
    pub(crate) keys: u32,
    pub(crate) partitions: i32,
}

impl Wanted {
    pub(crate) fn shape(self) -> Shape {
        Shape { seed: SEED, keys: self.keys, partitions: self.partitions }
    }

    /// The name says all that decides its content.
    pub(crate) fn name(self) -> String {
        let Self { records, keys, partitions } = self;
        format!("thalweg-bench-sequenced-{records}-of-{keys}-in-{partitions}")
    }
}

/// Makes and fills the topic unless it is there; answers its name.
pub(crate) fn ensure(brokers: &str, wanted: Wanted) -> Result<String> {
    let name = wanted.name();
    match held(brokers, &name)? {
        Some(found) if found == wanted.records => return Ok(name),
        Some(found) if found > 0 => {
            bail!("topic {name} holds {found} records, not {}: delete it", wanted.records)
        }
        Some(_) => {}
        None => make(brokers, &name, wanted.partitions)?,
    }
    eprintln!("filling {name} ...");
    let mut records = Records::of(wanted.shape());
    let mut filler = Filler::new(brokers)?;
    for _ in 0..wanted.records {
        let record = records.next_record();
        filler
            .send(BaseRecord::to(&name).partition(record.partition).key(record.key).payload(record.value))?;
    }
    filler.finish()?;
    match held(brokers, &name)? {
        Some(found) if found == wanted.records => Ok(name),
        found => bail!("topic {name} should hold {} records, and holds {found:?}", wanted.records),
    }
}

//! The topics that are read: filled once, used again by later runs.

use anyhow::{Result, bail};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use crate::topic::{Filler, held, make};

use super::records::{Content, HEADER_NAMES, PARTITIONS, place};

/// The topic's name; it says all that decides its content.
pub(super) fn name(records: u64, headers: bool) -> String {
    let headers = if headers { "three-headers" } else { "no-headers" };
    format!("thalweg-bench-reading-{headers}-{records}")
}

/// Makes and fills the topic unless it is there.
pub(super) fn ensure(brokers: &str, records: u64, headers: bool) -> Result<()> {
    let name = name(records, headers);
    if held(brokers, &name)? == Some(records) {
        return Ok(());
    }
    eprintln!("filling {name} ...");
    make(brokers, &name, PARTITIONS)?;
    if held(brokers, &name)? != Some(0) {
        bail!("topic {name} holds other records than the run needs: delete it");
    }
    fill(brokers, &name, records, headers)?;
    match held(brokers, &name)? {
        Some(found) if found == records => Ok(()),
        found => bail!("topic {name} should hold {records} records, and holds {found:?}"),
    }
}

fn fill(brokers: &str, topic: &str, records: u64, headers: bool) -> Result<()> {
    let mut filler = Filler::new(brokers)?;
    let mut content = Content::default();
    for number in 0..records {
        content.become_record(number);
        let mut record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(place(number).0)
            .key(content.key.as_slice())
            .payload(content.value.as_slice());
        if headers {
            let pairs = HEADER_NAMES.iter().zip(&content.headers);
            record = record.headers(pairs.fold(OwnedHeaders::new_with_capacity(3), |all, (key, value)| {
                all.insert(Header { key, value: Some(value) })
            }));
        }
        filler.send(record)?;
    }
    filler.finish()
}

//! The sequential reader: which orders must be charged.

use std::collections::BTreeSet;

use super::provider::judged;
use crate::broker::log::LogRecord;
use crate::flow::{Fate, Holds};

/// Partitions and offsets of records.
pub(super) type Places = BTreeSet<(u32, i64)>;

#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Places of the records that lead to a call, of the present histories of their partitions.
    charged: Places,
    /// Also of histories that retention has cut off.
    ever: Places,
}

impl Reader {
    pub(super) fn read(&mut self, record: &LogRecord) -> Fate {
        let rejected = |holds| Fate::DeadLettered { holds };
        let Some(key) = &record.key else { return rejected(Holds::Nothing) };
        let value = record.value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
        let Some(amount) = value.and_then(|text| text.parse::<u32>().ok()) else {
            return rejected(Holds::Key);
        };
        if amount == 0 {
            return Fate::Filtered;
        }
        let place = (record.partition, record.offset);
        let domain = String::from_utf8_lossy(key).into_owned();
        self.ever.insert(place);
        self.charged.insert(place);
        match judged(amount) {
            422 => rejected(Holds::Domain(domain)),
            _ => Fate::Applied { domain },
        }
    }

    pub(super) fn forget(&mut self, partition: u32) {
        self.charged.retain(|place| place.0 != partition);
    }

    /// Places that must have been called for, and those that may have been.
    pub(super) fn charged(&self) -> (&Places, &Places) {
        (&self.charged, &self.ever)
    }
}

//! `counting`: every record is parsed and counted by its key.

use thalweg::{Operator, Output, Reason, Record, Step};
use thalweg_benches::sequenced;
use thalweg_benches::tally::Tally;

use crate::end;

pub(crate) struct Count {
    tally: Tally,
    records: u64,
}

impl Count {
    /// Ends the process after so many.
    pub(crate) fn up_to(records: u64) -> Self {
        Self { tally: Tally::default(), records }
    }
}

impl Operator for Count {
    #[inline]
    fn process(&mut self, record: &Record<'_>, _out: &mut Output<'_>) -> Step {
        let (key, sequence) = match sequenced::parse(record.key, record.value) {
            Ok(event) => event,
            Err(error) => return Step::Rejected(Reason::new("undecodable", error.to_string())),
        };
        self.tally.see(key, sequence);
        if self.tally.records() == self.records {
            end::with(&self.tally);
        }
        Step::Filtered("counted")
    }
}

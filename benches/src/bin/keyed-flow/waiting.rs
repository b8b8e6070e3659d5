//! `waiting`: every record is an effect at a sink that answers after a millisecond, from a timer of this process. The
//! sink counts a record when its wait is over, and checks when it sends one that the one before of its key was counted.

use std::rc::Rc;
use std::time::Duration;

use thalweg::flow::{Connection, Log, SinkPlan, Sinks, Waiting};
use thalweg::settings::SettingError;
use thalweg::{ExitError, Operator, Output, Reason, Record, SinkHandle, Step};
use thalweg_benches::sequenced;
use thalweg_benches::tally::Tally;
use thalweg_core::SinkSettings;
use thalweg_core::failure::{RequestFailure, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::pacing::PacingSettings;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, Sink, SinkMachine, settle_rest};

use crate::end;

/// How long the outside takes.
const WAIT: Duration = Duration::from_millis(1);

pub(crate) struct Send {
    pub(crate) waits: SinkHandle<WaitingSink>,
}

impl Operator for Send {
    #[inline]
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step {
        match sequenced::parse(record.key, record.value) {
            Ok((key, sequence)) => {
                out.send(self.waits, Wait { key, key_hash: record.key_hash(), sequence });
                Step::Done
            }
            Err(error) => Step::Rejected(Reason::new("undecodable", error.to_string())),
        }
    }
}

/// The record whose wait it is.
pub(crate) struct Wait<'r> {
    key: &'r [u8],
    key_hash: u64,
    sequence: u64,
}

pub(crate) struct WaitingSink {
    tally: Tally,
    records: u64,
}

impl SinkMachine for WaitingSink {
    fn begin(&mut self, _lane: LaneId, flight: &mut Flight) -> Next {
        self.tally.begin();
        for index in 0..flight.len() {
            let (key, sequence) = decode(flight.effect(index));
            self.tally.expect_before(key, sequence);
        }
        Next::Send(Request { operation: 0, body: Vec::new() })
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        if let Reply::NotSent(error) | Reply::Unknown(error) = reply {
            return Next::Failed(RequestFailure::Unknown(Reason::new("no_timer", error)));
        }
        for index in 0..flight.len() {
            let (key, sequence) = decode(flight.effect(index));
            self.tally.see(key, sequence);
        }
        settle_rest(flight, &Verdict::Done);
        if self.tally.records() == self.records {
            end::with(&self.tally);
        }
        Next::Settled
    }
}

impl Sink for WaitingSink {
    type Effect<'e> = Wait<'e>;

    fn encode(effect: Wait<'_>, into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(&effect.sequence.to_le_bytes());
        into.extend_from_slice(effect.key);
        Domain(effect.key_hash)
    }
}

/// Key and sequence; what [`WaitingSink::encode`] wrote.
fn decode(effect: &[u8]) -> (&[u8], u64) {
    match effect.split_first_chunk() {
        Some((sequence, key)) => (key, u64::from_le_bytes(*sequence)),
        None => (effect, u64::MAX),
    }
}

/// The sink as the flow declares it.
pub(crate) struct Waits {
    pub(crate) records: u64,
    pub(crate) lanes: u16,
    pub(crate) flight: u32,
}

impl SinkPlan for Waits {
    type Machine = WaitingSink;

    fn check(&self) -> Result<(), SettingError> {
        Ok(())
    }

    fn prepare<'w>(&'w self, _log: &'w Log) -> Waiting<'w, Result<(), ExitError>> {
        Box::pin(async { Ok(()) })
    }

    fn machine(&self, _sinks: &Sinks) -> WaitingSink {
        WaitingSink { tally: Tally::default(), records: self.records }
    }

    fn settings(&self) -> SinkSettings {
        let pacing = PacingSettings { flights_max: self.lanes, items_max: self.flight, bytes_max: 1 << 20 };
        SinkSettings { lanes: self.lanes, pacing, ..SinkSettings::default() }
    }

    fn connect(&self) -> Result<Rc<dyn Connection>, ExitError> {
        Ok(Rc::new(Timer))
    }
}

struct Timer;

impl Connection for Timer {
    fn send(self: Rc<Self>, _request: Request) -> Waiting<'static, Reply> {
        Box::pin(async {
            tokio::time::sleep(WAIT).await;
            Reply::Answer { status: 200, body: Vec::new() }
        })
    }
}

//! What the worker asks for, done.

use std::rc::Rc;
use std::sync::Arc;

use thalweg_core::operator::Operator;
use thalweg_core::sink::{LaneId, Request};
use thalweg_core::time::Now;
use thalweg_core::worker::{Command, SinkIndex};

use super::looping::Driver;
use super::thread::Ending;

/// Lines that say what a drain waits for.
const STUCK_LINES: usize = 10;

impl<O: Operator> Driver<O> {
    /// Does everything that the worker asks for.
    pub(super) fn obey(&mut self, now: Now) {
        while let Some(command) = self.worker.poll() {
            match command {
                Command::Send { sink, lane, request } => self.send(sink, lane, request),
                Command::FetchPositions { fetch, partitions } => {
                    self.source.fetch_positions(fetch, &partitions);
                }
                Command::Read(starts) => {
                    starts.iter().for_each(|start| self.reading.start(start.partition));
                    let starts: Vec<_> =
                        starts.iter().map(|start| (start.partition, start.epoch, start.offset)).collect();
                    self.source.start(&starts);
                }
                Command::Commit(entries) => {
                    let entries = entries.into_iter();
                    self.source.commit(
                        entries.map(|entry| (entry.partition, entry.position, entry.metadata)).collect(),
                    );
                }
                Command::Release(partitions) => {
                    self.reading.stop(&partitions);
                    self.source.release(&partitions);
                }
                Command::Stopped { clean } => self.stopped(clean),
                Command::Fail(error) => self.fail(error.to_string(), now),
                Command::Warn(warning) => tracing::warn!("{warning}"),
            }
        }
    }

    fn send(&self, sink: SinkIndex, lane: LaneId, request: Request) {
        let Some(connection) = self.connections.get(usize::from(sink.0)).map(Rc::clone) else {
            unreachable!("the worker was given as many sinks as there are connections")
        };
        let (replies, wake) = (Rc::clone(&self.replies), Arc::clone(&self.wake));
        tokio::task::spawn_local(async move {
            let reply = connection.send(request).await;
            replies.borrow_mut().push((sink, lane, reply));
            wake.reply();
        });
    }

    /// The flow must not go on: what was read is finished, then the worker ends with this reason.
    pub(super) fn fail(&mut self, reason: String, now: Now) {
        tracing::error!("the flow stops: {reason}");
        self.failed.get_or_insert(Ending::Failed(reason));
        self.stop(now);
    }

    fn stopped(&mut self, clean: bool) {
        let stuck = if clean { Vec::new() } else { self.worker.stuck(STUCK_LINES) };
        self.ended = Some(self.failed.take().unwrap_or(Ending::Stopped { clean, stuck }));
    }
}

//! What the worker asks for, done.

use thalweg_connectors::kafka::transactor::{TransactionEnd, TransactionOffset};
use thalweg_core::exactly_once::{Changes, Command, StatefulOperator};
use thalweg_core::time::Now;
use thalweg_core::worker::CommitEntry;

use super::super::thread::Ending;
use super::looping::Driver;

impl<O: StatefulOperator> Driver<O> {
    /// Does everything that the worker asks for.
    pub(super) fn obey(&mut self, now: Now) {
        while let Some(command) = self.worker.poll() {
            match command {
                Command::RenewProducer => self.transactor.renew(),
                Command::FetchPositions { fetch, partitions } => {
                    self.source.fetch_positions(fetch, &partitions);
                }
                Command::LoadSnapshot { partition, epoch } => self.load_snapshot(partition, epoch),
                Command::Restore { partition, epoch, from } => {
                    self.begin_restore((partition, epoch), from, now);
                }
                Command::AskChangelogEnd { partition, epoch } => self.ask_changelog_end(partition, epoch),
                Command::WriteSnapshot(piece) => self.write_snapshot(piece),
                Command::RefusedSnapshot { partition, refusal } => self.refused_snapshot(partition, &refusal),
                Command::Read(starts) => {
                    starts.iter().for_each(|start| self.reading.start(start.partition));
                    let starts: Vec<_> =
                        starts.iter().map(|start| (start.partition, start.epoch, start.offset)).collect();
                    self.source.start(&starts);
                }
                Command::Produce(outputs) => {
                    self.transaction.begun(now);
                    self.transaction.sends(&outputs, self.outputs.len());
                    self.transactor.produce(outputs);
                }
                Command::Commit { changes, offsets, .. } => self.commit(changes, offsets, now),
                Command::Abort => {
                    self.transaction.ends(now);
                    self.transactor.abort();
                }
                Command::Release(partitions) => {
                    self.reading.stop(&partitions);
                    self.changelogs.stop(&partitions);
                    self.local.forget(&partitions);
                    self.source.release(&partitions);
                }
                Command::Stopped { clean } => self.stopped(clean),
                // Nothing of the open transaction is committed: it is ended by our next producer, or its timeout.
                Command::Fail(error) => {
                    tracing::error!("the flow stops: {error}");
                    self.ended = Some(Ending::Failed(error.to_string()));
                }
                Command::Warn(warning) => tracing::warn!("{warning}"),
            }
        }
    }

    fn commit(&mut self, changes: Changes, offsets: Vec<CommitEntry>, now: Now) {
        self.transaction.begun(now);
        self.transaction.ends(now);
        // What the group has decided is heard first: a commit must not go by membership that is newer than what the worker
        // knows of its partitions.
        self.poll_source(now);
        // Membership as it is from here on may be newer than a loss that was just heard of: the group would let the offsets
        // of a partition pass that is another's.
        if !self.worker.may_commit(&offsets) {
            return self.transactor.abort();
        }
        let offsets = offsets.into_iter().filter_map(|entry| {
            let (topic, number) = self.source.partitions().name(entry.partition)?;
            Some(TransactionOffset {
                partition: entry.partition,
                topic: topic.to_owned(),
                number,
                next_offset: entry.position,
                metadata: entry.metadata,
            })
        });
        let offsets = offsets.collect();
        self.transactor.commit(TransactionEnd { changes, offsets, group: self.source.group_metadata() });
    }

    /// The flow must not go on: what was run is committed, then the worker ends with this reason.
    pub(super) fn fail(&mut self, reason: String, now: Now) {
        tracing::error!("the flow stops: {reason}");
        self.failed.get_or_insert(Ending::Failed(reason));
        self.stop(now);
    }

    fn stopped(&mut self, clean: bool) {
        let stuck = Vec::new();
        self.ended = Some(self.failed.take().unwrap_or(Ending::Stopped { clean, stuck }));
    }
}

//! The source's table of partitions: numbers for (topic, partition number), stable as long as the process lives.

use std::collections::HashMap;
use std::sync::Arc;

use thalweg_core::position::PartitionId;
use thalweg_core::worker::PartitionName;

/// Gives every partition that was ever assigned a small number.
#[derive(Debug, Default)]
pub struct PartitionTable {
    named: Vec<(Arc<str>, i32)>,
    ids: HashMap<(Arc<str>, i32), PartitionId>,
}

impl PartitionTable {
    /// The partition's id; a new one when it was not seen before.
    pub fn id(&mut self, topic: &str, number: i32) -> PartitionId {
        let name: Arc<str> = topic.into();
        *self.ids.entry((name, number)).or_insert_with_key(|(name, number)| {
            let id = PartitionId(self.named.len() as u32);
            self.named.push((Arc::clone(name), *number));
            id
        })
    }

    /// The topic's name and the partition's number in it; `None` for an id that this table did not give.
    #[must_use]
    pub fn name(&self, id: PartitionId) -> Option<(&str, i32)> {
        self.named.get(id.index()).map(|(topic, number)| (&**topic, *number))
    }

    /// Those of the partitions that this table knows, with their names.
    #[must_use]
    pub fn named(&self, ids: &[PartitionId]) -> Vec<(PartitionId, PartitionName)> {
        let named = ids.iter().filter_map(|id| {
            let (topic, number) = self.name(*id)?;
            Some((*id, PartitionName { topic: topic.into(), number }))
        });
        named.collect()
    }

    /// Partitions as people name them: `topic/3 topic/4`.
    #[must_use]
    pub fn names(&self, ids: &[PartitionId]) -> String {
        let names = ids.iter().filter_map(|id| self.name(*id));
        names.map(|(topic, number)| format!("{topic}/{number}")).collect::<Vec<_>>().join(" ")
    }

    /// How many ids were given: they are the numbers below this.
    #[must_use]
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// Whether none was given yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_keeps_its_id() {
        let mut table = PartitionTable::default();
        let first = table.id("t", 0);
        let second = table.id("t", 1);
        let other = table.id("u", 0);
        assert_eq!([first, second, other], [PartitionId(0), PartitionId(1), PartitionId(2)]);
        assert_eq!(table.id("t", 1), second);
        assert_eq!(table.name(second), Some(("t", 1)));
        assert_eq!(table.name(PartitionId(9)), None);
        assert_eq!(table.len(), 3);
        assert_eq!(table.names(&[other, PartitionId(9), first]), "u/0 t/0");
        let named = PartitionName { topic: "t".into(), number: 1 };
        assert_eq!(table.named(&[PartitionId(9), second]), [(second, named)]);
    }
}

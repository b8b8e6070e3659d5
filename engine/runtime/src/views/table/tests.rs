//! The table against a model: what a reader of the whole log would know.

use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn item(value: u8, partition: u32, timestamp_ms: i64) -> Item<u8> {
    Item { value, bytes: Bytes::from(vec![b'x'; usize::from(value)]), partition, timestamp_ms }
}

fn put(key: &str, value: u8, partition: u32, timestamp_ms: i64) -> Change<u8> {
    Change { key: key.into(), to: To::Item(Arc::new(item(value, partition, timestamp_ms))) }
}

fn removed(key: &str, partition: u32, timestamp_ms: i64) -> Change<u8> {
    Change { key: key.into(), to: To::Nothing { partition, timestamp_ms } }
}

const NO_LIMIT: (usize, usize, usize) = (usize::MAX, usize::MAX, usize::MAX);

fn all(table: &Table<u8>) -> Vec<u8> {
    table.scan(None, NO_LIMIT, |_, _| true).items.iter().map(|item| item.value).collect()
}

/// A number of a key, its value (`None`: a tombstone) and whether it is written to the second partition.
type Written = (u8, Option<u8>, bool);

proptest! {
    #[test]
    fn the_latest_of_each_key_is_there_and_counted(written: Vec<Written>) {
        let mut table = Table::new(u64::MAX);
        let mut model = HashMap::new();
        for (time, (key, value, second)) in (0_i64..).zip(&written) {
            let (key, partition) = (key.to_string(), u32::from(*second));
            table.apply(match value {
                Some(value) => put(&key, *value, partition, time),
                None => removed(&key, partition, time),
            }).unwrap();
            match value {
                Some(value) => model.insert(key, *value),
                None => model.remove(&key),
            };
        }
        let mut expected: Vec<_> = model.iter().collect();
        expected.sort();
        prop_assert_eq!(all(&table), expected.iter().map(|(_, value)| **value).collect::<Vec<_>>());
        let bytes = |(key, value): &(&String, &u8)| {
            KEY_BYTES + (key.len() + 2 * usize::from(**value) + size_of::<Item<u8>>()) as u64
        };
        prop_assert_eq!(table.bytes(), expected.iter().map(bytes).sum::<u64>());
        prop_assert_eq!(table.len(), model.len());
    }

    #[test]
    fn partitions_may_be_read_in_any_order(
        values in prop::collection::vec((0_u8..4, any::<u8>()), 1..40),
        cut: prop::sample::Index,
    ) {
        // The first part was written to partition 0, the rest, after partitions were added, to partition 1.
        let cut = cut.index(values.len());
        let change = |(time, (key, value)): (usize, &(u8, u8))| {
            put(&key.to_string(), *value, u32::from(time >= cut), time as i64)
        };
        let (mut one, mut other) = (Table::new(u64::MAX), Table::new(u64::MAX));
        values.iter().enumerate().map(change).for_each(|change| one.apply(change).unwrap());
        let (first, second) = values.split_at(cut);
        let moved = second.iter().enumerate().map(|(index, value)| change((cut + index, value)));
        moved.chain(first.iter().enumerate().map(change)).for_each(|change| other.apply(change).unwrap());
        prop_assert_eq!(all(&one), all(&other));
    }

    #[test]
    fn pages_together_are_everything_once_in_order(
        keys: std::collections::BTreeSet<u8>,
        limits in (1_usize..5, 1_usize..600, 1_usize..5),
        odd_only: bool,
    ) {
        let mut table = Table::new(u64::MAX);
        keys.iter().for_each(|key| table.apply(put(&format!("{key:03}"), *key, 0, 0)).unwrap());
        let wanted = |_: &str, value: &u8| !odd_only || value % 2 == 1;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = table.scan(after.as_deref(), limits, wanted);
            prop_assert!(page.items.len() <= limits.0);
            found.extend(page.items.iter().map(|item| item.value));
            let is_over = page.next.is_none();
            prop_assert!(is_over || page.next > after, "it goes on");
            after = page.next;
            if is_over {
                break;
            }
        }
        let expected: Vec<_> = keys.into_iter().filter(|key| wanted("", key)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_tombstone_of_the_old_partition_does_not_take_what_is_newer() {
    let mut table = Table::new(u64::MAX);
    table.apply(put("k", 2, 1, 20)).unwrap();
    table.apply(removed("k", 0, 10)).unwrap();
    assert_eq!(all(&table), [2]);
    table.apply(removed("k", 0, 30)).unwrap();
    assert_eq!((all(&table), table.bytes()), (vec![], 0));
}

#[test]
fn within_a_partition_the_log_decides_whatever_clocks_say() {
    let mut table = Table::new(u64::MAX);
    table.apply(put("k", 1, 0, 20)).unwrap();
    table.apply(put("k", 2, 0, 10)).unwrap();
    assert_eq!(all(&table), [2]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let one = KEY_BYTES + (1 + 2 * 10 + size_of::<Item<u8>>()) as u64;
    let mut table = Table::new(2 * one);
    assert_eq!(table.apply(put("a", 10, 0, 0)), Ok(()));
    assert_eq!(table.apply(put("b", 10, 0, 0)), Ok(()));
    assert_eq!(table.apply(put("a", 10, 0, 0)), Ok(()), "instead of what was there");
    assert_eq!(table.apply(put("c", 0, 0, 0)), Err(Full));
}

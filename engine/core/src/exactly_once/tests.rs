mod operator;
mod scenes;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::state::{State, StateLimits, TableId};
use operator::{Kind, kind, words};
use world::{Logged, PARTITIONS, WINDOW, World};

/// What a sequential reader would leave behind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    /// By partition: offset, key and count of each counted record, in order.
    counted: BTreeMap<i64, Vec<[i64; 3]>>,
    /// Partition and offset of each dead letter.
    letters: BTreeSet<[i64; 2]>,
    /// Key and offset of each timer.
    timers: BTreeSet<[i64; 2]>,
}

fn read_one_by_one(log: &[Vec<Logged>]) -> Left {
    let mut left = Left::default();
    for (partition, records) in log.iter().enumerate() {
        let (mut seen, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for (offset, key, value, event) in records {
            let before = event.and_then(|event| seen.insert(event, *offset));
            if before.is_some_and(|before: i64| (*offset - before) as u64 <= WINDOW) {
                continue;
            }
            match kind(*value) {
                Kind::Filtered => continue,
                Kind::Rejected => {
                    left.letters.insert([partition as i64, *offset]);
                    continue;
                }
                Kind::Timed(_) => {
                    left.timers.insert([i64::from(*key), *offset]);
                }
                Kind::Counted => {}
            }
            let count = counts.entry(*key).or_insert(0);
            *count += 1;
            left.counted.entry(partition as i64).or_default().push([*offset, i64::from(*key), *count]);
        }
    }
    left
}

/// What the world's readers have seen. Checks what each timer says of itself.
fn seen_by_readers(world: &World) -> Left {
    let (mut left, mut deadlines) = (Left::default(), BTreeMap::new());
    let mut last_fired: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (sink, line) in &world.output {
        let words = words(line);
        match (sink, line[0]) {
            (1, _) => assert!(left.letters.insert([words[0], words[1]]), "a second letter: {words:?}"),
            (_, b'r') => {
                left.counted.entry(words[0]).or_default().push([words[1], words[2], words[3]]);
                deadlines.insert([words[2], words[1]], words[4]);
            }
            _ => {
                let [key, offset, deadline_ms, now_ms] = [words[0], words[1], words[2], words[3]];
                assert!(left.timers.insert([key, offset]), "fired twice: {words:?}");
                assert_eq!(
                    deadlines.get(&[key, offset]),
                    Some(&deadline_ms),
                    "of what was set and committed"
                );
                assert!(deadline_ms <= now_ms && now_ms <= world.true_ms(), "fired early: {words:?}");
                let partition = key % i64::from(PARTITIONS);
                let (last_now_ms, last_ms) =
                    last_fired.insert(partition, (now_ms, deadline_ms)).unwrap_or((0, 0));
                assert!(
                    last_now_ms < now_ms || last_ms <= deadline_ms,
                    "overdue, and not in order: {words:?}"
                );
            }
        }
    }
    left
}

fn is_done(world: &World, expected: &Left) -> bool {
    let lags = |(log, committed): (&Vec<Logged>, &Option<(i64, String)>)| {
        let position = committed.as_ref().map_or(0, |(position, _)| *position);
        log.last().is_some_and(|(last, ..)| position <= *last)
    };
    let lag = world.log.iter().zip(&world.committed).any(lags);
    let fired = world.output.iter().filter(|(_, line)| line.starts_with(b"timer")).count();
    !lag && fired >= expected.timers.len()
}

/// Restores every changelog: counters are exact, and no timer is left.
fn check_changelogs(world: &World, expected: &Left) {
    for (partition, changelog) in world.changelogs.iter().enumerate() {
        let mut state = State::new(StateLimits { bytes_max: 1 << 20, row_bytes_max: 100 });
        for (key, value) in changelog {
            state.restore(Some(key), value.as_deref()).unwrap();
        }
        assert_eq!(state.timers(), 0);
        let mut writes = Writes::default();
        let mut run = crate::state::RunState::new(&state, &mut writes, b"");
        for key in 0..6u8 {
            let count = |table| run_count(run.get(table, &[key]));
            let [records, timers] = [TableId(0), TableId(1)].map(count);
            let of_key = |entry: &&[i64; 3]| entry[1] == i64::from(key);
            let counted =
                expected.counted.get(&(partition as i64)).into_iter().flatten().filter(of_key).count();
            let mine = usize::from(key) % PARTITIONS as usize == partition;
            let fired = expected.timers.iter().filter(|timer| mine && timer[0] == i64::from(key)).count();
            assert_eq!((records, timers), (counted, fired), "key {key} of partition {partition}");
        }
    }
}

fn run_count(value: Option<&[u8]>) -> usize {
    value.map_or(0, |value| usize::from(value[0]))
}

fn live(seed: u64) -> World {
    let mut world = World::new(seed);
    let expected = read_one_by_one(&world.log);
    for _ in 0..world.rng.u32(100..1_500) {
        world.step();
    }
    world.faults = false;
    let mut steps = 0;
    while !is_done(&world, &expected) {
        world.step();
        steps += 1;
        assert!(steps < 50_000, "no progress after the faults");
    }
    assert_eq!(seen_by_readers(&world), expected);
    check_changelogs(&world, &expected);
    world
}

#[test]
fn whatever_happens_readers_see_what_one_reader_would_have_written_once() {
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..300 {
        let lived = std::panic::catch_unwind(|| live(seed).tally);
        let lived = lived.unwrap_or_else(|_| panic!("seed {seed}"));
        for (what, count) in lived {
            *tally.entry(what).or_default() += count;
        }
    }
    for fault in
        ["ahead", "revoked", "lost", "crashes", "aborts asked", "aborted", "unknown", "fenced", "zombies"]
    {
        let count = tally.get(fault).copied().unwrap_or(0);
        assert!(count >= 50, "tame histories prove nothing: {tally:?}");
    }
}

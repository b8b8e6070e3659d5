mod snapshots;

use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

/// What a state holds, written down naively: by name, values and deadlines.
type Held = BTreeMap<Vec<u8>, Naive>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Naive {
    Row(Vec<u8>),
    Timer(i64),
}

/// Room for all that the tests write.
const ROOMY: StateLimits = StateLimits { bytes_max: 1 << 20, row_bytes_max: 1 << 10 };

#[derive(Debug, Clone)]
enum Write {
    Put(u8, u8, Vec<u8>),
    Delete(u8, u8),
    Set(u8, i64),
    Cancel(u8),
}

#[derive(Debug, Clone)]
enum Event {
    /// A run of that key; whether it is applied.
    Run(u8, Vec<Write>, bool),
    /// Timers due at that time are taken out, so many at most.
    Due(i64, usize),
    /// The changes go to the changelog; how that ends comes later.
    Seal,
    Commit,
    Abort,
    /// What came after the transaction that is ending is given up.
    TakeBack,
}

fn write() -> impl Strategy<Value = Write> {
    let value = prop::collection::vec(any::<u8>(), 0..12);
    prop_oneof![
        4 => (0u8..2, 0u8..8, value).prop_map(|(table, key, value)| Write::Put(table, key, value)),
        2 => (0u8..2, 0u8..8).prop_map(|(table, key)| Write::Delete(table, key)),
        2 => (0u8..3, 0i64..100).prop_map(|(id, ms)| Write::Set(id, ms)),
        1 => (0u8..3).prop_map(Write::Cancel),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0u8..4, prop::collection::vec(write(), 0..6), prop::bool::weighted(0.8))
            .prop_map(|(key, writes, applied)| Event::Run(key, writes, applied)),
        2 => (0i64..100, 0usize..3).prop_map(|(now_ms, most)| Event::Due(now_ms, most)),
        3 => Just(Event::Seal),
        3 => Just(Event::Commit),
        1 => Just(Event::Abort),
        1 => Just(Event::TakeBack),
    ]
}

fn row_name(table: u8, key: u8) -> Vec<u8> {
    vec![1, table, key]
}

fn timer_name(key: u8, id: u8) -> Vec<u8> {
    vec![2, 1, key, id]
}

/// Writes as an operator does, and looks after each write what the run sees of it.
fn perform(run: &mut RunState<'_>, held: &mut Held, key: u8, write: &Write) {
    match write {
        Write::Put(table, row, value) => {
            run.put(TableId(*table), &[*row], value);
            assert_eq!(run.get(TableId(*table), &[*row]), Some(&value[..]));
            held.insert(row_name(*table, *row), Naive::Row(value.clone()));
        }
        Write::Delete(table, row) => {
            run.delete(TableId(*table), &[*row]);
            held.remove(&row_name(*table, *row));
        }
        Write::Set(id, ms) => {
            run.set_timer(&[*id], *ms);
            held.insert(timer_name(key, *id), Naive::Timer(*ms));
        }
        Write::Cancel(id) => {
            run.cancel_timer(&[*id]);
            held.remove(&timer_name(key, *id));
        }
    }
    for table in 0..2 {
        let seen = run.get(TableId(table), &[3]).map(|value| Naive::Row(value.to_vec()));
        assert_eq!(seen.as_ref(), held.get(&row_name(table, 3)));
    }
    let seen = run.timer_ms(&[1]).map(Naive::Timer);
    assert_eq!(seen.as_ref(), held.get(&timer_name(key, 1)));
}

fn naive(content: Content<'_>) -> Naive {
    match content {
        Content::Row(value) => Naive::Row(value.to_vec()),
        Content::Timer(ms) => Naive::Timer(ms),
    }
}

fn held_by(state: &State) -> Held {
    let rows = state.rows.iter().map(|(name, value)| ([&[1], name].concat(), Naive::Row(value.to_vec())));
    let timers = state.timers.iter().map(|(name, ms)| ([&[2], name].concat(), Naive::Timer(ms)));
    rows.chain(timers).collect()
}

fn bytes_of(held: &Held) -> usize {
    held.iter()
        .map(|(name, content)| match content {
            Naive::Row(value) => name.len() - 1 + value.len() + rows::ROW_BYTES,
            Naive::Timer(_) => name.len() - 1 + TIMER_BYTES,
        })
        .sum()
}

/// The items that differ, with what they are now.
fn difference(before: &Held, now: &Held) -> BTreeMap<Vec<u8>, Option<Naive>> {
    let names = before.keys().chain(now.keys());
    names
        .filter(|name| before.get(*name) != now.get(*name))
        .map(|name| (name.clone(), now.get(name).cloned()))
        .collect()
}

type Log = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Writes the transaction's changes down as the changelog has them; answers what they say.
fn append(state: &State, log: &mut Log) -> BTreeMap<Vec<u8>, Option<Naive>> {
    let mut said = BTreeMap::new();
    for entry in state.changes() {
        let mut value = Vec::new();
        let value = entry.write_value(&mut value).then_some(value);
        log.push((entry.name.to_vec(), value));
        let before = said.insert(entry.name.to_vec(), entry.content.map(naive));
        assert_eq!(before, None, "one entry for an item");
    }
    said
}

fn restored(log: &Log) -> State {
    let mut state = State::new(ROOMY);
    for (key, value) in log {
        state.restore(Some(key), value.as_deref()).unwrap();
    }
    state
}

/// Compaction of the first part of the log: the last entry of each key stays, and tombstones go.
fn compacted(log: &Log, upto: usize) -> Log {
    let (old, new) = log.split_at(upto.min(log.len()));
    let kept = old.iter().enumerate().filter(|(index, (key, value))| {
        value.is_some() && !old[index + 1..].iter().any(|(later, _)| later == key)
    });
    kept.map(|(_, entry)| entry.clone()).chain(new.iter().cloned()).collect()
}

proptest! {
    #[test]
    fn holds_what_was_committed_and_what_is_under_way_and_nothing_else(
        events in prop::collection::vec(event(), 0..60),
        upto in 0usize..100,
    ) {
        let (mut state, mut writes) = (State::new(ROOMY), Writes::default());
        let (mut committed, mut held, mut log) = (Held::new(), Held::new(), Log::new());
        // What is ending: its entries, and what the state was with them.
        let mut ending: Option<(Log, Held)> = None;
        for event in events {
            match event {
                Event::Run(key, asked, applied) => {
                    let key_bytes = [key];
                    let mut run = RunState::new(&state, &mut writes, &key_bytes);
                    let mut after = held.clone();
                    asked.iter().for_each(|write| perform(&mut run, &mut after, key, write));
                    if applied {
                        state.apply(&mut writes).unwrap();
                        held = after;
                    } else {
                        writes.clear();
                    }
                }
                Event::Due(now_ms, most) => for _ in 0..most {
                    let due = state.pop_due(now_ms);
                    let lowest_ms = held.values().filter_map(|content| match content {
                        Naive::Timer(ms) if *ms <= now_ms => Some(*ms),
                        _ => None,
                    }).min();
                    prop_assert_eq!(due.as_ref().map(|due| due.deadline_ms), lowest_ms);
                    let Some(due) = due else { break };
                    held.remove(&[&[2], due.name.as_bytes()].concat());
                },
                Event::Seal if ending.is_none() => {
                    let mut entries = Log::new();
                    prop_assert_eq!(append(&state, &mut entries), difference(&committed, &held));
                    state.seal();
                    prop_assert_eq!(state.touched(), 0);
                    ending = Some((entries, held.clone()));
                }
                Event::Seal => {}
                Event::Commit => if let Some((entries, sealed)) = ending.take() {
                    state.committed();
                    log.extend(entries);
                    committed = sealed;
                }
                Event::Abort => {
                    state.rolled_back();
                    prop_assert_eq!((state.touched(), state.sealed()), (0, 0));
                    held.clone_from(&committed);
                    ending = None;
                }
                Event::TakeBack => {
                    state.take_back();
                    prop_assert_eq!(state.touched(), 0);
                    held = ending.as_ref().map_or(&committed, |(_, sealed)| sealed).clone();
                }
            }
            prop_assert_eq!(held_by(&state), held.clone());
            prop_assert_eq!(state.bytes(), bytes_of(&held));
        }
        prop_assert_eq!(held_by(&restored(&log)), committed.clone());
        prop_assert_eq!(held_by(&restored(&compacted(&log, upto))), committed);
    }

    #[test]
    fn what_passes_the_limit_is_refused_as_a_whole(
        runs in prop::collection::vec(prop::collection::vec(write(), 0..5), 0..40),
        bytes_max in 80usize..700,
    ) {
        let limits = StateLimits { bytes_max, row_bytes_max: 10 };
        let (mut state, mut writes, mut held) = (State::new(limits), Writes::default(), Held::new());
        for asked in runs {
            let mut run = RunState::new(&state, &mut writes, b"\0");
            let mut after = held.clone();
            asked.iter().for_each(|write| perform(&mut run, &mut after, 0, write));
            let long = difference(&held, &after).into_iter().find_map(|(name, content)| match content {
                Some(Naive::Row(value)) if name.len() - 1 + value.len() > 10 => Some(()),
                _ => None,
            });
            let needed_bytes = bytes_of(&after);
            match state.apply(&mut writes) {
                Ok(()) => {
                    prop_assert_eq!(long, None);
                    prop_assert!(needed_bytes <= bytes_max);
                    held = after;
                }
                Err(StateError::RowTooLarge { row_bytes, .. }) => prop_assert!(long.is_some() && row_bytes > 10),
                Err(error) => {
                    let (rows, timers) = (state.rows(), state.timers());
                    prop_assert!(needed_bytes > bytes_max);
                    prop_assert_eq!(error, StateError::Full { needed_bytes, bytes_max, rows, timers });
                }
            }
            prop_assert_eq!(held_by(&state), held.clone());
        }
    }

    #[test]
    fn any_record_is_read_or_refused(
        key in prop::collection::vec(any::<u8>(), 0..12),
        value in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let _ = Entry::read(Some(&key), Some(&value));
        let mut ours = vec![2];
        ours.extend(key);
        let _ = Entry::read(Some(&ours), None);
        let _ = Entry::read(Some(&ours), Some(&[&[1], &value[..]].concat()));
    }
}

#[test]
fn the_form_of_the_changelog_stays_as_it_is() {
    const ROW_SUM: [u8; 4] = [135, 167, 0, 153];
    const TIMER_SUM: [u8; 4] = [201, 154, 69, 171];
    let mut state = State::new(ROOMY);
    let mut writes = Writes::default();
    let mut run = RunState::new(&state, &mut writes, b"key");
    run.put(TableId(7), b"row", b"value");
    run.set_timer(b"id", 0x0102_0304);
    state.apply(&mut writes).unwrap();
    let mut log = Log::new();
    append(&state, &mut log);
    let row = [&b"\x01value"[..], &ROW_SUM].concat();
    assert_eq!(log[0], (b"\x01\x07row".to_vec(), Some(row)));
    let timer = [&[1, 4, 3, 2, 1, 0, 0, 0, 0][..], &TIMER_SUM].concat();
    assert_eq!(log[1], (b"\x02\x03keyid".to_vec(), Some(timer)));
}

#[test]
fn damage_is_told_and_so_is_a_newer_form() {
    let entry = Entry { name: b"\x01\x00row", content: Some(Content::Row(b"value")) };
    let mut value = Vec::new();
    entry.write_value(&mut value);
    assert_eq!(Entry::read(Some(entry.name), Some(&value)), Ok(entry));
    for len in 0..value.len() {
        let read = Entry::read(Some(entry.name), Some(&value[..len]));
        assert!(matches!(read, Err(ChangelogError::Damaged(_))), "{len} bytes: {read:?}");
    }
    for bit in 0..value.len() * 8 {
        value[bit / 8] ^= 1 << (bit % 8);
        assert!(Entry::read(Some(entry.name), Some(&value)).is_err(), "bit {bit}");
        value[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(Entry::read(Some(b"\x01\x01row"), Some(&value)).is_err(), "another key's value");
    assert_eq!(Entry::read(Some(entry.name), Some(b"\x02....")), Err(ChangelogError::Newer(2)));
    assert_eq!(Entry::read(Some(b"\x03key"), None), Err(ChangelogError::Newer(3)));
    for key in [None, Some(&b""[..]), Some(b"\x01"), Some(b"\x02"), Some(b"\x02\x05key")] {
        let read = Entry::read(key, None);
        assert!(matches!(read, Err(ChangelogError::Damaged(_))), "{key:?}: {read:?}");
    }
}

#[test]
fn a_state_that_is_too_large_is_not_restored() {
    let limits = StateLimits { bytes_max: 3 * (rows::ROW_BYTES + 3), row_bytes_max: 100 };
    let mut state = State::new(limits);
    let mut restore = |key: &[u8]| {
        let entry = Entry { name: key, content: Some(Content::Row(b"v")) };
        let mut value = Vec::new();
        entry.write_value(&mut value);
        state.restore(Some(key), Some(&value))
    };
    for key in [b"\x01\x00a", b"\x01\x00b", b"\x01\x00c"] {
        assert_eq!(restore(key), Ok(()));
    }
    let error = restore(b"\x01\x00d").unwrap_err();
    assert!(matches!(error, StateError::Full { rows: 4, timers: 0, .. }), "{error:?}");
    assert!(error.to_string().contains("204 bytes of memory, and may take 153"), "{error}");
}

#[test]
fn a_run_can_not_collect_more_than_the_state_may_hold() {
    let limits = StateLimits { bytes_max: 1_000, row_bytes_max: 1_000 };
    let mut state = State::new(limits);
    let mut writes = Writes::default();
    let mut run = RunState::new(&state, &mut writes, b"key");
    for _ in 0..1_000 {
        run.put(TableId(0), b"row", &[0; 100]);
    }
    assert!(writes.items.bytes() <= 1_000);
    let refused = state.apply(&mut writes);
    assert!(matches!(refused, Err(StateError::Full { needed_bytes: 1_001.., .. })), "{refused:?}");
    let mut run = RunState::new(&state, &mut writes, b"key");
    run.put(TableId(0), b"row", b"value");
    assert_eq!(state.apply(&mut writes), Ok(()), "the next run is judged by itself");
}

use super::*;
use crate::state::snapshot::{
    SnapshotHeader, SnapshotReader, SnapshotRefusal, SnapshotTerms, SnapshotWriter,
};

const TAKEN_MS: i64 = 1_000_000;

fn header(next_offset: usize) -> SnapshotHeader {
    SnapshotHeader {
        topic_id: "id".to_owned(),
        number: 3,
        next_offset: next_offset as i64,
        complete_ms: TAKEN_MS,
    }
}

fn terms() -> SnapshotTerms {
    SnapshotTerms { topic_id: "id".to_owned(), number: 3, now_ms: TAKEN_MS + 500, age_ms_max: 1_000 }
}

fn whole(header: &SnapshotHeader, state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = SnapshotWriter::begin(header, &mut bytes);
    assert!(writer.write(state, usize::MAX, &mut bytes));
    bytes
}

fn read(
    bytes: &[u8],
    pieces: usize,
    terms: SnapshotTerms,
) -> Result<(State, SnapshotHeader), SnapshotRefusal> {
    let (mut state, mut reader) = (State::new(ROOMY), SnapshotReader::new(terms, ROOMY.row_bytes_max));
    for piece in bytes.chunks(pieces) {
        reader.read(piece, &mut state)?;
    }
    let (header, read) = reader.finish()?;
    assert_eq!(read, bytes.len() as u64);
    Ok((state, header))
}

/// As [`compacted`], but what says that an item is gone stays, and so do offsets.
fn cleaned(log: &Log, upto: usize) -> Vec<(usize, Vec<u8>, Option<Vec<u8>>)> {
    let upto = upto.min(log.len());
    let is_last =
        |index: usize| !log[index + 1..upto.max(index + 1)].iter().any(|(later, _)| *later == log[index].0);
    let kept = (0..log.len()).filter(|index| *index >= upto || is_last(*index));
    kept.map(|index| (index, log[index].0.clone(), log[index].1.clone())).collect()
}

/// A snapshot that is being taken while the state changes.
#[derive(Default)]
struct Taking {
    bytes: Vec<u8>,
    writer: Option<SnapshotWriter>,
    next_offset: usize,
    ended: bool,
}

impl Taking {
    /// Something was committed: takes the next slice.
    fn go_on(&mut self, state: &State, log: &Log, early: usize) {
        if self.writer.is_none() {
            // An offset that is too low is right, too.
            self.next_offset = log.len().saturating_sub(early);
            self.writer = Some(SnapshotWriter::begin(&header(self.next_offset), &mut self.bytes));
        }
        if let Some(writer) = self.writer.as_mut().filter(|_| !self.ended) {
            self.ended = writer.write(state, 1, &mut self.bytes);
        }
    }
}

proptest! {
    #[test]
    fn a_snapshot_and_the_log_behind_its_offset_are_the_state(
        events in prop::collection::vec(event(), 0..80),
        (early, upto, pieces) in (0usize..5, 0usize..100, 1usize..300),
    ) {
        let (mut state, mut writes) = (State::new(ROOMY), Writes::default());
        let (mut log, mut committed, mut taking) = (Log::new(), Held::new(), Taking::default());
        let all_commits = events.into_iter().chain(std::iter::repeat_n(Event::Commit, 2 * 64));
        for event in all_commits {
            match event {
                Event::Run(key, asked, _) => {
                    let key_bytes = [key];
                    let mut run = RunState::new(&state, &mut writes, &key_bytes);
                    asked.iter().for_each(|write| note(&mut run, write));
                    state.apply(&mut writes).unwrap();
                }
                Event::Due(now_ms, most) => (0..most).for_each(|_| drop(state.pop_due(now_ms))),
                Event::Abort => state.rolled_back(),
                Event::TakeBack => state.take_back(),
                Event::Seal => {}
                Event::Commit => {
                    append(&state, &mut log);
                    state.seal();
                    state.committed();
                    committed = held_by(&state);
                    taking.go_on(&state, &log, early);
                }
            }
        }
        prop_assert!(taking.ended, "one slice for each part at most");
        let (mut found, header) = read(&taking.bytes, pieces, terms()).unwrap();
        prop_assert_eq!(header.next_offset, taking.next_offset as i64);
        for (offset, key, value) in cleaned(&log, upto) {
            if offset >= taking.next_offset {
                found.restore(Some(&key), value.as_deref()).unwrap();
            }
        }
        prop_assert_eq!(held_by(&found), committed);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), pieces in 1usize..50) {
        let ours = [&b"TWSS\x01"[..], &bytes].concat();
        prop_assert!(read(&bytes, pieces, terms()).is_err());
        prop_assert!(read(&ours, pieces, terms()).is_err());
    }
}

fn note(run: &mut RunState<'_>, write: &Write) {
    match write {
        Write::Put(table, row, value) => run.put(TableId(*table), &[*row], value),
        Write::Delete(table, row) => run.delete(TableId(*table), &[*row]),
        Write::Set(id, ms) => run.set_timer(&[*id], *ms),
        Write::Cancel(id) => run.cancel_timer(&[*id]),
    }
}

fn filled(rows: usize) -> State {
    let (mut state, mut writes) = (State::new(ROOMY), Writes::default());
    let mut run = RunState::new(&state, &mut writes, b"key");
    for row in 0..rows {
        run.put(TableId(1), &row.to_le_bytes(), b"value");
        run.set_timer(&row.to_le_bytes(), row as i64);
    }
    state.apply(&mut writes).unwrap();
    state.seal();
    state.committed();
    state
}

#[test]
fn what_is_damaged_or_cut_off_is_refused_wherever_it_is() {
    let state = filled(3);
    let mut bytes = whole(&header(7), &state);
    assert_eq!(held_by(&read(&bytes, 10, terms()).unwrap().0), held_by(&state));
    for len in 0..bytes.len() {
        assert!(matches!(read(&bytes[..len], 10, terms()), Err(SnapshotRefusal::CutOff)), "{len} bytes");
    }
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let refusal = read(&bytes, 10, terms()).map(|_| ()).unwrap_err();
        // A length that is too large waits for more.
        let told = matches!(
            refusal,
            SnapshotRefusal::Damaged(_) | SnapshotRefusal::Newer(_) | SnapshotRefusal::CutOff
        );
        assert!(told, "bit {bit}: {refusal}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    bytes.push(0);
    assert!(matches!(read(&bytes, 10, terms()), Err(SnapshotRefusal::Damaged(_))), "something behind it");
}

#[test]
fn frames_of_two_snapshots_do_not_go_together() {
    let (one, two) = (whole(&header(7), &filled(3)), whole(&header(8), &filled(3)));
    let start = 5 + 4 + 23 + 8;
    let mixed = [&one[..start], &two[start..]].concat();
    assert!(matches!(read(&mixed, 1_000, terms()), Err(SnapshotRefusal::Damaged(_))));
}

#[test]
fn what_is_foreign_newer_too_old_or_too_large_is_refused() {
    let bytes = whole(&header(7), &filled(100));
    let refused = |terms| read(&bytes, 1_000, terms).map(|_| ()).unwrap_err();
    let with = |change: fn(&mut SnapshotTerms)| {
        let mut terms = terms();
        change(&mut terms);
        terms
    };
    let other = refused(with(|terms| terms.topic_id = "other".to_owned()));
    assert_eq!(other, SnapshotRefusal::OtherTopic("id".to_owned()));
    assert_eq!(refused(with(|terms| terms.number = 4)), SnapshotRefusal::OtherPartition(3));
    assert!(read(&bytes, 1_000, with(|terms| terms.now_ms = TAKEN_MS + 1_000)).is_ok());
    let old = refused(with(|terms| terms.now_ms = TAKEN_MS + 1_001));
    assert_eq!(old, SnapshotRefusal::TooOld { age_ms: 1_001, age_ms_max: 1_000 });
    assert_eq!(refused(with(|terms| terms.now_ms = TAKEN_MS - 1)), SnapshotRefusal::FromTheFuture(1));
    let newer = [&bytes[..4], &[2], &bytes[5..]].concat();
    assert!(matches!(read(&newer, 1_000, terms()), Err(SnapshotRefusal::Newer(2))));
    let limits = StateLimits { bytes_max: 2_000, row_bytes_max: 1 << 10 };
    let (mut state, mut reader) = (State::new(limits), SnapshotReader::new(terms(), 1 << 10));
    assert_eq!(reader.read(&bytes, &mut state), Err(SnapshotRefusal::TooLarge));
}

#[test]
fn a_slice_is_a_part_or_as_many_as_are_asked_for() {
    let state = filled(1_000);
    let (mut bytes, mut slices) = (Vec::new(), 0);
    let mut writer = SnapshotWriter::begin(&header(0), &mut bytes);
    while !writer.write(&state, 1, &mut bytes) {
        slices += 1;
    }
    assert!((100..128).contains(&slices), "{slices}");
    assert_eq!(held_by(&read(&bytes, 77, terms()).unwrap().0), held_by(&state));
    assert!(whole(&header(0), &state).len() < bytes.len(), "fewer frames");
}

#[test]
fn the_form_of_snapshots_stays_as_it_is() {
    let bytes = whole(&header(7), &filled(1));
    let payload =
        [&[1][..], &7_i64.to_le_bytes(), &TAKEN_MS.to_le_bytes(), &3_i32.to_le_bytes(), b"id"].concat();
    let frame = [&23_u32.to_le_bytes()[..], &payload].concat();
    assert_eq!(bytes[..5], *b"TWSS\x01");
    assert_eq!(bytes[5..5 + frame.len()], frame);
    let row = [&[10, 1, 1][..], &[0; 8], &[5], b"value"].concat();
    let timer = [&[13, 2, 3][..], b"key", &[0; 8], &[8], &[0; 8]].concat();
    let items = [&[2][..], &row, &timer].concat();
    let at = 5 + frame.len() + 8;
    assert_eq!(bytes[at..at + 4], (items.len() as u32).to_le_bytes());
    assert_eq!(bytes[at + 4..at + 4 + items.len()], items);
    let end = [&9_u32.to_le_bytes()[..], &[3], &2_u64.to_le_bytes()].concat();
    let at = at + 4 + items.len() + 8;
    assert_eq!(bytes[at..at + end.len()], end);
    assert_eq!(xxhash_rust::xxh3::xxh3_64(&bytes), 16_188_937_313_324_316_520, "checksums too");
}

use std::collections::BTreeSet;

use super::*;
use proptest::prelude::*;

/// The rules, written down naively.
#[derive(Default)]
struct Naive {
    pending: Vec<(u8, u8, i64, usize)>,
    sets: usize,
}

impl Naive {
    fn cancel(&mut self, key: u8, id: u8) -> Option<i64> {
        let index = self.pending.iter().position(|timer| (timer.0, timer.1) == (key, id))?;
        Some(self.pending.remove(index).2)
    }

    fn set(&mut self, key: u8, id: u8, deadline_ms: i64) -> Option<i64> {
        let before_ms = self.cancel(key, id);
        self.sets += 1;
        self.pending.push((key, id, deadline_ms, self.sets));
        before_ms
    }

    fn pop_due(&mut self, now_ms: i64) -> Option<(u8, u8, i64)> {
        let first = self.pending.iter().min_by_key(|timer| (timer.2, timer.3)).copied()?;
        if first.2 > now_ms {
            return None;
        }
        self.cancel(first.0, first.1);
        Some((first.0, first.1, first.2))
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// Sets a timer so many ms from now.
    Set(u8, u8, i64),
    Cancel(u8, u8),
    /// The clock goes on, or back, by so many ms; then so many timers are taken out at most.
    Clock(i64, usize),
    /// The clock goes to when the timers want to be asked again.
    Wake,
}

/// Milliseconds and hours; sometimes all there is.
fn span_ms() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -3i64..200,
        4 => -10_000i64..300_000,
        2 => -7_200_000i64..7_200_000,
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0u8..12, 0u8..3, span_ms()).prop_map(|(key, id, ms)| Event::Set(key, id, ms)),
        2 => (0u8..12, 0u8..3).prop_map(|(key, id)| Event::Cancel(key, id)),
        4 => (-100i64..300_000, 0usize..5).prop_map(|(ms, most)| Event::Clock(ms, most)),
        1 => (prop_oneof![Just(-3_600_000i64), Just(3_600_000)], 0usize..40)
            .prop_map(|(ms, most)| Event::Clock(ms, most)),
        3 => Just(Event::Wake),
    ]
}

/// Takes out what is due, `most` at most, as the rules say. Answers whether all that is due was taken out.
fn pop(timers: &mut Timers, naive: &mut Naive, now_ms: i64, most: usize) -> bool {
    for _ in 0..most {
        let popped = timers.pop_due(now_ms);
        let expected = naive.pop_due(now_ms);
        let found = popped.as_ref().map(|due| {
            let TimerRef { key, id } = due.name.timer();
            (key[0], id[0], due.deadline_ms)
        });
        assert_eq!(found, expected, "at {now_ms}");
        if popped.is_none() {
            return true;
        }
    }
    false
}

fn agree(timers: &Timers, naive: &Naive) {
    assert_eq!(timers.len(), naive.pending.len());
    let found: BTreeSet<_> = timers.iter().map(|(name, ms)| (name.to_vec(), ms)).collect();
    let expected = naive.pending.iter().map(|(key, id, ms, _)| (vec![1, *key, *id], *ms));
    assert_eq!(found, expected.collect());
    assert_eq!(timers.bytes(), naive.pending.len() * (TIMER_BYTES + 3));
    let lowest_ms = naive.pending.iter().map(|timer| timer.2).min();
    let wake_ms = timers.next_wake_ms();
    assert_eq!(wake_ms.is_some(), lowest_ms.is_some());
    assert!(wake_ms <= lowest_ms, "asked too late: {wake_ms:?}, {lowest_ms:?}");
}

proptest! {
    #[test]
    fn as_the_rules_say_whatever_the_clock_does(
        start_ms in prop_oneof![Just(0i64), Just(1_700_000_000_000)],
        events in prop::collection::vec(event(), 0..300),
    ) {
        let (mut timers, mut naive, mut now_ms) = (Timers::default(), Naive::default(), start_ms);
        for event in events {
            match event {
                Event::Set(key, id, ms) => {
                    let deadline_ms = now_ms.saturating_add(ms);
                    let before_ms = timers.set(&[key], &[id], deadline_ms);
                    prop_assert_eq!(before_ms, naive.set(key, id, deadline_ms));
                    let timer = TimerRef { key: &[key], id: &[id] };
                    prop_assert_eq!(timers.deadline_ms(timer), Some(deadline_ms));
                }
                Event::Cancel(key, id) => {
                    prop_assert_eq!(timers.cancel(&[key], &[id]), naive.cancel(key, id));
                    prop_assert_eq!(timers.deadline_ms(TimerRef { key: &[key], id: &[id] }), None);
                }
                Event::Clock(ms, most) => {
                    now_ms = now_ms.saturating_add(ms);
                    if pop(&mut timers, &mut naive, now_ms, most) {
                        prop_assert!(timers.next_wake_ms().is_none_or(|wake_ms| wake_ms > now_ms), "asked in vain");
                    }
                }
                Event::Wake => {
                    if let Some(wake_ms) = timers.next_wake_ms().filter(|wake_ms| *wake_ms > now_ms) {
                        now_ms = wake_ms;
                        pop(&mut timers, &mut naive, now_ms, 2);
                    }
                }
            }
            agree(&timers, &naive);
        }
        prop_assert!(pop(&mut timers, &mut naive, i64::MAX, usize::MAX), "all are due in the end");
        prop_assert!(timers.is_empty() && timers.next_wake_ms().is_none());
    }

    #[test]
    fn who_sleeps_as_told_wakes_at_every_deadline_and_seldom_in_vain(
        deadlines_ms in prop::collection::btree_set(1i64..1 << 45, 1..50),
    ) {
        let mut timers = Timers::default();
        for ms in &deadlines_ms {
            timers.set(&ms.to_le_bytes(), b"", *ms);
        }
        let (mut now_ms, mut in_vain) = (0, 0);
        for deadline_ms in &deadlines_ms {
            while now_ms < *deadline_ms {
                prop_assert_eq!(timers.pop_due(now_ms), None);
                now_ms = timers.next_wake_ms().unwrap();
                in_vain += 1;
            }
            prop_assert_eq!(now_ms, *deadline_ms);
            prop_assert_eq!(timers.pop_due(now_ms).map(|due| due.deadline_ms), Some(*deadline_ms));
        }
        prop_assert!(in_vain <= 11 * deadlines_ms.len(), "a timer moves down ten times at most: {in_vain}");
    }
}

#[test]
fn keys_and_ids_do_not_run_into_each_other() {
    let mut timers = Timers::default();
    for (key, id, ms) in [("ab", "c", 1), ("a", "bc", 2), ("", "abc", 3), ("abc", "", 4)] {
        assert_eq!(timers.set(key.as_bytes(), id.as_bytes(), ms), None);
    }
    let long = [b'k'; 300];
    timers.set(&long, b"id", 5);
    assert_eq!(timers.deadline_ms(TimerRef { key: b"a", id: b"bc" }), Some(2));
    let popped: Vec<DueTimer> = std::iter::from_fn(|| timers.pop_due(9)).collect();
    let order: Vec<_> = popped.iter().map(|due| (due.name.timer().key.len(), due.deadline_ms)).collect();
    assert_eq!(order, [(2, 1), (1, 2), (0, 3), (3, 4), (300, 5)]);
    assert_eq!(popped[4].name.timer(), TimerRef { key: &long, id: b"id" });
}

#[test]
fn names_that_are_cut_off_are_refused() {
    let mut name = Vec::new();
    TimerRef { key: &[7; 200], id: b"" }.write_name(&mut name);
    assert!(TimerRef::read_name(&name).is_some());
    for len in 0..name.len() {
        assert_eq!(TimerRef::read_name(&name[..len]), None, "{len} bytes");
    }
    assert_eq!(TimerRef::read_name(&[0xFF; 12]), None);
}

#[test]
fn a_peak_that_is_over_takes_no_memory() {
    let mut timers = Timers::default();
    for number in 0..50_000u32 {
        timers.set(&number.to_le_bytes(), b"", i64::from(number));
    }
    assert!(timers.index.capacity() >= 50_000);
    while timers.pop_due(i64::MAX).is_some() {}
    assert_eq!(timers.index.capacity(), 0);
    timers.set(b"key", b"id", 7);
    assert_eq!(timers.pop_due(7).map(|due| due.deadline_ms), Some(7));
}

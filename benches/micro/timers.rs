//! Timers of one partition: a million pending, what each takes, and how long setting, cancelling and firing take.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench may end with a panic")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use thalweg_core::timers::Timers;

const PENDING: u64 = 1_000_000;
const AT_A_TIME: u64 = 1_000;
const START_MS: i64 = 1_700_000_000_000;
/// Deadlines lie within two minutes, as those of orders do.
const SPAN_MS: u64 = 120_000;

/// The key of that number: 16 bytes, as a UUID is; neighbours differ in all of them.
fn key(number: u64) -> [u8; 16] {
    let [high, low] = [0x9E37_79B9_7F4A_7C15u64, 0x5851_F42D_4C95_7F2D].map(|odd| number.wrapping_mul(odd));
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

/// A deadline that looks random.
fn deadline_ms(number: u64, from_ms: i64) -> i64 {
    from_ms + (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % SPAN_MS).cast_signed()
}

fn pending() -> Timers {
    let mut timers = Timers::default();
    assert_eq!(timers.pop_due(START_MS), None);
    for number in 0..PENDING {
        timers.set(&key(number), b"expiry", deadline_ms(number, START_MS));
    }
    timers
}

fn one_by_one(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers, a million pending");
    group.throughput(Throughput::Elements(AT_A_TIME));
    let (mut timers, mut next) = (pending(), PENDING);
    group.bench_function("set and cancel a new one", |b| {
        b.iter(|| {
            for number in next..next + AT_A_TIME {
                timers.set(&key(number), b"expiry", deadline_ms(number, START_MS));
            }
            for number in next..next + AT_A_TIME {
                assert!(timers.cancel(&key(number), b"expiry").is_some());
            }
            next += AT_A_TIME;
        });
    });
    let mut salt = 0;
    group.bench_function("give one another deadline", |b| {
        b.iter(|| {
            salt += 7_919;
            for number in 0..AT_A_TIME {
                let number = (number * 997 + salt) % PENDING;
                black_box(timers.set(&key(number), b"expiry", deadline_ms(number ^ salt, START_MS)));
            }
        });
    });
    let mut now_ms = START_MS;
    group.bench_function("fire one and set another", |b| {
        b.iter(|| {
            for _ in 0..AT_A_TIME {
                let due = loop {
                    match timers.pop_due(now_ms) {
                        Some(due) => break due,
                        None => now_ms = timers.next_wake_ms().unwrap(),
                    }
                };
                assert!(due.deadline_ms <= now_ms);
                timers.set(due.name.timer().key, b"expiry", now_ms + SPAN_MS.cast_signed());
            }
        });
    });
}

fn after_being_down(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers, after being down");
    group.throughput(Throughput::Elements(PENDING)).sample_size(10);
    group.bench_function("restore a million", |b| b.iter_with_large_drop(pending));
    group.bench_function("fire a million that are overdue", |b| {
        b.iter_batched_ref(
            || {
                // As a restore leaves them: the wheel has not moved yet.
                let mut timers = Timers::default();
                for number in 0..PENDING {
                    timers.set(&key(number), b"expiry", deadline_ms(number, START_MS));
                }
                timers
            },
            |timers| {
                let mut last_ms = i64::MIN;
                while let Some(due) = timers.pop_due(i64::MAX) {
                    assert!(due.deadline_ms >= last_ms);
                    last_ms = due.deadline_ms;
                }
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(all, one_by_one, after_being_down);
criterion_main!(all);

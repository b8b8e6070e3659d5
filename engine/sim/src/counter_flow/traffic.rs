//! Traffic: few keys, so that a key's records, timers and duplicates meet.

use std::collections::VecDeque;

use super::{AGAIN, EVENT_ID};
use crate::broker::log::NewRecord;

/// A deadline that no history lives to see.
const FAR_MS: i64 = 86_400_000;

#[derive(Debug)]
pub(crate) struct Traffic {
    partitions: u32,
    keys: u32,
    /// Of the records, how many set timers.
    timers_percent: u8,
    next_id: u64,
    /// Records to be repeated: a bit more than the dedupe window of every partition.
    recent: VecDeque<NewRecord>,
    recent_max: usize,
}

impl Traffic {
    pub(crate) fn new(partitions: u32, window: u64, rng: &mut fastrand::Rng) -> Self {
        Self {
            partitions,
            keys: rng.u32(1..20),
            timers_percent: rng.u8(10..60),
            next_id: 0,
            recent: VecDeque::new(),
            recent_max: (window as usize * partitions as usize * 2).min(1_000),
        }
    }

    pub(crate) fn next(&mut self, unix_ms: i64, rng: &mut fastrand::Rng) -> NewRecord {
        let again = rng.u8(0..100) < 6;
        if let Some(repeated) = self.recent.get(rng.usize(0..self.recent.len().max(1))).filter(|_| again) {
            return repeated.clone();
        }
        self.next_id += 1;
        let number = rng.u32(0..self.keys);
        let mut headers = vec![("correlation-id".to_owned(), b"x".to_vec())];
        if rng.u8(0..100) < 97 {
            headers.push((EVENT_ID.to_owned(), format!("e{}", self.next_id).into_bytes()));
        }
        let record = NewRecord {
            partition: number % self.partitions,
            key: (rng.u8(0..100) < 99).then(|| format!("k{number}").into_bytes()),
            value: Some(self.command(unix_ms, rng).into_bytes()),
            headers,
        };
        self.recent.push_back(record.clone());
        if self.recent.len() > self.recent_max {
            self.recent.pop_front();
        }
        record
    }

    fn command(&self, unix_ms: i64, rng: &mut fastrand::Rng) -> String {
        if rng.u8(0..100) < self.timers_percent {
            let id = if rng.u8(0..5) == 0 {
                format!("{AGAIN}{}", rng.u8(0..4))
            } else {
                format!("t{}", rng.u8(0..4))
            };
            let later_ms = match rng.u8(0..20) {
                0 => FAR_MS,
                1 | 2 => rng.i64(-2_000..1),
                3..12 => rng.i64(1..1_500),
                _ => rng.i64(1_000..12_000),
            };
            return format!("set {id} {}", unix_ms + later_ms);
        }
        match rng.u8(0..100) {
            0..70 => "add".to_owned(),
            70..83 => format!("cancel t{}", rng.u8(0..4)),
            83..89 => "reset".to_owned(),
            89..94 => "ignore".to_owned(),
            94..96 => "large".to_owned(),
            96 => String::new(),
            _ => "explode".to_owned(),
        }
    }
}

//! What is going to happen, in the order of simulated time; the seed decides between events of the same millisecond.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug)]
struct Due<E> {
    at_ms: u64,
    tie: u32,
    number: u64,
    event: E,
}

impl<E> Due<E> {
    fn rank(&self) -> (u64, u32, u64) {
        (self.at_ms, self.tie, self.number)
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    /// The earliest is the greatest, for a heap that gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank().cmp(&self.rank())
    }
}

#[derive(Debug)]
pub(crate) struct Queue<E> {
    due: BinaryHeap<Due<E>>,
    number: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { due: BinaryHeap::new(), number: 0 }
    }
}

impl<E> Queue<E> {
    pub(crate) fn push(&mut self, at_ms: u64, tie: u32, event: E) {
        self.number += 1;
        self.due.push(Due { at_ms, tie, number: self.number, event });
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, E)> {
        self.due.pop().map(|due| (due.at_ms, due.event))
    }
}

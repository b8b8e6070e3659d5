//! Many seeds, on all cores; and every sabotage until it is caught.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::flow::Flow;
use crate::run::{Options, Run, run};
use crate::sabotage::Sabotage;
use crate::tally::{Count, Tally};

/// The sum of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// Seeds run.
    pub seeds: u64,
    /// Counters of all of them.
    pub tally: Tally,
    /// In how many seeds each counter was above zero, in the order of [`Count::ALL`].
    pub seeds_with: [u64; Count::ALL.len()],
    /// Runs that broke an invariant, by seed.
    pub failed: Vec<Run>,
}

/// Runs `count` seeds from `first` on; `progress` is told how many are done, now and then.
pub fn run_seeds<F: Flow>(flow: &F, first: u64, count: u64, progress: impl Fn(u64) + Sync) -> Summary {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let done = run(flow.clone(), first + number, Options::default());
            let mut summary = summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            summary.take(done);
            progress(summary.seeds);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    summary.failed.sort_by_key(|run| run.seed);
    summary
}

impl Summary {
    fn take(&mut self, done: Run) {
        self.seeds += 1;
        self.tally.merge(&done.tally);
        for (with, count) in self.seeds_with.iter_mut().zip(Count::ALL) {
            *with += u64::from(done.tally.of(count) > 0);
        }
        if done.violation.is_some() {
            self.failed.push(done);
        }
    }

    /// The share of seeds in which that was counted at least once.
    #[must_use]
    pub fn share_with(&self, count: Count) -> f64 {
        self.seeds_with[count as usize] as f64 / self.seeds.max(1) as f64
    }
}

/// What became of a sabotage.
#[derive(Debug)]
pub struct Caught {
    /// Which.
    pub sabotage: Sabotage,
    /// Seeds until it was caught, and the invariant that did; `None` when it escaped.
    pub by: Option<(u64, &'static str)>,
    /// A seed among those that the unbroken engine fails.
    pub sound_fails: Option<u64>,
}

/// Runs each sabotage over at most `most` seeds from `first` on until an invariant catches it, and the unbroken engine
/// over the same seeds.
pub fn catch_all<F: Flow>(
    flow: &F,
    sabotages: &[Sabotage],
    first: u64,
    most: u64,
    progress: impl Fn(&Caught) + Sync,
) -> Vec<Caught> {
    let next = AtomicU64::new(0);
    let caught = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        while let Some(sabotage) = sabotages.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            let by = catch(flow, *sabotage, first, most);
            progress(&Caught { sabotage: *sabotage, by, sound_fails: None });
            caught.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*sabotage, by));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let caught = caught.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let deepest = caught.iter().map(|(_, by)| by.map_or(most, |(after, _)| after)).max().unwrap_or(0);
    let sound = run_seeds(flow, first, deepest, |_| {});
    let find =
        |sabotage: &Sabotage| caught.iter().find(|(found, _)| found == sabotage).and_then(|(_, by)| *by);
    sabotages
        .iter()
        .map(|sabotage| {
            let by = find(sabotage);
            let seeds = by.map_or(most, |(after, _)| after);
            let fails = sound.failed.iter().map(|run| run.seed).find(|seed| *seed < first + seeds);
            Caught { sabotage: *sabotage, by, sound_fails: fails }
        })
        .collect()
}

fn catch<F: Flow>(flow: &F, sabotage: Sabotage, first: u64, most: u64) -> Option<(u64, &'static str)> {
    let options = Options { sabotage: Some(sabotage), ..Options::default() };
    (0..most).find_map(|number| {
        let broken = run(flow.clone(), first + number, options).violation?;
        Some((number + 1, broken.invariant))
    })
}

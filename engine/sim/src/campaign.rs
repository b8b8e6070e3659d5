//! Many seeds, on all cores; and every sabotage until it is caught.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::call_flow::CallFlow;
use crate::checks::NO_PANIC;
use crate::message_flow::MessageFlow;
use crate::run::{Options, Run, run};
use crate::sabotage::Sabotage;
use crate::tally::{Count, Tally};
use crate::transactional;

/// What a flow promises; a seed has a history of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// Effects on outside systems.
    AtLeastOnce,
    /// Effects on outside systems whose answers become records.
    Calls,
    /// State, timers and records, in transactions.
    ExactlyOnce,
}

impl Guarantee {
    /// Each.
    pub const ALL: [Self; 3] = [Self::AtLeastOnce, Self::Calls, Self::ExactlyOnce];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::Calls => "calls",
            Self::ExactlyOnce => "exactly-once",
        }
    }

    /// The kinds of fault that must occur in at least a third of its histories.
    #[must_use]
    pub fn faults(self) -> &'static [Count] {
        match self {
            Self::AtLeastOnce | Self::Calls => &Count::FAULTS,
            Self::ExactlyOnce => &Count::TRANSACTION_FAULTS,
        }
    }

    /// The history of that seed, of the flow that stands for this guarantee.
    #[must_use]
    pub fn run(self, seed: u64, options: Options) -> Run {
        match self {
            Self::AtLeastOnce => run(MessageFlow, seed, options),
            Self::Calls => run(CallFlow, seed, options),
            Self::ExactlyOnce => transactional::run(seed, options),
        }
    }
}

/// The sum of many runs.
#[derive(Debug)]
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

/// Takes a seed through its history.
pub type History<'h> = dyn Fn(u64, Options) -> Run + Sync + 'h;

/// Runs `count` seeds from `first` on; `progress` is told how many are done, now and then.
pub fn run_seeds(history: &History, first: u64, count: u64, progress: impl Fn(u64) + Sync) -> Summary {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let done = history(first + number, Options::default());
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

impl Default for Summary {
    fn default() -> Self {
        let seeds_with = [0; Count::ALL.len()];
        Self { seeds: 0, tally: Tally::default(), seeds_with, failed: Vec::new() }
    }
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
/// over the same seeds. A panic does not count: it shows that the engine asserts something, not that a check would notice.
pub fn catch_all(
    history: &History,
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
            let by = catch(history, *sabotage, first, most);
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
    let sound = run_seeds(history, first, deepest, |_| {});
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

fn catch(history: &History, sabotage: Sabotage, first: u64, most: u64) -> Option<(u64, &'static str)> {
    let options = Options { sabotage: Some(sabotage), ..Options::default() };
    (0..most).find_map(|number| {
        let broken = history(first + number, options).violation?;
        (broken.invariant != NO_PANIC).then_some((number + 1, broken.invariant))
    })
}

/// Many seeds through the histories of several guarantees.
#[derive(Debug)]
pub struct Campaign {
    /// What came of each.
    pub summaries: Vec<(Guarantee, Summary)>,
}

impl Campaign {
    /// Runs `count` seeds from `first` on; `progress` is told how many are done, now and then.
    pub fn run(
        guarantees: &[Guarantee],
        first: u64,
        count: u64,
        progress: impl Fn(Guarantee, u64) + Sync,
    ) -> Self {
        let of = |guarantee: &Guarantee| {
            let history = |seed, options| guarantee.run(seed, options);
            (*guarantee, run_seeds(&history, first, count, |done| progress(*guarantee, done)))
        };
        Self { summaries: guarantees.iter().map(of).collect() }
    }

    /// Histories that broke an invariant.
    pub fn failed(&self) -> impl Iterator<Item = (Guarantee, &Run)> {
        self.summaries
            .iter()
            .flat_map(|(guarantee, summary)| summary.failed.iter().map(move |failed| (*guarantee, failed)))
    }

    /// The counters of all histories together.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.summaries.iter().for_each(|(_, summary)| tally.merge(&summary.tally));
        tally
    }

    /// For each kind of fault the share of histories in which it occurred: the lowest of the guarantees whose histories
    /// can have it, so that what is common in one does not hide that it is rare in another.
    pub fn shares(&self) -> impl Iterator<Item = (Count, f64)> {
        Count::ALL.into_iter().filter_map(|count| {
            let having = self.summaries.iter().filter(|(guarantee, _)| guarantee.faults().contains(&count));
            let shares = having.map(|(_, summary)| summary.share_with(count));
            shares.min_by(f64::total_cmp).map(|share| (count, share))
        })
    }
}

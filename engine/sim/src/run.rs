//! One run of one seed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::checks::{NO_PANIC, Violation};
use crate::flow::Flow;
use crate::sabotage::{Behaviour, Sabotage};
use crate::tally::{Count, Tally};
use crate::trace::Watch;
use crate::world::World;

/// How a seed is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// What is broken on purpose, if anything.
    pub sabotage: Option<Sabotage>,
    /// How much is written down.
    pub watch: Watch,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// How wild it was.
    pub tally: Tally,
    /// A hash of all that happened: equal for equal seeds.
    pub trace_hash: u64,
    /// The first invariant that was broken.
    pub violation: Option<Violation>,
    /// The last events, if it was watched.
    pub last_events: Vec<String>,
}

/// Runs the flow through the history of that seed, and checks every invariant on the way.
pub fn run<F: Flow>(flow: F, seed: u64, options: Options) -> Run {
    let behaviour = Behaviour(options.sabotage);
    let mut world = World::new(flow, seed, behaviour, options.watch);
    let result = catching(|| world.run());
    let violation = match result {
        Ok(checked) => checked.err(),
        Err(message) => Some(Violation::new(NO_PANIC, message)),
    };
    let mut tally = world.tally.clone();
    tally.add(Count::Rebalances, world.group.rounds.saturating_sub(1));
    let trace_hash = world.trace.hash();
    let last_events = std::mem::take(&mut world.trace).into_lines();
    if violation.is_some() {
        // Workers that were stopped in the middle hold records whose outcome is open; see `Process::forget_life`.
        world.processes.iter_mut().for_each(crate::world::abandon);
    }
    Run { seed, tally, trace_hash, violation, last_events }
}

thread_local! {
    static LAST_PANIC: Cell<Option<String>> = const { Cell::new(None) };
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body`; a panic in it comes back as its message and place, and nothing is printed.
pub(crate) fn catching<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                LAST_PANIC.set(Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    CATCHING.set(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(false);
    result.map_err(|_| LAST_PANIC.take().unwrap_or_else(|| "a panic without a message".to_owned()))
}

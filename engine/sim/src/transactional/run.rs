//! One run of one seed.

use crate::checks::{NO_PANIC, Violation};
use crate::run::{Options, Run, catching};
use crate::sabotage::Behaviour;
use crate::tally::Count;
use crate::transactional::World;

/// Takes the counting flow through the exactly-once history of that seed, and checks every invariant on the way.
#[must_use]
pub fn run(seed: u64, options: Options) -> Run {
    let mut world = World::new(seed, Behaviour(options.sabotage), options.watch);
    let violation = match catching(|| world.run()) {
        Ok(checked) => checked.err(),
        Err(message) => Some(Violation::new(NO_PANIC, message)),
    };
    let mut tally = world.tally.clone();
    tally.add(Count::Rebalances, world.group.rounds.saturating_sub(1));
    let trace_hash = world.trace.hash();
    let last_events = std::mem::take(&mut world.trace).into_lines();
    Run { seed, tally, trace_hash, violation, last_events }
}

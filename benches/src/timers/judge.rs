//! Judges what has fired: each timer once, none that was cancelled, at or after its deadline, and in the order of deadlines
//! within each partition.

use thalweg_benches::timed::Fired;

use super::plan::Plan;

/// Faults that are told in words.
const EXAMPLES_MAX: usize = 5;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Judge {
    plan: Plan,
    /// One bit a timer.
    seen: Vec<u64>,
    /// The last deadline in each partition.
    last_ms: Vec<i64>,
    right: u64,
    wrong: u64,
    examples: Vec<String>,
}

impl Judge {
    pub(super) fn new(plan: Plan, partitions: usize) -> Self {
        let words = usize::try_from(plan.pending.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            plan,
            seen: vec![0; words],
            last_ms: vec![i64::MIN; partitions],
            right: 0,
            wrong: 0,
            examples: Vec::new(),
        }
    }

    /// Looks at the next one of the partition; `None`: a record that is none.
    pub(super) fn see(&mut self, partition: usize, fired: Option<Fired>) {
        match fired.map_or(Err("is no fired timer"), |fired| self.judge(partition, fired)) {
            Ok(()) => self.right += 1,
            Err(why) => {
                self.wrong += 1;
                if self.examples.len() < EXAMPLES_MAX {
                    self.examples.push(format!("partition {partition}: {fired:?} {why}"));
                }
            }
        }
    }

    fn judge(&mut self, partition: usize, fired: Fired) -> Result<(), &'static str> {
        let Fired { number, deadline_ms, ran_us } = fired;
        if number >= self.plan.pending {
            return Err("was cancelled, or never set");
        }
        if deadline_ms != self.plan.deadline_ms(number) {
            return Err("had another deadline");
        }
        if ran_us < deadline_ms.saturating_mul(1_000) {
            return Err("ran too early");
        }
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        match self.seen.get_mut(word) {
            Some(word) if *word & bit == 0 => *word |= bit,
            _ => return Err("has fired before"),
        }
        match self.last_ms.get_mut(partition) {
            Some(last_ms) if *last_ms <= deadline_ms => *last_ms = deadline_ms,
            _ => return Err("came after one that was due later"),
        }
        Ok(())
    }

    /// Those that were as they had to be.
    pub(super) fn right(&self) -> u64 {
        self.right
    }

    /// Those that were not.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong
    }

    /// Some of those, in words.
    pub(super) fn examples(&self) -> &[String] {
        &self.examples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan =
        Plan { pending: 100, cancelled: 10, stop_ms: 0, restart_ms: 500, steady_ms: 1_000, rate: 100 };

    /// All of one partition, in order, none late.
    fn all() -> Vec<Fired> {
        let fired = |number| {
            let deadline_ms = PLAN.deadline_ms(number);
            Fired { number, deadline_ms, ran_us: deadline_ms * 1_000 }
        };
        let mut all: Vec<_> = (0..PLAN.pending).map(fired).collect();
        all.sort_by_key(|fired| fired.deadline_ms);
        all
    }

    fn judged(fired: &[Fired]) -> (u64, u64) {
        let mut judge = Judge::new(PLAN, 1);
        fired.iter().for_each(|fired| judge.see(0, Some(*fired)));
        (judge.right(), judge.wrong())
    }

    #[test]
    fn each_once_in_order_is_right() {
        assert_eq!(judged(&all()), (100, 0));
    }

    #[test]
    fn everything_else_is_told() {
        let mut swapped = all();
        swapped.swap(10, 90);
        assert!(judged(&swapped).1 > 0);
        let twice: Vec<_> = all().into_iter().chain(all().last().copied()).collect();
        assert_eq!(judged(&twice), (100, 1));
        let mut early = all();
        early[3].ran_us -= 1;
        assert_eq!(judged(&early), (99, 1));
        let mut cancelled = all();
        cancelled[99].number = 105;
        assert_eq!(judged(&cancelled), (99, 1));
        let mut other = all();
        other[99].deadline_ms += 1;
        assert_eq!(judged(&other).1, 1);
        let mut judge = Judge::new(PLAN, 1);
        judge.see(0, None);
        assert_eq!(judge.wrong(), 1);
    }
}

//! Which conversation the next record belongs to: uniform, or Zipf(s), where the nth most popular of them gets a
//! share in proportion to 1/n^s.

use fastrand::Rng;

/// How popular the conversations are.
#[derive(Debug)]
pub enum Popularity {
    /// All alike: this many.
    Uniform(u32),
    /// Zipf, as an alias table (Vose): one draw and one look-up, whatever the number of conversations.
    Zipf(Vec<Slot>),
}

/// One column of the alias table.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Below this share of the column (in 2^-32) the column's own number is meant, else `other`.
    own: u32,
    other: u32,
}

impl Popularity {
    /// `count` conversations, Zipf with exponent `s`; 0 means uniform. `count` is at least 1.
    #[must_use]
    pub fn new(count: u32, s: f64) -> Self {
        assert!(count > 0, "there is no conversation to choose");
        if s == 0.0 { Self::Uniform(count) } else { Self::Zipf(alias_table(count, s)) }
    }

    /// The number of a conversation; the most popular one is 0.
    pub fn draw(&self, rng: &mut Rng) -> u32 {
        match self {
            Self::Uniform(count) => rng.u32(..*count),
            Self::Zipf(slots) => {
                let column = rng.usize(..slots.len());
                let slot = slots[column];
                // The table has at most 2^32 columns, made from a u32.
                if rng.u32(..) < slot.own { column as u32 } else { slot.other }
            }
        }
    }
}

fn alias_table(count: u32, s: f64) -> Vec<Slot> {
    let weights: Vec<f64> = (1..=count).map(|rank| f64::from(rank).powf(-s)).collect();
    let mean = weights.iter().sum::<f64>() / f64::from(count);
    // Shares of a column: 1 is a full one. The poor are filled up by the rich, one rich each.
    let mut shares: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
    let (mut poor, mut rich): (Vec<u32>, Vec<u32>) = (0..count).partition(|n| shares[*n as usize] < 1.0);
    let mut slots: Vec<Slot> = (0..count).map(|n| Slot { own: u32::MAX, other: n }).collect();
    while let (Some(low), Some(high)) = (poor.pop(), rich.last().copied()) {
        let share = shares[low as usize];
        slots[low as usize] = Slot { own: (share * 4_294_967_296.0) as u32, other: high };
        shares[high as usize] -= 1.0 - share;
        if shares[high as usize] < 1.0 {
            rich.pop();
            poor.push(high);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(count: u32, s: f64, seed: u64) -> Vec<u32> {
        let popularity = Popularity::new(count, s);
        let mut rng = Rng::with_seed(seed);
        let mut counts = vec![0; count as usize];
        (0..1_000_000).for_each(|_| counts[popularity.draw(&mut rng) as usize] += 1);
        counts
    }

    #[test]
    fn shares_follow_the_law() {
        for s in [0.0, 0.5, 1.0, 1.3] {
            let sum: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-s)).sum();
            let drawn = counts(1000, s, 42);
            for rank in [1, 2, 5, 20, 100] {
                let expected = 1e6 * f64::from(rank).powf(-s) / sum;
                let got = f64::from(drawn[rank as usize - 1]);
                let noise = 5.0 * expected.sqrt();
                assert!((got - expected).abs() < noise, "s {s} rank {rank}: {got}, not {expected}");
            }
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(counts(100, 1.1, 3), counts(100, 1.1, 3));
        assert_ne!(counts(100, 1.1, 3), counts(100, 1.1, 4));
        assert_eq!(counts(1, 1.1, 3), [1_000_000]);
    }
}

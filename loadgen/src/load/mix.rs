//! What share of the records is what.

use super::poison::Poison;
use fastrand::Rng;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A new document.
    Create,
    /// A document of the same id once more, living or deleted.
    Recreate,
    /// A change to a living document.
    Update,
    /// A change to a deleted document, which must have no effect.
    LateUpdate,
    /// The end of a document.
    Delete,
    /// An earlier record once more: same key, value and message id.
    Duplicate,
    /// Nothing that can be processed.
    Poison(Poison),
}

/// Shares of all records, each between 0 and 1, together at most 1; what is left are creates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares {
    /// Share of [`Kind::Update`].
    pub updates: f64,
    /// Share of [`Kind::Delete`].
    pub deletes: f64,
    /// Share of [`Kind::Recreate`].
    pub recreates: f64,
    /// Share of [`Kind::LateUpdate`].
    pub late_updates: f64,
    /// Share of [`Kind::Duplicate`].
    pub duplicates: f64,
    /// Share of [`Kind::Poison`].
    pub poison: f64,
}

/// Draws kinds in the given shares.
#[derive(Debug)]
pub struct Mix {
    /// Upper bounds of the kinds' slices of [0, 1).
    bounds: [(f64, Kind); 5],
    poison_bound: f64,
    poison: Vec<Poison>,
}

impl Mix {
    /// A mix of these shares and these kinds of poison, alike among themselves.
    ///
    /// # Errors
    /// When a share is not between 0 and 1, the shares exceed 1, or there is poison but no kind of it.
    pub fn new(shares: &Shares, poison: &[Poison]) -> Result<Self, String> {
        let Shares { updates, deletes, recreates, late_updates, duplicates, poison: bad } = *shares;
        let mut bounds = [
            (updates, Kind::Update),
            (deletes, Kind::Delete),
            (recreates, Kind::Recreate),
            (late_updates, Kind::LateUpdate),
            (duplicates, Kind::Duplicate),
        ];
        let mut sum = 0.0;
        for (bound, kind) in &mut bounds {
            if !(0.0..=1.0).contains(bound) {
                return Err(format!("the share of {kind:?} is {bound}, it must be between 0 and 1"));
            }
            sum += *bound;
            *bound = sum;
        }
        if !(0.0..=1.0).contains(&bad) || sum + bad > 1.0 + 1e-9 {
            return Err(format!("the shares add up to {}, at most 1 is possible", sum + bad));
        }
        if bad > 0.0 && poison.is_empty() {
            return Err("there is a share of poison but no kind of it".to_owned());
        }
        Ok(Self { bounds, poison_bound: sum + bad, poison: poison.to_vec() })
    }

    /// What the next record is.
    pub fn draw(&self, rng: &mut Rng) -> Kind {
        let place = rng.f64();
        if let Some((_, kind)) = self.bounds.iter().find(|(bound, _)| place < *bound) {
            *kind
        } else if place < self.poison_bound {
            Kind::Poison(self.poison[rng.usize(..self.poison.len())])
        } else {
            Kind::Create
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_met() {
        let shares = Shares { updates: 0.15, deletes: 0.05, poison: 0.1, ..Shares::default() };
        let mix = Mix::new(&shares, &[Poison::Tombstone, Poison::Truncated]).unwrap();
        let mut rng = Rng::with_seed(5);
        let mut counts = std::collections::HashMap::new();
        (0..100_000).for_each(|_| *counts.entry(mix.draw(&mut rng)).or_insert(0_i32) += 1);
        for (kind, expected) in [
            (Kind::Create, 70_000),
            (Kind::Update, 15_000),
            (Kind::Delete, 5000),
            (Kind::Poison(Poison::Tombstone), 5000),
            (Kind::Poison(Poison::Truncated), 5000),
        ] {
            assert!((counts[&kind] - expected).abs() < 500, "{kind:?}: {} of {expected}", counts[&kind]);
        }
        assert_eq!(counts.len(), 5);
    }

    #[test]
    fn impossible_shares_are_refused() {
        let shares = |updates, poison| Shares { updates, poison, ..Shares::default() };
        assert!(Mix::new(&shares(1.5, 0.0), &[]).is_err());
        assert!(Mix::new(&shares(-0.1, 0.0), &[]).is_err());
        assert!(Mix::new(&shares(0.6, 0.6), &[Poison::Empty]).is_err());
        assert!(Mix::new(&shares(0.6, 0.1), &[]).is_err());
        assert!(Mix::new(&shares(f64::NAN, 0.1), &[Poison::Empty]).is_err());
        assert!(Mix::new(&shares(0.6, 0.4), &[Poison::Empty]).is_ok());
    }
}

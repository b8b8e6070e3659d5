//! Sets of offsets: few stretches rather than many numbers.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint stretches that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offsets {
    /// Ends by starts.
    stretches: BTreeMap<i64, i64>,
}

impl Offsets {
    /// Adds all offsets of a stretch.
    pub(crate) fn add(&mut self, mut stretch: Range<i64>) {
        if stretch.is_empty() {
            return;
        }
        // Every stretch that it touches becomes part of it.
        while let Some((start, end)) = self.last_from(stretch.end).filter(|(_, end)| *end >= stretch.start) {
            self.stretches.remove(&start);
            stretch = stretch.start.min(start)..stretch.end.max(end);
        }
        self.stretches.insert(stretch.start, stretch.end);
    }

    /// Takes away whatever lies below.
    pub(crate) fn remove_below(&mut self, offset: i64) {
        while let Some((start, end)) = self.stretches.pop_first() {
            if end > offset {
                self.stretches.insert(start.max(offset), end);
                return;
            }
        }
    }

    /// Whether it is one of them.
    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.last_from(offset).is_some_and(|(_, end)| offset < end)
    }

    /// The end of the stretch that begins there.
    pub(crate) fn end_of_start(&self, start: i64) -> Option<i64> {
        self.stretches.get(&start).copied()
    }

    /// The stretches, ascending.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = Range<i64>> {
        self.stretches.iter().map(|(start, end)| *start..*end)
    }

    /// From the first to the last; `None` when there are none.
    pub(crate) fn span(&self) -> Option<Range<i64>> {
        let (start, _) = self.stretches.first_key_value()?;
        let (_, end) = self.stretches.last_key_value()?;
        Some(*start..*end)
    }

    fn last_from(&self, offset: i64) -> Option<(i64, i64)> {
        self.stretches.range(..=offset).next_back().map(|(start, end)| (*start, *end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0i64..200, 0i64..6, any::<bool>()), 0..100), below in 0i64..200) {
            let (mut offsets, mut naive) = (Offsets::default(), BTreeSet::new());
            for (start, len, remove) in steps {
                if remove && len == 0 {
                    offsets.remove_below(start / 4);
                    naive.retain(|offset| *offset >= start / 4);
                }
                offsets.add(start..start + len);
                naive.extend(start..start + len);
            }
            offsets.remove_below(below);
            naive.retain(|offset| *offset >= below);
            let found: BTreeSet<i64> = offsets.stretches().flatten().collect();
            prop_assert_eq!(&found, &naive);
            prop_assert!((0..210).all(|offset| offsets.contains(offset) == naive.contains(&offset)));
            let stretches: Vec<_> = offsets.stretches().collect();
            prop_assert!(stretches.windows(2).all(|pair| pair[0].end < pair[1].start), "they touch: {stretches:?}");
            prop_assert_eq!(offsets.span().map(|span| span.start), naive.first().copied());
        }
    }
}

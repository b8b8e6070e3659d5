//! Which documents match, and the first of them in an order.

use serde_json::Value;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::schema::Field;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::mapping::SEQ_NO;

/// What documents are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The best first.
    Score,
    /// As they were written.
    Written,
    /// A field of numbers or dates; what does not have it comes last.
    Field { field: Field, is_fraction: bool, ascending: bool },
}

/// A document that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranked {
    /// Smaller comes first.
    rank: u64,
    pub(super) seq_no: u64,
}

/// What does not have the field.
const LAST: u64 = u64::MAX;

impl Order {
    /// What the document was ordered by.
    pub(super) fn value(self, ranked: Ranked) -> Value {
        match self {
            Self::Score => Value::from(f64::from(score_of(ranked.rank))),
            Self::Written => Value::from(ranked.seq_no),
            Self::Field { .. } if ranked.rank == LAST => Value::Null,
            Self::Field { is_fraction, ascending, .. } => {
                let value = if ascending { ranked.rank } else { !ranked.rank };
                if is_fraction {
                    Value::from(tantivy::u64_to_f64(value))
                } else {
                    Value::from(tantivy::u64_to_i64(value))
                }
            }
        }
    }
}

/// Scores are positive, and the bits of positive floating-point numbers are in their order.
fn rank_of(score: Score) -> u64 {
    !u64::from(score.max(0.0).to_bits())
}

fn score_of(rank: u64) -> Score {
    Score::from_bits(!rank as u32)
}

/// The number of matches, and the first of them.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) count: u64,
    pub(super) first: Vec<Ranked>,
}

/// Collects the first `wanted` in that order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranking {
    pub(super) order: Order,
    pub(super) wanted: usize,
}

impl Collector for Ranking {
    type Fruit = Found;
    type Child = SegmentRanking;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentRanking> {
        let columns = segment.fast_fields();
        let key = match self.order {
            Order::Score => Key::Score,
            Order::Written => Key::Written,
            Order::Field { field, is_fraction, ascending } => {
                let name = segment.schema().get_field_name(field);
                if is_fraction {
                    columns.column_opt(name)?.map_or(Key::Missing, |column| Key::Fraction(column, ascending))
                } else {
                    columns.column_opt(name)?.map_or(Key::Missing, |column| Key::Whole(column, ascending))
                }
            }
        };
        Ok(SegmentRanking {
            key,
            seq_nos: columns.u64(SEQ_NO)?,
            wanted: self.wanted,
            found: Found::default(),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.order == Order::Score
    }

    fn merge_fruits(&self, segments: Vec<Found>) -> tantivy::Result<Found> {
        let count = segments.iter().map(|found| found.count).sum();
        let mut first: Vec<_> = segments.into_iter().flat_map(|found| found.first).collect();
        first.sort_unstable();
        first.truncate(self.wanted);
        Ok(Found { count, first })
    }
}

enum Key {
    Score,
    Written,
    Whole(Column<i64>, bool),
    Fraction(Column<f64>, bool),
    /// No document of the segment has the field.
    Missing,
}

/// Collects from one segment.
pub(super) struct SegmentRanking {
    key: Key,
    seq_nos: Column<u64>,
    wanted: usize,
    found: Found,
}

impl SegmentRanking {
    fn rank(&self, document: DocId, score: Score, seq_no: u64) -> u64 {
        let (value, ascending) = match &self.key {
            Key::Score => return rank_of(score),
            Key::Written => return seq_no,
            Key::Missing => return LAST,
            Key::Whole(column, ascending) => (column.first(document).map(tantivy::i64_to_u64), *ascending),
            Key::Fraction(column, ascending) => (column.first(document).map(tantivy::f64_to_u64), *ascending),
        };
        value.map_or(LAST, |value| if ascending { value } else { !value })
    }
}

impl SegmentCollector for SegmentRanking {
    type Fruit = Found;

    fn collect(&mut self, document: DocId, score: Score) {
        self.found.count += 1;
        if self.wanted == 0 {
            return;
        }
        let Some(seq_no) = self.seq_nos.first(document) else { return };
        let rank = self.rank(document, score, seq_no);
        self.found.first.push(Ranked { rank, seq_no });
        // Cut from time to time: cheaper than a heap, and never more than twice what is wanted.
        if self.found.first.len() >= self.wanted.saturating_mul(2).max(256) {
            self.found.first.select_nth_unstable(self.wanted - 1);
            self.found.first.truncate(self.wanted);
        }
    }

    fn harvest(self) -> Found {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_order_and_tell_their_values() {
        assert!(rank_of(2.5) < rank_of(1.0) && rank_of(1.0) < rank_of(0.0));
        let ranked = Ranked { rank: rank_of(2.5), seq_no: 7 };
        assert_eq!(Order::Score.value(ranked), 2.5);
        assert_eq!(Order::Written.value(ranked), 7);
        let field =
            |ascending| Order::Field { field: Field::from_field_id(1), is_fraction: false, ascending };
        let value = tantivy::i64_to_u64(-5);
        assert_eq!(field(true).value(Ranked { rank: value, seq_no: 7 }), -5);
        assert_eq!(field(false).value(Ranked { rank: !value, seq_no: 7 }), -5);
        assert_eq!(field(true).value(Ranked { rank: LAST, seq_no: 7 }), Value::Null);
    }
}

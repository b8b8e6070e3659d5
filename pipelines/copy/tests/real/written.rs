//! Records for the source, and what must come of them.

use std::collections::HashSet;

use loadgen::copied::records::Numbered;
pub(crate) use loadgen::copied::records::Written;

/// Records number `from` up to `to`, about every seventh of them a duplicate of an earlier one.
pub(crate) fn records(from: u64, to: u64) -> Vec<Written> {
    (from..to).map(|number| Numbered { keys: 97 }.record(number)).collect()
}

/// Keys and values in their order, without those that came again and those without a key.
pub(crate) fn expected(records: &[Written]) -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    let kept = records.iter().filter_map(|Written { key, value, id }| {
        let is_new = id.as_ref().is_none_or(|id| seen.insert(id));
        Some((key.clone()?, value.clone())).filter(|_| is_new)
    });
    kept.collect()
}

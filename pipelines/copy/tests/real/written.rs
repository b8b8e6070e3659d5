//! Records for the source, and what must come of them.

use std::collections::{BTreeMap, HashSet};

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) key: Option<String>,
    pub(crate) value: String,
    /// Its id; `None`: it is never a duplicate.
    pub(crate) id: Option<String>,
}

/// How many keys there are.
const KEYS: u64 = 97;

/// Every so many records one comes again, of those so many before.
const DUPLICATE_EVERY: u64 = 7;
const DUPLICATE_BACK: u64 = KEYS * 5;

/// Records number `from` up to `to`, every seventh of them a duplicate of an earlier one.
pub(crate) fn records(from: u64, to: u64) -> Vec<Written> {
    (from..to)
        .map(|number| {
            let again = number.is_multiple_of(DUPLICATE_EVERY) && number >= DUPLICATE_BACK;
            let original = if again { original(number - DUPLICATE_BACK) } else { number };
            Written {
                key: Some(format!("key-{}", original % KEYS)),
                value: format!("value-{original}"),
                id: Some(format!("id-{original}")),
            }
        })
        .collect()
}

/// What is repeated may be a repetition itself.
fn original(number: u64) -> u64 {
    if number.is_multiple_of(DUPLICATE_EVERY) && number >= DUPLICATE_BACK {
        original(number - DUPLICATE_BACK)
    } else {
        number
    }
}

/// Values of each key, in order, without those that came again.
pub(crate) fn expected(records: &[Written]) -> BTreeMap<String, Vec<String>> {
    let (mut seen, mut expected) = (HashSet::new(), BTreeMap::<String, Vec<String>>::new());
    for Written { key, value, id } in records {
        let Some(key) = key else { continue };
        if id.as_ref().is_none_or(|id| seen.insert(id)) {
            expected.entry(key.clone()).or_default().push(value.clone());
        }
    }
    expected
}

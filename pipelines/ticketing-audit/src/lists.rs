//! Lists in files, one thing a line: the provider's ledger, and what users were answered.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ticketing_audit::{Entry, Sent};

/// A line of the provider's ledger, as its documentation has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    kind: Kind,
    order_id: String,
    amount: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Charge,
    Decline,
    Refund,
}

/// What the provider has done; declined charges are none.
pub(crate) fn ledger(path: &Path) -> Result<Vec<Entry>> {
    let entries = lines::<Line>(path)?.into_iter().filter_map(|Line { kind, order_id, amount }| match kind {
        Kind::Charge => Some(Entry::Charge { order_id, amount }),
        Kind::Refund => Some(Entry::Refund { order_id, amount }),
        Kind::Decline => None,
    });
    Ok(entries.collect())
}

/// What users were answered.
pub(crate) fn answers(path: &Path) -> Result<Vec<Sent>> {
    lines(path)
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let parsed = text.lines().enumerate().map(|(index, line)| {
        serde_json::from_str(line).with_context(|| format!("line {} of {}", index + 1, path.display()))
    });
    parsed.collect()
}

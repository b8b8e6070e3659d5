//! What the provider has done.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// More would be a mistake of who asks; a ledger of that size takes some hundred megabytes.
const ENTRIES_MAX: usize = 1_000_000;

/// Tokens of people who have no money begin so.
const NO_MONEY: &str = "declined";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Money was taken.
    Charge,
    /// It was not, and won't be.
    Decline,
    /// It was given back.
    Refund,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 1.
    pub id: u64,
    /// What was done.
    pub kind: Kind,
    /// The idempotency key with which it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// For which order.
    pub order_id: String,
    /// How much, in the currency's smallest unit.
    pub amount: u64,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// For which order.
    pub order_id: String,
    /// How much.
    pub amount: u64,
    /// Whose money; of charges only.
    #[serde(default)]
    pub token: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// This: now, or when it was asked for before.
    Entered(Entry),
    /// There is nothing to give back.
    NothingToRefund,
    /// The same key was used for something else.
    OtherRequest,
}

/// Why something can't be entered, or the ledger can't be opened: for who runs the provider.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Reading or writing failed.
    #[error("the ledger's file: {0}")]
    File(#[from] std::io::Error),
    /// A line is no entry.
    #[error("line {line} of the ledger's file is no entry: {error}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why not.
        error: serde_json::Error,
    },
    /// It is as long as it may be.
    #[error("the ledger has {ENTRIES_MAX} entries and takes no more")]
    Full,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    by_key: HashMap<String, usize>,
    /// Orders' charges less refunds.
    held: HashMap<String, u64>,
    file: Option<File>,
}

impl Ledger {
    /// Kept in that file, one entry a line; goes on where the file ends.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut ledger = Self::default();
        for (index, line) in BufReader::new(&file).lines().enumerate() {
            let entry = serde_json::from_str(&line?);
            ledger.note(entry.map_err(|error| LedgerError::Line { line: index + 1, error })?);
        }
        ledger.file = Some(file);
        Ok(ledger)
    }

    /// Charges, or declines. With `deduplicates`, what has that key already is not done again.
    ///
    /// # Errors
    /// When it can't be entered; then it is not done.
    pub fn charge(
        &mut self,
        key: Option<&str>,
        asked: &Asked,
        deduplicates: bool,
    ) -> Result<Done, LedgerError> {
        let declined = asked.token.as_deref().is_none_or(|token| token.starts_with(NO_MONEY));
        let kind = if declined { Kind::Decline } else { Kind::Charge };
        self.enter(kind, key, asked, deduplicates)
    }

    /// Gives a charge back.
    ///
    /// # Errors
    /// When it can't be entered; then it is not done.
    pub fn refund(
        &mut self,
        key: Option<&str>,
        asked: &Asked,
        deduplicates: bool,
    ) -> Result<Done, LedgerError> {
        let known = deduplicates && self.of_key(key).is_some();
        if !known && self.held.get(&asked.order_id).is_none_or(|held| *held < asked.amount) {
            return Ok(Done::NothingToRefund);
        }
        self.enter(Kind::Refund, key, asked, deduplicates)
    }

    /// What was entered with that key.
    #[must_use]
    pub fn of_key(&self, key: Option<&str>) -> Option<&Entry> {
        self.entries.get(*self.by_key.get(key?)?)
    }

    /// Everything, from the first entry on.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn enter(
        &mut self,
        kind: Kind,
        key: Option<&str>,
        asked: &Asked,
        deduplicates: bool,
    ) -> Result<Done, LedgerError> {
        if let Some(before) = self.of_key(key).filter(|_| deduplicates) {
            let refunds = |kind| kind == Kind::Refund;
            let same = (refunds(before.kind), &before.order_id, before.amount)
                == (refunds(kind), &asked.order_id, asked.amount);
            return Ok(if same { Done::Entered(before.clone()) } else { Done::OtherRequest });
        }
        if self.entries.len() >= ENTRIES_MAX {
            return Err(LedgerError::Full);
        }
        let entry = Entry {
            id: self.entries.len() as u64 + 1,
            kind,
            key: key.map(str::to_owned),
            order_id: asked.order_id.clone(),
            amount: asked.amount,
        };
        if let Some(file) = &mut self.file {
            // Fails only for what is no string, number or list of them.
            let mut line = serde_json::to_vec(&entry).map_err(std::io::Error::from)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        self.note(entry.clone());
        Ok(Done::Entered(entry))
    }

    fn note(&mut self, entry: Entry) {
        let held = self.held.entry(entry.order_id.clone()).or_default();
        *held = match entry.kind {
            Kind::Charge => held.saturating_add(entry.amount),
            Kind::Refund => held.saturating_sub(entry.amount),
            Kind::Decline => *held,
        };
        if let Some(key) = &entry.key {
            // The first one counts: it is what the key was made for.
            self.by_key.entry(key.clone()).or_insert(self.entries.len());
        }
        self.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(order: &str, amount: u64, token: &str) -> Asked {
        Asked { order_id: order.to_owned(), amount, token: Some(token.to_owned()) }
    }

    fn kinds(ledger: &Ledger) -> Vec<Kind> {
        ledger.entries().iter().map(|entry| entry.kind).collect()
    }

    #[test]
    fn who_asks_twice_charges_twice_unless_it_is_told_to_deduplicate() {
        for (deduplicates, times) in [(false, 2), (true, 1)] {
            let mut ledger = Ledger::default();
            for _ in 0..2 {
                let done = ledger.charge(Some("k"), &asked("o", 5, "x"), deduplicates).unwrap();
                assert!(matches!(done, Done::Entered(Entry { kind: Kind::Charge, amount: 5, .. })));
            }
            assert_eq!(ledger.entries().len(), times);
        }
        let mut ledger = Ledger::default();
        for _ in 0..2 {
            ledger.charge(None, &asked("o", 5, "x"), true).unwrap();
        }
        assert_eq!(ledger.entries().len(), 2, "without a key nobody knows that it is the same");
    }

    #[test]
    fn a_key_gets_its_answer_again_also_a_bad_one_and_is_of_one_request() {
        let mut ledger = Ledger::default();
        let first = ledger.charge(Some("k"), &asked("o", 5, "declined-1"), true).unwrap();
        // With money now: it is still the same request.
        assert_eq!(ledger.charge(Some("k"), &asked("o", 5, "x"), true).unwrap(), first);
        assert_eq!(ledger.charge(Some("k"), &asked("o", 6, "x"), true).unwrap(), Done::OtherRequest);
        assert_eq!(ledger.charge(Some("k"), &asked("p", 5, "x"), true).unwrap(), Done::OtherRequest);
        assert_eq!(kinds(&ledger), [Kind::Decline]);
        assert_eq!(ledger.of_key(Some("k")).unwrap().kind, Kind::Decline);
        assert_eq!(ledger.of_key(Some("l")), None);
    }

    #[test]
    fn only_what_was_charged_is_given_back() {
        let mut ledger = Ledger::default();
        let refund = |ledger: &mut Ledger, key| ledger.refund(Some(key), &asked("o", 5, ""), true).unwrap();
        assert_eq!(refund(&mut ledger, "r"), Done::NothingToRefund);
        ledger.charge(Some("c"), &asked("o", 5, "x"), true).unwrap();
        let given = refund(&mut ledger, "r");
        assert!(matches!(given, Done::Entered(Entry { kind: Kind::Refund, .. })));
        assert_eq!(refund(&mut ledger, "r"), given);
        assert_eq!(refund(&mut ledger, "again"), Done::NothingToRefund);
        assert_eq!(kinds(&ledger), [Kind::Charge, Kind::Refund]);
        // The charge's key is not the refund's.
        assert_eq!(refund(&mut ledger, "c"), Done::OtherRequest);
    }

    #[test]
    fn a_ledger_in_a_file_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.charge(Some("c"), &asked("o", 5, "x"), true).unwrap();
        ledger.charge(None, &asked("p", 7, "x"), true).unwrap();
        let before = ledger.entries().to_vec();
        drop(ledger);
        let mut again = Ledger::open(&path).unwrap();
        assert_eq!(again.entries(), before);
        again.charge(Some("c"), &asked("o", 5, "x"), true).unwrap();
        again.refund(Some("r"), &asked("o", 5, ""), true).unwrap();
        assert_eq!(kinds(&again), [Kind::Charge, Kind::Charge, Kind::Refund]);
        std::fs::write(&path, "{\"id\":1").unwrap();
        let error = Ledger::open(&path).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}

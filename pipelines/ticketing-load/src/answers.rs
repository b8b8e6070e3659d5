//! The list of commands and how they were answered, for the auditor; and how many there were.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use serde::Serialize;
use ticketing_audit::{Answered, Sent};

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Answers(Mutex<Listed>);

#[derive(Debug)]
struct Listed {
    file: BufWriter<File>,
    counts: Counts,
    failed: Option<std::io::Error>,
}

/// How many commands had which answer.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
}

impl Answers {
    /// An empty list in that file.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("can't make {}", path.display()))?;
        let listed = Listed { file: BufWriter::new(file), counts: Counts::default(), failed: None };
        Ok(Self(Mutex::new(listed)))
    }

    /// Lists one.
    pub(crate) fn note(&self, sent: &Sent) {
        let mut listed = self.0.lock();
        let Listed { file, counts, failed } = &mut *listed;
        match sent.answered {
            Answered::Accepted => counts.accepted += 1,
            Answered::Refused => counts.refused += 1,
            Answered::Unknown => counts.unknown += 1,
        }
        let written = serde_json::to_writer(&mut *file, sent).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
            failed.get_or_insert(error);
        }
    }

    /// Ends the list.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) fn finish(&self) -> Result<Counts> {
        let mut listed = self.0.lock();
        if let Some(error) = listed.failed.take() {
            return Err(error).context("the list of answers");
        }
        listed.file.flush().context("the list of answers")?;
        Ok(listed.counts)
    }
}

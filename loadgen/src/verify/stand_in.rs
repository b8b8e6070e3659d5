//! The record of an index that never was: what an HTTP stand-in for Elasticsearch was asked to write.
//!
//! One line of JSON per write, in the order of arrival:
//! `{"id":"…","version":7,"op":"index","source":{…}}` or `{"id":"…","version":8,"op":"delete"}`.
//! Writes are replayed as an index does with external versions: one whose version is not above that of the
//! document (or of its deletion) is stale and has no effect. A document whose source says `"deleted":true` is a
//! tombstone, hidden from readers.

use super::index::{Behind, Source, Visible};
use anyhow::{Context, Result};
use hashbrown::HashMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// A file of writes.
#[derive(Debug)]
pub struct StandIn {
    /// Where it is.
    pub path: PathBuf,
}

#[derive(Deserialize)]
struct Write {
    id: String,
    version: u64,
    op: Operation,
    source: Option<Box<RawValue>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Index,
    Delete,
}

impl Source for StandIn {
    fn each(&mut self, visit: &mut dyn FnMut(Visible)) -> Result<Behind> {
        let name = self.path.display();
        let file =
            File::open(&self.path).with_context(|| format!("can't open the record of writes {name}"))?;
        let mut behind = Behind::default();
        let mut documents: HashMap<Box<str>, (u64, Option<Box<RawValue>>)> = HashMap::new();
        for (number, line) in BufReader::with_capacity(1 << 20, file).lines().enumerate() {
            let line = line.with_context(|| format!("can't read {name}"))?;
            let write: Write = serde_json::from_str(&line)
                .with_context(|| format!("{name}, line {}: not a write", number + 1))?;
            let newest = documents.get(write.id.as_str()).is_none_or(|(version, _)| *version < write.version);
            if newest {
                let source = write.source.filter(|_| write.op == Operation::Index);
                documents.insert(write.id.into_boxed_str(), (write.version, source));
            } else {
                behind.stale_writes += 1;
            }
        }
        for (id, (version, source)) in documents {
            let Some(source) = source else { continue };
            let source: Value = serde_json::from_str(source.get())?;
            if source.get("deleted") == Some(&Value::Bool(true)) {
                behind.tombstones += 1;
            } else {
                visit(Visible { id: id.into(), version: Some(version), source });
            }
        }
        Ok(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(lines: &str) -> Result<(Vec<(String, u64)>, Behind)> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("writes");
        std::fs::write(&path, lines)?;
        let mut seen = Vec::new();
        let behind = StandIn { path }.each(&mut |visible| {
            seen.push((visible.id, visible.source["n"].as_u64().unwrap_or_default()));
        })?;
        seen.sort();
        Ok((seen, behind))
    }

    #[test]
    fn writes_are_replayed_by_version() {
        let (seen, behind) = replay(
            r#"{"id":"a","version":1,"op":"index","source":{"n":1}}
{"id":"a","version":3,"op":"index","source":{"n":3}}
{"id":"a","version":2,"op":"index","source":{"n":2}}
{"id":"a","version":3,"op":"delete"}
{"id":"b","version":5,"op":"index","source":{"n":5}}
{"id":"b","version":6,"op":"delete"}
{"id":"b","version":5,"op":"index","source":{"n":5}}
{"version":9,"op":"index","id":"c","source":{"deleted":true}}
"#,
        )
        .unwrap();
        assert_eq!(seen, [("a".to_owned(), 3)]);
        assert_eq!(behind, Behind { tombstones: 1, stale_writes: 3 });
        let error = replay("{\"id\":\"a\",\"version\":1,\"op\":\"index\"}\n{\"id\":\"a\"").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}

//! Which dead letters are meant.

use std::str::FromStr;

use clap::Args;
use xxhash_rust::xxh3::xxh3_64;

use super::letter::Letter;
use super::moment;

/// Every condition that is given must hold; without any, every letter is meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which letters (every condition given must hold)")]
pub(crate) struct FilterOptions {
    /// Of one of these reasons
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    pub(crate) reason: Vec<String>,
    /// With exactly this key
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Failed (for the last time) at this time or later: 2026-01-31T10:00:00Z, or how long ago: 2h, 30m, 7d
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) since: Option<i64>,
    /// Failed (for the last time) before this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) until: Option<i64>,
    /// Refused by this flow
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Option<String>,
    /// Refused by this operator or sink
    #[arg(long, value_name = "STAGE")]
    pub(crate) stage: Option<String>,
    /// Of records of this partition, or of the one record there
    #[arg(long, value_name = "PARTITION[/OFFSET]")]
    pub(crate) original: Option<Where>,
}

/// A partition, or a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Where {
    partition: i32,
    offset: Option<i64>,
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (partition, offset) = text.split_once('/').map_or((text, None), |(of, at)| (of, Some(at)));
        let parsed = partition.parse().ok().zip(offset.map(str::parse).transpose().ok());
        parsed
            .filter(|(partition, offset)| *partition >= 0 && offset.is_none_or(|offset| offset >= 0))
            .map(|(partition, offset)| Self { partition, offset })
            .ok_or_else(|| "must be PARTITION or PARTITION/OFFSET, as in 3 or 3/1024".to_owned())
    }
}

impl FilterOptions {
    /// Whether the letter is meant.
    pub(crate) fn matches(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let place = letter.original.place;
        (self.reason.is_empty() || self.reason.contains(&letter.reason))
            && self.key.as_ref().is_none_or(|key| letter.key.as_deref() == Some(key.as_bytes()))
            && self.since.is_none_or(|since| letter.last_failure_ms >= since)
            && self.until.is_none_or(|until| letter.last_failure_ms < until)
            && is(&self.flow, &letter.flow)
            && is(&self.stage, &letter.stage)
            && self.original.is_none_or(|Where { partition, offset }| {
                place.partition == partition && offset.is_none_or(|offset| place.offset == offset)
            })
    }

    /// A number that stands for these conditions: the same for the same ones, in every version.
    pub(crate) fn hash(&self) -> u64 {
        let Self { reason, key, since, until, flow, stage, original } = self;
        let mut reasons = reason.clone();
        reasons.sort_unstable();
        reasons.dedup();
        let original = original.map(|Where { partition, offset }| (partition, offset));
        // JSON keeps the parts apart, whatever is in them.
        let parts = serde_json::json!([reasons, key, since, until, flow, stage, original]);
        xxh3_64(parts.to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::letter::tests::record;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterOptions,
    }

    fn filter(line: &str) -> FilterOptions {
        Line::try_parse_from(std::iter::once("x").chain(line.split_whitespace()))
            .unwrap_or_else(|e| panic!("{e}"))
            .filter
    }

    #[test]
    fn every_condition_must_hold() {
        let letter = Letter::of(record(7, &[], &[])).unwrap();
        // The letter: of events 5/42, key k, undecodable, flow search, stage decode, last failure at 12 ms.
        for (line, matches) in [
            ("", true),
            ("--reason undecodable", true),
            ("--reason tombstone,undecodable", true),
            ("--reason tombstone --reason undecodable", true),
            ("--reason undecodabl", false),
            ("--key k", true),
            ("--key K", false),
            ("--since 1970-01-01T00:00:00.012Z", true),
            ("--since 1970-01-01T00:00:00.013Z", false),
            ("--until 1970-01-01T00:00:00.012Z", false),
            ("--until 1970-01-01T00:00:00.013Z", true),
            ("--flow search --stage decode", true),
            ("--flow decode", false),
            ("--stage search", false),
            ("--original 5", true),
            ("--original 5/42", true),
            ("--original 5/43", false),
            ("--original 4", false),
            ("--original 5 --key k --reason undecodable --flow search", true),
            ("--original 5 --key k --reason tombstone --flow search", false),
        ] {
            assert_eq!(filter(line).matches(&letter), matches, "{line}");
        }
        let mut nameless = letter;
        nameless.key = None;
        assert!(!filter("--key k").matches(&nameless));
    }

    #[test]
    fn the_hash_is_of_the_conditions_and_nothing_else() {
        assert_eq!(filter("--reason b,a").hash(), filter("--reason a --reason b --reason a").hash());
        let lines = [
            "",
            "--reason a",
            "--key a",
            "--flow a",
            "--stage a",
            "--original 1",
            "--original 1/0",
            "--reason a,b",
        ];
        let hashes: std::collections::BTreeSet<u64> = lines.iter().map(|line| filter(line).hash()).collect();
        assert_eq!(hashes.len(), lines.len());
        assert_eq!(filter("").hash(), 0xa8b05416764442d, "a replay that a former version began goes on");
    }
}

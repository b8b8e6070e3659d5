//! What a run was and did.

use super::hgrm::Quantiles;
use super::mix::Kind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The summary of a run; as JSON it is the last line of output.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the records went.
    pub topic: String,
    /// How many partitions that has.
    pub partitions: i32,
    /// Makes the same records again.
    pub seed: u64,
    /// Records handed to the client.
    pub records: u64,
    /// Records the broker acknowledged.
    pub acked: u64,
    /// Records it did not take, by error.
    pub failed: BTreeMap<String, u64>,
    /// From the first record's turn to the last acknowledgement.
    pub seconds: f64,
    /// Acknowledged records per second.
    pub rate: f64,
    /// Keys and values.
    pub bytes: u64,
    /// Records of each kind, poison also by its own kinds (`poison:truncated`).
    pub kinds: BTreeMap<String, u64>,
    /// From due to acknowledged.
    pub ack_latency_us: Quantiles,
    /// From due to handed to the client: how far behind the generator itself was.
    pub lateness_us: Quantiles,
    /// Whether it was ended by a signal.
    pub interrupted: bool,
    /// Every record was acknowledged.
    pub ok: bool,
}

/// Counts per kind.
#[derive(Debug, Default)]
pub struct Counts(std::collections::HashMap<Kind, u64>);

impl Counts {
    /// One more.
    pub fn add(&mut self, kind: Kind) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// By the names that reports use.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let mut names = BTreeMap::new();
        for (kind, count) in &self.0 {
            let name = match kind {
                Kind::Create => "create".to_owned(),
                Kind::Recreate => "recreate".to_owned(),
                Kind::Update => "update".to_owned(),
                Kind::LateUpdate => "late-update".to_owned(),
                Kind::Delete => "delete".to_owned(),
                Kind::Duplicate => "duplicate".to_owned(),
                Kind::Poison(poison) => {
                    *names.entry("poison".to_owned()).or_default() += count;
                    format!("poison:{}", poison.name())
                }
            };
            names.insert(name, *count);
        }
        names
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partitions, seed, records, acked, seconds, rate, .. } = self;
        writeln!(f, "{records} records to {topic} ({partitions} partitions), seed {seed}")?;
        let megabytes = self.bytes as f64 / 1e6;
        writeln!(f, "{acked} acknowledged in {seconds:.1} s: {rate:.0} records/s, {megabytes:.0} MB in all")?;
        let kinds: Vec<String> = self.kinds.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(f, "{}", kinds.join(", "))?;
        for (name, q) in [("due to acknowledged", self.ack_latency_us), ("generator late", self.lateness_us)]
        {
            let ms = |us: u64| us as f64 / 1000.0;
            writeln!(
                f,
                "{name}: median {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
                ms(q.p50),
                ms(q.p90),
                ms(q.p99),
                ms(q.p999),
                ms(q.max)
            )?;
        }
        for (error, count) in &self.failed {
            writeln!(f, "NOT ACKNOWLEDGED {count}: {error}")?;
        }
        let unaccounted = records.saturating_sub(*acked + self.failed.values().sum::<u64>());
        if unaccounted > 0 {
            writeln!(f, "NOT ACKNOWLEDGED {unaccounted}: still under way when time was up")?;
        }
        if self.interrupted {
            writeln!(f, "ended by a signal")?;
        }
        Ok(())
    }
}

//! What the load for the exactly-once copy is, and what it is judged by.

use clap::Parser;

use crate::brokers::Brokers;
use crate::report_format::ReportFormat;

/// Writes a topic for the exactly-once copy and follows what comes of it, as a reader of committed records: every record once,
/// in the order of its key, without duplicates, and every count exact. Exits with 1 when something is not as it must be.
#[derive(Parser)]
#[command(name = "verify-copy", version)]
pub struct Settings {
    #[command(flatten)]
    pub(super) brokers: Brokers,

    /// The topic to write; made here, like those of copies and counts
    #[arg(long)]
    pub(super) source: String,

    /// Where the copies come
    #[arg(long)]
    pub(super) copies: String,

    /// Where the counts come
    #[arg(long)]
    pub(super) counts: String,

    /// Looked at for open transactions at the end, beside those two
    #[arg(long)]
    pub(super) changelog: Option<String>,

    /// The group that copies: the end is when it has committed everything
    #[arg(long)]
    pub(super) group: String,

    /// Partitions of each topic
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub(super) partitions: i32,

    /// Records to write, duplicates included
    #[arg(long, default_value_t = 2_000_000)]
    pub(super) records: u64,

    /// Records a second
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: u32,

    /// Keys; a duplicate comes five times as many records behind its original
    #[arg(long, default_value_t = 10_007, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) keys: u64,

    /// How long the group may take after the last record was written
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub(super) patience_seconds: u64,

    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    pub(super) report: ReportFormat,
}

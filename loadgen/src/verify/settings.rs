//! The command line of `verify`.

use crate::brokers::Brokers;
use crate::report_format::ReportFormat;
use clap::Parser;
use std::path::PathBuf;

/// Reads a topic of message events from the first record to the last and says what must have come of it: which
/// documents the search index must show, and which records must be dead letters. Then it looks.
#[derive(Parser)]
#[command(name = "verify", version, after_long_help = EXAMPLES)]
pub struct Settings {
    #[command(flatten)]
    pub(super) brokers: Brokers,

    /// The topic that was indexed
    #[arg(long, default_value = "message-events-v1-prod")]
    pub(super) topic: String,

    /// A list written by `loadgen --acked`: all of it must be on the topic (may be given more than once)
    #[arg(long, value_name = "FILE")]
    pub(super) acked: Vec<PathBuf>,

    /// Within how many offsets of a partition a message-id makes a record a duplicate
    #[arg(long, default_value_t = 100_000, value_name = "OFFSETS")]
    pub(super) window: u64,

    /// What to compare with: `index`, `stand-in FILE` (writes recorded by an HTTP stand-in, a line of JSON each),
    /// or `none`
    #[arg(long, num_args = 1..=2, default_values = ["index"], value_names = ["KIND", "FILE"])]
    pub(super) source: Vec<String>,

    /// A node of the index; may carry user:password@
    #[arg(
        long,
        env = "ELASTICSEARCH_URL",
        default_value = "http://127.0.0.1:9200",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(super) elasticsearch: String,

    /// An API key for the index
    #[arg(long, env = "ELASTICSEARCH_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,

    /// What readers search
    #[arg(long, default_value = "messages")]
    pub(super) alias: String,

    /// The dead-letter topic, or `none` to leave dead letters unchecked [default: the topic and `.dlq`]
    #[arg(long, value_name = "TOPIC")]
    pub(super) dead_letters: Option<String>,

    /// The header of a dead letter that names the topic of its record
    #[arg(
        long,
        default_value = "dlq.original.topic",
        value_name = "NAME",
        help_heading = "Dead-letter headers"
    )]
    pub(super) header_topic: String,

    /// … the partition
    #[arg(
        long,
        default_value = "dlq.original.partition",
        value_name = "NAME",
        help_heading = "Dead-letter headers"
    )]
    pub(super) header_partition: String,

    /// … the offset
    #[arg(
        long,
        default_value = "dlq.original.offset",
        value_name = "NAME",
        help_heading = "Dead-letter headers"
    )]
    pub(super) header_offset: String,

    /// … the reason
    #[arg(long, default_value = "dlq.reason", value_name = "NAME", help_heading = "Dead-letter headers")]
    pub(super) header_reason: String,

    /// Also print the summary as one line of JSON, the last line of standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Json)]
    pub(super) report: ReportFormat,
}

/// What the documents are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// The real index.
    Index,
    /// What a stand-in recorded.
    StandIn(PathBuf),
    /// Nothing.
    Nothing,
}

const EXAMPLES: &str = "\
Wait until the indexer has no lag; what it has not read yet shows as lost and missing.

Examples:
  Everything:
    verify --topic events --acked acked.bin --elasticsearch http://127.0.0.1:9200 --alias messages
  Only whether the topic has what was acknowledged:
    verify --topic events --acked acked.bin --source none --dead-letters none
  Against what an HTTP stand-in was asked to write:
    verify --topic events --source stand-in writes.jsonl

What it looks for:
  acked_missing            acknowledged by the broker, not on the topic (or another record there)
  lost, extra, stale       documents that are not visible, should not be, or have other fields than they should
  dead_letters_missing     records that can't be processed and have no dead letter
  dead_letters_unexpected  dead letters of records that can be processed
  dead_letters_altered     dead letters with another key, value or message-id than their record
The first 20 of each are named, with partition/offset of the event that decides. Dead letters written twice and
tombstones are counted for information.

Exit code: 0 all is as it must be, 1 not (or it could not be found out), 2 the command line is wrong.";

impl Settings {
    /// What to compare with.
    ///
    /// # Errors
    /// When `--source` is none of what is possible.
    pub fn against(&self) -> Result<Against, String> {
        match self.source.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["index"] => Ok(Against::Index),
            ["stand-in", file] => Ok(Against::StandIn(PathBuf::from(file))),
            ["none"] => Ok(Against::Nothing),
            other => Err(format!("--source {} is not `index`, `stand-in FILE` or `none`", other.join(" "))),
        }
    }

    /// The dead-letter topic, if it is to be checked.
    pub(super) fn dead_letter_topic(&self) -> Option<String> {
        match self.dead_letters.as_deref() {
            Some("none") => None,
            Some(topic) => Some(topic.to_owned()),
            None => Some(format!("{}.dlq", self.topic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Settings::command().debug_assert();
        let parse = |line: &str| Settings::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(parse("verify").against(), Ok(Against::Index));
        assert_eq!(parse("verify --source none").against(), Ok(Against::Nothing));
        let stand_in = parse("verify --source stand-in f --topic t");
        assert_eq!(stand_in.against(), Ok(Against::StandIn("f".into())));
        assert_eq!(stand_in.dead_letter_topic().as_deref(), Some("t.dlq"));
        assert_eq!(parse("verify --dead-letters none").dead_letter_topic(), None);
        assert!(parse("verify --source stand-in").against().unwrap_err().contains("stand-in FILE"));
    }
}

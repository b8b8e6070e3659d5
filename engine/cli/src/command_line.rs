//! What can be asked of `thalweg`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::dlq::filter::FilterOptions;
use crate::dlq::place::Place;

/// What people do by hand beside the flows.
#[derive(Debug, Parser)]
#[command(name = "thalweg", version)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub(crate) enum Command {
    /// Dead letters: look at them, and replay them once their cause is fixed.
    #[command(after_help = TEACHING)]
    Dlq {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// For development: prints a token that names a user to a flow that takes commands.
    #[command(after_help = ISSUING)]
    Token(TokenOptions),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Prints a line for each letter, and how many there are of each reason. Writes nothing.
    #[command(after_help = LISTING)]
    List(ListOptions),
    /// Prints one letter in full: where it comes from, why it is here, headers, key and value. Writes nothing.
    #[command(after_help = SHOWING)]
    Show(ShowOptions),
    /// Writes letters back to the topic they come from (or to another), each once.
    #[command(after_help = REPLAYING)]
    Replay(ReplayOptions),
}

#[derive(Debug, Args)]
pub(crate) struct TokenOptions {
    /// The user's name
    #[arg(value_name = "USER")]
    pub(crate) user: String,
    /// How long it counts
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) seconds: u64,
    /// A flow's settings file: commands.token_secret is read
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
}

/// Where the dead letters are.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The dead-letter topic [default: as the settings file says]
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// A flow's settings file: the sections [kafka], [source] and [dead_letters] are read
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Sets one key, as in --set kafka.sasl.user=me
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Kafka's addresses, HOST:PORT; short for --set kafka.brokers=
    #[arg(long, value_name = "ADDRESSES")]
    pub(crate) brokers: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    pub(crate) place: Where,
    /// Lists the newest so many; the rest is only counted [default: 50 as text, all as json]
    #[arg(long, value_name = "LETTERS", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(crate) limit: Option<u32>,
    /// As a table, or as json: a line for each letter and one with the counts
    #[arg(long, value_enum, default_value_t)]
    pub(crate) report: Format,
    #[command(flatten)]
    pub(crate) filter: FilterOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// Which: its place on the dead-letter topic, as `list` has it
    #[arg(value_name = "PARTITION/OFFSET")]
    pub(crate) letter: Place,
    #[command(flatten)]
    pub(crate) place: Where,
    /// Shows all of key, headers and value, however large
    #[arg(long)]
    pub(crate) full: bool,
    /// For people, or as json: one object
    #[arg(long, value_enum, default_value_t)]
    pub(crate) report: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub(crate) place: Where,
    /// Where to [default: the topic that each letter comes from]
    #[arg(long, value_name = "TOPIC")]
    pub(crate) to: Option<String>,
    /// Says what would be replayed, and writes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// At most so many letters a second
    #[arg(long, value_name = "LETTERS")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Leaves alone what was replayed so often already: what fails again and again ends there
    #[arg(long, value_name = "TIMES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_replays: u32,
    /// Remembers under this consumer group what was replayed [default: TOPIC-replay, or TOPIC-replay-to-OTHER]
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Shows no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// The summary for people, or as json: one object
    #[arg(long, value_enum, default_value_t)]
    pub(crate) report: Format,
    #[command(flatten)]
    pub(crate) filter: FilterOptions,
}

/// How something is reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

// Paragraphs are one line: they are broken where the terminal ends.

const TEACHING: &str = "\
A morning with it:
  thalweg dlq list --topic events.dlq                              what is there, and why
  thalweg dlq show --topic events.dlq 3/1024                       one of them in full
  (repair the cause)
  thalweg dlq replay --topic events.dlq --key c7 --dry-run         what would be replayed
  thalweg dlq replay --topic events.dlq --key c7                   one key, as a trial
  thalweg dlq replay --topic events.dlq --reason document_missing  everything of one reason

Settings are those of every flow, each winning over those before: --settings, KAFKA_BROKERS, \
THALWEG__SECTION__KEY (as in THALWEG__KAFKA__SASL__USER), --set (as in --set kafka.tls.ca_file=ca.pem). \
RUST_LOG=info shows the Kafka client's log.

Exit codes:
  0  done
  1  Kafka is unreachable or refuses, or another replay has begun in place of this one
  2  the command line or a setting can't be, or no letter has such a reason
  3  stopped before its end; the same command goes on
  4  replayed, but some letters that match can't be: the summary says how many, and why
The last line on standard error says what is wrong, and what to do.";

const ISSUING: &str = "\
The secret is the flow's: commands.token_secret of the settings file, or the environment's TOKEN_SECRET (or \
THALWEG__COMMANDS__TOKEN_SECRET). Whoever has it can name any user: in production, whoever logs users in has it, and the \
flow. Tokens are JSON Web Tokens signed with HS256; `sub` is the user and `exp` the end.

Examples:
  export TOKEN_SECRET=$(openssl rand -hex 32)
  curl -H \"Authorization: Bearer $(thalweg token ann)\" 127.0.0.1:8080/me";

const LISTING: &str = "\
Examples:
  thalweg dlq list --topic events.dlq
  thalweg dlq list --topic events.dlq --reason undecodable,unknown_type --since 24h
  thalweg dlq list --settings message-indexer.toml --report json | jq .message

The columns: the letter's place on the dead-letter topic (what `show` takes), its record's place, when it failed for \
the last time, key, reason, the operator or sink that refused it, how often it was replayed, and what was said.";

const SHOWING: &str = "\
Examples:
  thalweg dlq show --topic events.dlq 3/1024
  thalweg dlq show --topic events.dlq 3/1024 --full --report json | jq -r .value

What could deceive a terminal (control characters, invisible ones, bytes that are no text) is shown as \\u{..} and \
\\x...";

const REPLAYING: &str = "\
A letter goes back with its key, value and headers, to the partition it comes from (with --to: if the topics have \
equally many partitions; else by its key). What was said of its failure is taken off, and dlq.replay_count counts up: \
a flow's dedupe takes it for another event than the one that failed.

Letters of a key go in the order in which they lie on the dead-letter topic. Each is replayed once: what is written \
and what is remembered of it is one transaction, so whatever ends a replay, the same command goes on where it ended, \
up to the same last letter. Filters may overlap: what one has replayed, no other replays again. A second replay of \
the same group at the same time puts an end to the first.

Not replayed, and counted: letters whose value was left out for its size (the record may still be on its topic), \
those replayed --max-replays times already, and those that the target refuses.

Examples:
  thalweg dlq replay --topic events.dlq --dry-run
  thalweg dlq replay --topic events.dlq --reason document_missing --since 7d --rate 500
  thalweg dlq replay --topic events.dlq --to events-to-look-at
  thalweg dlq replay --settings message-indexer.toml --report json";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn what_can_not_be_is_refused_with_what_is_allowed() {
        for (line, said) in [
            ("dlq show 3", "PARTITION/OFFSET"),
            ("dlq show 3/-1", "PARTITION/OFFSET"),
            ("dlq replay --rate 0", "--rate"),
            ("dlq replay --max-replays 0", "--max-replays"),
            ("dlq list --since yesterday-ish", "2h"),
            ("dlq list --original x", "PARTITION"),
            ("dlq list --report xml", "possible values: text, json"),
            ("token ann --seconds 0", "--seconds"),
            ("token", "<USER>"),
        ] {
            let parsed = CommandLine::try_parse_from(["thalweg"].into_iter().chain(line.split(' ')));
            let error = parsed.map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}

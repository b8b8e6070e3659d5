//! The command line of `loadgen`.

use super::generator::Shape;
use super::mix::{Mix, Shares};
use super::poison::Poison;
use super::schedule::Profile;
use crate::brokers::Brokers;
use crate::report_format::ReportFormat;
use clap::{Parser, ValueEnum};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Writes a topic of message events at a given pace, open loop: every record has a time at which it is due, fixed
/// before the run, and its latency counts from then, whether the broker or this program was late.
#[derive(Parser)]
#[command(name = "loadgen", version, after_long_help = EXAMPLES)]
pub struct Settings {
    #[command(flatten)]
    pub(super) brokers: Brokers,

    /// The topic; made if it is missing
    #[arg(long, default_value = "message-events-v1-prod")]
    pub(super) topic: String,

    /// Partitions of the topic [default: what it has, or 8 if it has to be made]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) partitions: Option<i32>,

    /// How long a topic that has to be made keeps its records
    #[arg(long, default_value_t = 7)]
    pub(super) retention_days: u32,

    /// Replicas of a topic that has to be made
    #[arg(long, default_value_t = 1)]
    pub(super) replicas: i32,

    /// Stop after so many records
    #[arg(long, short = 'n', help_heading = "Pace")]
    pub(super) records: Option<u64>,

    /// Stop after so many seconds
    #[arg(long, help_heading = "Pace", value_parser = positive)]
    pub(super) seconds: Option<f64>,

    /// How the records are spread over time
    #[arg(long, value_enum, default_value_t = ProfileName::Constant, help_heading = "Pace")]
    pub(super) profile: ProfileName,

    /// Records per second; of a ramp: at its end; with bursts: between them
    #[arg(long, default_value_t = 1000.0, help_heading = "Pace", value_parser = positive)]
    pub(super) rate: f64,

    /// Records per second at the start of a ramp
    #[arg(long, default_value_t = 0.0, help_heading = "Pace", value_parser = not_negative)]
    pub(super) rate_from: f64,

    /// Records per second within bursts [default: ten times --rate]
    #[arg(long, help_heading = "Pace", value_parser = positive)]
    pub(super) burst_rate: Option<f64>,

    /// Seconds from one burst to the next
    #[arg(long, default_value_t = 10.0, help_heading = "Pace", value_parser = positive)]
    pub(super) burst_every: f64,

    /// Seconds that a burst lasts
    #[arg(long, default_value_t = 1.0, help_heading = "Pace", value_parser = positive)]
    pub(super) burst_seconds: f64,

    /// Decides every byte of every record; the same seed writes the same events, with the same ids [default:
    /// another one each time, see the summary]
    #[arg(long, help_heading = "Records")]
    pub(super) seed: Option<u64>,

    /// How many conversations (record keys) there are
    #[arg(long, default_value_t = 10_000, help_heading = "Records",
          value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(super) conversations: u32,

    /// How unevenly records are spread over conversations: Zipf's exponent, 0 is evenly, 1 is like words
    #[arg(long, default_value_t = 0.0, help_heading = "Records", value_parser = not_negative)]
    pub(super) zipf: f64,

    /// Bytes of a text: one number, or least-most (small ones are more frequent)
    #[arg(long, default_value = "20-400", help_heading = "Records", value_parser = sizes)]
    pub(super) content_bytes: RangeInclusive<u32>,

    /// How many tenants share the conversations
    #[arg(long, default_value_t = 10, help_heading = "Records",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) tenants: u32,

    /// Share of updates (of documents that exist)
    #[arg(
        long,
        default_value_t = 0.15,
        help_heading = "Shares of all records, 0 to 1; what is left are creates"
    )]
    pub(super) updates: f64,

    /// Share of deletes
    #[arg(
        long,
        default_value_t = 0.05,
        help_heading = "Shares of all records, 0 to 1; what is left are creates"
    )]
    pub(super) deletes: f64,

    /// Share of records sent once more, with the same message-id
    #[arg(
        long,
        default_value_t = 0.02,
        help_heading = "Shares of all records, 0 to 1; what is left are creates"
    )]
    pub(super) duplicates: f64,

    /// Share of creates of a document that exists or was deleted
    #[arg(
        long,
        default_value_t = 0.005,
        help_heading = "Shares of all records, 0 to 1; what is left are creates"
    )]
    pub(super) recreates: f64,

    /// Share of updates of deleted documents
    #[arg(
        long,
        default_value_t = 0.005,
        help_heading = "Shares of all records, 0 to 1; what is left are creates"
    )]
    pub(super) late_updates: f64,

    /// Share of records that can't be processed
    #[arg(
        long,
        default_value_t = 0.001,
        help_heading = "Shares of all records, 0 to 1; what is left are creates"
    )]
    pub(super) poison: f64,

    /// Kinds of poison, comma-separated; also `default` and `all`
    #[arg(long, default_value = "default", help_heading = "Shares of all records, 0 to 1; what is left are creates",
          value_parser = poison_kinds)]
    pub(super) poison_kinds: PoisonKinds,

    /// How long the client waits to fill a batch, ms [default: 5 all-out, else 0]
    #[arg(long)]
    pub(super) linger_ms: Option<u32>,

    /// How long to try to get a record acknowledged
    #[arg(long, default_value_t = 300.0, value_parser = positive)]
    pub(super) ack_seconds: f64,

    /// Write the list of acknowledged records here, for `verify --acked`
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(super) acked: Option<PathBuf>,

    /// Write latencies (ms) to PREFIX.ack.hgrm and the generator's lateness to PREFIX.late.hgrm
    #[arg(long, value_name = "PREFIX", help_heading = "Results")]
    pub(super) hdr: Option<PathBuf>,

    /// Print the summary as one line of JSON, the last line of standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Text, help_heading = "Results")]
    pub(super) report: ReportFormat,

    /// Make the records but send them nowhere: shows what making them costs
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The profiles by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// --rate throughout
    Constant,
    /// From --rate-from to --rate in a straight line
    Ramp,
    /// --rate, and --burst-rate for --burst-seconds at the end of every --burst-every
    Burst,
    /// As fast as the broker takes them (closed loop: latency counts from sending)
    AllOut,
}

/// Chosen kinds of poison.
#[derive(Clone, Debug)]
pub struct PoisonKinds(Vec<Poison>);

const EXAMPLES: &str = "\
Examples:
  Three thousand records a second for a minute, some of them bad, and proof that all arrived:
    loadgen --topic events --rate 3000 --seconds 60 --poison 0.01 --acked acked.bin --report json
    verify --topic events --acked acked.bin --elasticsearch http://127.0.0.1:9200 --alias messages

  Fill a topic with two million records as fast as it goes, a few conversations very busy:
    loadgen --topic events --profile all-out --records 2000000 --zipf 1.1 --seed 7

  From nothing to 20,000 a second within two minutes, with latencies for a plot:
    loadgen --topic events --profile ramp --rate 20000 --seconds 120 --hdr ramp

Each record's Kafka timestamp and its header `timestamp` (ms since 1970) say when it was due, so that whoever
reads it can tell how long it took end to end. Ctrl-C stops sending, waits for what is under way and prints the
summary; a second one ends at once.

Exit code: 0 all acknowledged, 1 not, 2 the command line is wrong.";

impl Settings {
    /// The pace, if the settings make one.
    ///
    /// # Errors
    /// When settings contradict each other; says which.
    pub fn pace(&self) -> Result<Profile, String> {
        let rate = self.rate;
        match self.profile {
            ProfileName::Constant => Ok(Profile::Constant { rate }),
            ProfileName::AllOut => Ok(Profile::AllOut),
            ProfileName::Ramp => {
                let from_records = || Some(2.0 * self.records? as f64 / (self.rate_from + rate));
                let over =
                    self.seconds.or_else(from_records).filter(|seconds| *seconds > 0.0).ok_or(
                        "a ramp needs an end: --seconds, or --records from which its length follows",
                    )?;
                Ok(Profile::Ramp { from: self.rate_from, to: rate, over: duration(over) })
            }
            ProfileName::Burst => {
                if self.burst_seconds > self.burst_every {
                    return Err(format!(
                        "a burst of {} s doesn't fit into --burst-every {} s",
                        self.burst_seconds, self.burst_every
                    ));
                }
                Ok(Profile::Burst {
                    rate,
                    burst_rate: self.burst_rate.unwrap_or(rate * 10.0),
                    every: duration(self.burst_every),
                    burst: duration(self.burst_seconds),
                })
            }
        }
    }

    /// What the records look like, with the seed that was asked for or a new one.
    ///
    /// # Errors
    /// When the shares are impossible.
    pub fn shape(&self) -> Result<Shape, String> {
        let shares = Shares {
            updates: self.updates,
            deletes: self.deletes,
            recreates: self.recreates,
            late_updates: self.late_updates,
            duplicates: self.duplicates,
            poison: self.poison,
        };
        Ok(Shape {
            // Small enough to be typed, and exact in any JSON reader.
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000)),
            conversations: self.conversations,
            zipf: self.zipf,
            content_bytes: self.content_bytes.clone(),
            tenants: self.tenants,
            mix: Mix::new(&shares, &self.poison_kinds.0)?,
        })
    }

    pub(super) fn linger_ms(&self) -> u32 {
        self.linger_ms.unwrap_or(if self.profile == ProfileName::AllOut { 5 } else { 0 })
    }

    pub(super) fn ack_within(&self) -> Duration {
        duration(self.ack_seconds)
    }

    pub(super) fn end_ns(&self) -> u64 {
        self.seconds.map_or(u64::MAX, |seconds| (seconds * 1e9) as u64)
    }
}

/// A year of seconds is as good as for ever, and fits everywhere.
fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.min(31_536_000.0))
}

fn number(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(|| format!("{text} is not a number"))
}

fn positive(text: &str) -> Result<f64, String> {
    number(text).and_then(|n| if n > 0.0 { Ok(n) } else { Err("it must be more than 0".to_owned()) })
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(|n| if n >= 0.0 { Ok(n) } else { Err("it must not be below 0".to_owned()) })
}

fn sizes(text: &str) -> Result<RangeInclusive<u32>, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let size = |text: &str| {
        text.trim().parse::<u32>().map_err(|_| format!("{text} is no size: write 100 or 20-400 (bytes)"))
    };
    let (low, high) = (size(low)?, size(high)?);
    if low > high || high > 16 << 20 {
        return Err("the least must not exceed the most, nor that 16 MiB".to_owned());
    }
    Ok(low..=high)
}

fn poison_kinds(text: &str) -> Result<PoisonKinds, String> {
    let mut kinds = Vec::new();
    for name in text.split(',').map(str::trim) {
        match name {
            "default" => kinds.extend(Poison::DEFAULT),
            "all" => kinds.extend(Poison::value_variants()),
            name => kinds.push(Poison::from_str(name, true).map_err(|_| {
                let known: Vec<String> = Poison::value_variants().iter().map(|kind| kind.name()).collect();
                format!("{name} is not one of {}, default, all", known.join(", "))
            })?),
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(PoisonKinds(kinds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Settings, String> {
        Settings::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_sound() {
        Settings::command().debug_assert();
        assert_eq!(parse("loadgen").unwrap().pace(), Ok(Profile::Constant { rate: 1000.0 }));
        let ramp = parse("loadgen --profile ramp --rate 100 --records 500").unwrap().pace();
        assert_eq!(ramp, Ok(Profile::Ramp { from: 0.0, to: 100.0, over: Duration::from_secs(10) }));
        assert!(parse("loadgen --profile ramp").unwrap().pace().unwrap_err().contains("--seconds"));
        let burst = parse("loadgen --profile burst --burst-seconds 11").unwrap().pace();
        assert!(burst.unwrap_err().contains("doesn't fit"));
        assert!(parse("loadgen --updates 0.9 --deletes 0.2").unwrap().shape().is_err());
        assert_eq!(parse("loadgen --content-bytes 5-9").unwrap().content_bytes, 5..=9);
        let kinds = parse("loadgen --poison-kinds truncated,tombstone,truncated").unwrap().poison_kinds.0;
        assert_eq!(kinds, [Poison::Truncated, Poison::Tombstone]);
        for (line, hint) in [
            ("loadgen --rate 0", "more than 0"),
            ("loadgen --rate nan", "not a number"),
            ("loadgen --content-bytes 9-5", "must not exceed"),
            ("loadgen --poison-kinds rotten", "truncated, not-utf8"),
            ("loadgen -X linger.ms", "name=value"),
            ("loadgen --conversations 0", "0 is not in 1"),
        ] {
            let error = parse(line).err().unwrap();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }
}

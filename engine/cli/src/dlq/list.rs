//! A line for each dead letter.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::letter::Letter;
use super::outcome::Reasons;
use super::place::Place;
use super::safe_text::{safe_json, safe_start};
use super::{letters, moment};
use crate::command_line::{Format, ListOptions};
use crate::connection::Connection;
use crate::failure::{Failure, UNFINISHED};
use crate::interrupt::Interrupt;

/// Lines of a table that people read.
const LINES: u32 = 50;

/// The columns; the last one is as wide as it is.
const TITLES: [&str; 8] = ["LETTER", "RECORD", "FAILED", "KEY", "REASON", "STAGE", "REPLAYS", "MESSAGE"];

/// As JSON: what is known of a letter but for headers and value.
#[derive(Serialize)]
pub(crate) struct Line<'l> {
    letter: String,
    topic: &'l str,
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
    flow: &'l str,
    stage: &'l str,
    reason: &'l str,
    message: &'l str,
    attempts: &'l str,
    first_failure_ms: i64,
    last_failure_ms: i64,
    replays: u32,
    #[serde(flatten)]
    key: Bytes<'l>,
    value_bytes: Option<usize>,
    /// Whether it can be replayed: nothing was left out for its size.
    whole: bool,
}

/// A key as text; as base64 when it is none.
#[derive(Serialize)]
struct Bytes<'l> {
    key: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
}

impl<'l> Line<'l> {
    pub(crate) fn of(letter: &'l Letter) -> Self {
        let key = letter.key.as_deref();
        let text = key.and_then(|key| std::str::from_utf8(key).ok());
        let key_base64 = key.filter(|_| text.is_none()).map(|key| STANDARD.encode(key));
        Self {
            letter: letter.place.to_string(),
            topic: &letter.original.topic,
            partition: letter.original.place.partition,
            offset: letter.original.place.offset,
            timestamp_ms: letter.original_timestamp_ms,
            flow: &letter.flow,
            stage: &letter.stage,
            reason: &letter.reason,
            message: &letter.message,
            attempts: &letter.attempts,
            first_failure_ms: letter.first_failure_ms,
            last_failure_ms: letter.last_failure_ms,
            replays: letter.replays,
            key: Bytes { key: text, key_base64 },
            value_bytes: letter.value.as_ref().map(Vec::len),
            whole: letter.is_whole(),
        }
    }
}

/// The counts, and as JSON the last line.
#[derive(Serialize, Default)]
struct Summary {
    /// Letters that match.
    matching: u64,
    /// Letters on the topic.
    letters: u64,
    /// Records on the topic that are no dead letters of a flow.
    no_letters: u64,
    reasons: Reasons,
}

/// The last so many rows by time of failure.
struct Newest {
    rows: BTreeMap<(i64, Place), [String; 8]>,
    rows_max: usize,
}

impl Newest {
    fn add(&mut self, letter: &Letter) {
        self.rows.insert((letter.last_failure_ms, letter.place), row(letter));
        if self.rows.len() > self.rows_max {
            self.rows.pop_first();
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let titles = TITLES.map(str::to_owned);
        let all = || std::iter::once(&titles).chain(self.rows.values());
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 8] = std::array::from_fn(width);
        for row in all() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Lists.
pub(crate) fn run(options: &ListOptions) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::listen()?;
    // It commits nothing; a group's name is needed to read.
    let connection = Connection::open(&options.place, |topic| format!("{topic}-replay"))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut summary = Summary::default();
    let mut there = Reasons::default();
    let limit = options.limit.unwrap_or(if options.report == Format::Text { LINES } else { u32::MAX });
    let mut newest = Newest { rows: BTreeMap::new(), rows_max: limit as usize };
    let ended = letters::each(&connection, &connection.spans, &interrupt, |record| {
        let Some(letter) = Letter::of(record) else {
            summary.no_letters += 1;
            return Ok(());
        };
        summary.letters += 1;
        there.add(&letter.reason);
        if !options.filter.matches(&letter) {
            return Ok(());
        }
        summary.matching += 1;
        summary.reasons.add(&letter.reason);
        match options.report {
            Format::Text => newest.add(&letter),
            Format::Json if summary.matching <= u64::from(limit) => json(&mut out, &Line::of(&letter))?,
            Format::Json => {}
        }
        Ok(())
    })?;
    if ended && let Some(missing) = there.miss(&options.filter.reason) {
        return Err(Failure::Usage(missing));
    }
    match options.report {
        Format::Json => json(&mut out, &summary)?,
        Format::Text => {
            newest.write(&mut out)?;
            write_summary(&mut out, &summary, newest.rows.len(), &connection.topic)?;
        }
    }
    out.flush()?;
    Ok(if ended { ExitCode::SUCCESS } else { UNFINISHED.into() })
}

fn json(out: &mut impl Write, line: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(line).map_err(io::Error::from)?;
    Ok(writeln!(out, "{}", safe_json(&text))?)
}

fn write_summary(out: &mut impl Write, summary: &Summary, shown: usize, topic: &str) -> io::Result<()> {
    let Summary { matching, letters, no_letters, reasons } = summary;
    writeln!(out, "\n{matching} of {letters} dead letters of {topic} match; the newest {shown} are above")?;
    write!(out, "{}", reasons.lines())?;
    if *no_letters > 0 {
        writeln!(out, "{no_letters} records there are no dead letters of a flow")?;
    }
    Ok(())
}

fn row(letter: &Letter) -> [String; 8] {
    let start = |text: &str, letters_max| safe_start(text.as_bytes(), letters_max);
    let original = &letter.original;
    let key = letter.key.as_deref().map_or_else(|| "-".to_owned(), |key| safe_start(key, 24));
    let replays = if letter.replays == u32::MAX { "?".to_owned() } else { letter.replays.to_string() };
    [
        letter.place.to_string(),
        format!("{} {}", start(&original.topic, 30), original.place),
        moment::text(letter.last_failure_ms),
        key,
        start(&letter.reason, 24),
        start(&letter.stage, 20),
        replays,
        start(&letter.message, 60),
    ]
}

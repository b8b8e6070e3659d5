//! One dead letter in full.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use thalweg::kafka::Span;

use super::letter::{LeftOut, Letter};
use super::list::Line;
use super::place::Place;
use super::safe_text::{safe, safe_json, safe_start};
use super::{letters, moment};
use crate::command_line::{Format, ShowOptions};
use crate::connection::Connection;
use crate::failure::{Failure, UNFINISHED};
use crate::interrupt::Interrupt;

/// Letters of a value that are shown without `--full`: some screens.
const LETTERS_MAX: usize = 4_096;

/// Shows.
pub(crate) fn run(options: &ShowOptions) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::listen()?;
    let connection = Connection::open(&options.place, |topic| format!("{topic}-replay"))?;
    let Place { partition, offset } = options.letter;
    let topic = &connection.topic;
    let Some(span) = connection.spans.iter().find(|span| span.partition == partition) else {
        let last = connection.spans.len().saturating_sub(1);
        return Err(Failure::Usage(format!("{topic} has the partitions 0 to {last}, and no {partition}")));
    };
    let missing = || {
        let Span { from, end, .. } = span;
        Failure::Usage(format!(
            "there is no letter {}: partition {partition} of {topic} has the offsets from {from} to below {end}",
            options.letter
        ))
    };
    if !(span.from..span.end).contains(&offset) {
        return Err(missing());
    }
    let mut found = None;
    let one = [Span { partition, from: offset, end: offset + 1 }];
    let ended = letters::each(&connection, &one, &interrupt, |record| {
        found = Some(record);
        Ok(())
    })?;
    if !ended {
        return Ok(UNFINISHED.into());
    }
    let letter = Letter::of(found.ok_or_else(missing)?).ok_or_else(|| {
        Failure::Usage(format!("the record {} of {topic} is no dead letter of a flow", options.letter))
    })?;
    let text = match options.report {
        Format::Text => text(&letter, if options.full { usize::MAX } else { LETTERS_MAX }),
        Format::Json => json(&letter, options.full)?,
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// As JSON: what `list` says, headers, and the value.
#[derive(Serialize)]
struct Full<'l> {
    #[serde(flatten)]
    line: Line<'l>,
    headers: Vec<(String, Option<String>)>,
    /// As text.
    value: Option<&'l str>,
    /// When it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    /// Whether there is more of it.
    value_cut: bool,
}

fn json(letter: &Letter, full: bool) -> Result<String, Failure> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = letter.headers.iter().map(|(name, value)| (lossy(name), value.as_deref().map(lossy)));
    let bytes = letter.value.as_deref();
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let bytes_max = if full { usize::MAX } else { LETTERS_MAX };
    let end = |text: &str| (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let shown = Full {
        line: Line::of(letter),
        headers: headers.collect(),
        value: text.map(|text| &text[..end(text).unwrap_or(0)]),
        value_base64: bytes
            .filter(|_| text.is_none())
            .map(|bytes| STANDARD.encode(&bytes[..bytes.len().min(bytes_max)])),
        value_cut: bytes.is_some_and(|bytes| bytes.len() > bytes_max),
    };
    Ok(safe_json(&serde_json::to_string(&shown).map_err(io::Error::from)?) + "\n")
}

fn text(letter: &Letter, letters_max: usize) -> String {
    let start = |text: &str| safe_start(text.as_bytes(), letters_max);
    let replays = if letter.replays == u32::MAX { "?".to_owned() } else { letter.replays.to_string() };
    let mut lines = vec![
        ("letter", letter.place.to_string()),
        ("record", format!("{} {}", start(&letter.original.topic), letter.original.place)),
        ("written", moment::text(letter.original_timestamp_ms)),
        ("flow", start(&letter.flow)),
        ("stage", start(&letter.stage)),
        ("reason", start(&letter.reason)),
        ("message", start(&letter.message)),
        ("attempts", start(&letter.attempts)),
        ("first failure", moment::text(letter.first_failure_ms)),
        ("last failure", moment::text(letter.last_failure_ms)),
        ("replays", replays),
        ("key", part(letter.key.as_deref(), letter.key_left_out.as_ref(), letters_max)),
    ];
    let headers = letter.headers.iter().map(|(name, value)| {
        let value =
            value.as_deref().map_or_else(|| "null".to_owned(), |value| safe_start(value, letters_max));
        ("header", format!("{}: {value}", safe_start(name, letters_max)))
    });
    lines.extend(headers);
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{name:<14} {value}");
    }
    let bytes = letter.value.as_ref().map_or(0, Vec::len);
    let _ = writeln!(text, "{:<14} {bytes} bytes", "value");
    text.push_str(&value_lines(letter, letters_max));
    text
}

/// The value, each of its lines behind a bar, so that none of them can pass for one of ours.
fn value_lines(letter: &Letter, letters_max: usize) -> String {
    let Some(value) = letter.value.as_deref() else {
        return format!("| {}\n", part(None, letter.value_left_out.as_ref(), letters_max));
    };
    let mut left = letters_max;
    let mut text = String::new();
    for line in value.split(|byte| *byte == b'\n') {
        if left == 0 {
            text.push_str("| … (all of it with --full)\n");
            break;
        }
        let shown = if letters_max == usize::MAX { safe(line) } else { safe_start(line, left) };
        left = left.saturating_sub(shown.chars().count().max(1));
        // Writing to a String can't fail.
        let _ = writeln!(text, "| {shown}");
    }
    text
}

fn part(bytes: Option<&[u8]>, left_out: Option<&LeftOut>, letters_max: usize) -> String {
    match (bytes, left_out) {
        (Some(bytes), _) => safe_start(bytes, letters_max),
        (None, None) => "null".to_owned(),
        (None, Some(LeftOut { length, xxh3 })) => format!(
            "left out for its size: {} bytes, XXH3-64 {}; it can't be replayed",
            safe(length.as_bytes()),
            safe(xxh3.as_bytes())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::tests::record;
    use super::*;

    fn letter(value: &[u8]) -> Letter {
        let mut record = record(7, &[("trace\x1b", Some("a\nletter 9/9"))], &[]);
        record.value = Some(value.to_vec());
        Letter::of(record).unwrap()
    }

    #[test]
    fn nothing_in_it_can_pass_for_something_else() {
        let shown = text(&letter(b"one\nreason  none\x1b[2J\r\xff"), LETTERS_MAX);
        assert!(shown.contains("reason         undecodable\n"), "{shown}");
        assert!(shown.contains("header         trace\\u{1b}: a\\nletter 9/9\n"), "{shown}");
        assert!(shown.ends_with("| one\n| reason  none\\u{1b}[2J\\u{d}\\xff\n"), "{shown}");
    }

    #[test]
    fn what_is_large_is_cut_unless_all_is_wanted() {
        let large = letter(&[b'x'; 10_000]);
        assert!(text(&large, LETTERS_MAX).len() < 6_000);
        assert!(text(&large, usize::MAX).contains(&"x".repeat(10_000)));
        let many = letter("ä\n".repeat(9_000).as_bytes());
        assert!(text(&many, LETTERS_MAX).ends_with("(all of it with --full)\n"));
        let cut: serde_json::Value = serde_json::from_str(&json(&many, false).unwrap()).unwrap();
        assert_eq!(
            (cut["value_cut"].as_bool(), cut["value"].as_str().map(str::len)),
            (Some(true), Some(4_095))
        );
        let all: serde_json::Value = serde_json::from_str(&json(&many, true).unwrap()).unwrap();
        assert_eq!(all["value"].as_str().map(str::len), Some(27_000));
    }

    #[test]
    fn what_was_left_out_is_said() {
        let mut record = record(7, &[], &[("dlq.value.length", "9"), ("dlq.value.xxh3", "ff")]);
        record.value = None;
        let shown = text(&Letter::of(record).unwrap(), LETTERS_MAX);
        assert!(
            shown.ends_with("| left out for its size: 9 bytes, XXH3-64 ff; it can't be replayed\n"),
            "{shown}"
        );
    }
}

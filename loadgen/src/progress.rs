//! A line on the terminal that says how a run is going. Nothing is drawn where there is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// How often the line changes.
const REDRAW: Duration = Duration::from_millis(200);

/// The line.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    due: Instant,
}

impl Progress {
    /// A line for so many records; none: nobody knows how many.
    #[must_use]
    pub fn new(records: Option<u64>) -> Self {
        let (bar, style) = match records {
            Some(records) => (
                ProgressBar::new(records),
                "{elapsed} [{wide_bar}] {human_pos}/{human_len} {per_sec} eta {eta} {msg}",
            ),
            None => (ProgressBar::no_length(), "{elapsed} {spinner} {human_pos} {per_sec} {msg}"),
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, due: Instant::now() }
    }

    /// Shows a position, if it is time to.
    pub fn show(&mut self, position: u64, message: impl FnOnce() -> String) {
        let now = Instant::now();
        if now >= self.due {
            self.due = now + REDRAW;
            self.bar.set_message(message());
            self.bar.set_position(position);
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

//! One line on the terminal that says how far a run is.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Without a terminal a line stays, so there are fewer.
const LINE_EVERY: Duration = Duration::from_secs(15);
const REFRESH_EVERY: Duration = Duration::from_millis(500);

/// The line.
pub(crate) struct Progress {
    begin: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// Nothing is shown yet.
    pub(crate) fn new() -> Self {
        Self { begin: Instant::now(), shown: None, terminal: std::io::stderr().is_terminal() }
    }

    /// Shows what `text` says, if it is time to.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        let every = if self.terminal { REFRESH_EVERY } else { LINE_EVERY };
        if self.shown.is_none_or(|shown| shown.elapsed() >= every) {
            self.shown = Some(Instant::now());
            let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            self.write(&format!("{start}{:4} s  {}{end}", self.begin.elapsed().as_secs(), text()));
        }
    }

    /// A line that stays.
    pub(crate) fn note(&mut self, text: &str) {
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        self.write(&format!("{start}{:4} s  {text}\n", self.begin.elapsed().as_secs()));
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        // Nobody to tell when standard error is closed.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            self.write("\r\x1b[K");
        }
    }
}

//! How far a replay has come, on standard error: a bar on a terminal, else a line now and then.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two lines where there is no terminal.
const LINES_EVERY: Duration = Duration::from_secs(5);

/// See the module's text.
pub(crate) struct Progress {
    bar: ProgressBar,
    total: u64,
    lines: bool,
    begun: Instant,
    said: Instant,
}

impl Progress {
    /// Of so many letters.
    pub(crate) fn begin(total: u64, shown: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let target =
            if shown && terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = "{bar:30} {pos} of {len} letters, {msg}, {eta} to go";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let now = Instant::now();
        Self { bar, total, lines: shown && !terminal, begun: now, said: now }
    }

    /// So many are replayed.
    pub(crate) fn show(&mut self, replayed: u64) {
        let rate = format!("{:.0} a second", replayed as f64 / self.begun.elapsed().as_secs_f64());
        if self.lines && self.said.elapsed() >= LINES_EVERY {
            self.said = Instant::now();
            self.say(&format!("replayed {replayed} of {} letters, {rate}", self.total));
        }
        self.bar.set_message(rate);
        self.bar.set_position(replayed);
    }

    /// A line beside the progress.
    pub(crate) fn say(&self, line: &str) {
        // Nobody may be listening.
        self.bar.suspend(|| drop(writeln!(io::stderr(), "{line}")));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

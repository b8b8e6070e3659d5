//! Standard error, where log lines and one live line below them must not get into each other's way.

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A process has one standard error. Nothing is drawn until [`begin_line`].
static LINE: LazyLock<ProgressBar> = LazyLock::new(|| {
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    // Cut off where the terminal ends: a line that wraps could not be taken back.
    line.set_style(
        ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    line
});

/// From now on there is a live line, if there is a terminal. Answers whether there is.
pub(crate) fn begin_line() -> bool {
    if io::stderr().is_terminal() {
        LINE.set_draw_target(ProgressDrawTarget::stderr());
    }
    !LINE.is_hidden()
}

/// What the live line says.
pub(crate) fn set_line(text: String) {
    LINE.set_message(text);
}

/// Takes the live line away for good.
pub(crate) fn end_line() {
    LINE.finish_and_clear();
}

/// Answers a question, on standard output.
#[expect(clippy::print_stdout, reason = "the answer to a question")]
pub(crate) fn say(text: &str) {
    print!("{text}");
}

/// Writes log lines, each at once, above the live line.
pub(crate) struct AboveTheLine;

impl Write for AboveTheLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINE.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

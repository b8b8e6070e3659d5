//! What happened in a run: a hash of all of it, and on demand its text.

use std::collections::VecDeque;

/// Lines kept of a run that is watched.
const LINES_MAX: usize = 60;

/// How much of a run is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watch {
    /// Only the hash.
    #[default]
    Hash,
    /// The last lines too.
    Tail,
    /// Everything, on the standard output as it happens.
    Print,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    watch: Watch,
    hash: u64,
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new(watch: Watch) -> Self {
        // The offset basis and prime of FNV-1a, 64 bits.
        Self { watch, hash: 0xCBF2_9CE4_8422_2325, lines: VecDeque::new() }
    }

    /// Notes an event: numbers that identify it, and how it reads.
    #[expect(clippy::print_stdout, reason = "this is what watching a run means")]
    pub(crate) fn note(&mut self, now_ms: u64, numbers: &[u64], text: impl FnOnce() -> String) {
        for number in std::iter::once(&now_ms).chain(numbers) {
            self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(5);
        }
        if self.watch == Watch::Hash {
            return;
        }
        let line = format!("{:>7} ms  {}", now_ms, text());
        if self.watch == Watch::Print {
            println!("{line}");
        }
        self.lines.push_back(line);
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

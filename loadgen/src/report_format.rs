//! How both binaries print what they found.

use clap::ValueEnum;

/// How a summary is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people, on standard error.
    Text,
    /// The same, and one line of JSON on standard output.
    Json,
}

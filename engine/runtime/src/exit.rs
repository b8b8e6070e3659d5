//! How a pipeline binary ends.

use std::process::ExitCode;

use crate::settings::SettingError;

/// Why a pipeline does not run, by who must act. The exit code says so too.
#[derive(Debug, thiserror::Error)]
pub enum ExitError {
    /// Whoever set it up: exit code 2.
    #[error("{0}")]
    Settings(#[from] SettingError),
    /// Whoever looks after the outside systems, or after the flow: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Whoever stopped it should know that something was left behind: exit code 3.
    #[error("{0}")]
    Unfinished(String),
}

impl ExitError {
    pub(crate) fn failed(problem: impl std::fmt::Display) -> Self {
        Self::Failed(problem.to_string())
    }

    /// The code of the process.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Settings(_) => 2,
            Self::Unfinished(_) => UNFINISHED,
        }
    }
}

/// The code when a drain was cut short.
pub(crate) const UNFINISHED: u8 = 3;

impl From<&ExitError> for ExitCode {
    fn from(error: &ExitError) -> Self {
        Self::from(error.code())
    }
}

//! Why a command did not do what it should, by who must act. The exit code says so too.

use std::io;

use thalweg::kafka::{TopicError, TransactionError};
use thalweg::settings::SettingError;

/// See the module's text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Whoever typed the command: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Whoever wrote the settings: exit code 2.
    #[error("{0}")]
    Setting(#[from] SettingError),
    /// Whoever looks after Kafka: exit code 1.
    #[error("{0}")]
    Topic(#[from] TopicError),
    /// Whoever looks after Kafka, or started a second replay: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Whoever wants it to be finished: exit code 3. The same command goes on.
    #[error("{0}")]
    Unfinished(String),
    /// Nobody reads what is printed: no error of ours, exit code 0.
    #[error("the output was closed")]
    Closed,
    /// What is printed can't be written: exit code 1.
    #[error("the output can't be written: {0}")]
    Output(io::Error),
}

/// The code when some letters that match could not be replayed.
pub(crate) const SOME_LEFT: u8 = 4;

/// The code when it was stopped before its end.
pub(crate) const UNFINISHED: u8 = 3;

impl Failure {
    /// The code of the process.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Setting(_) | Self::Topic(TopicError::Setting(_)) => 2,
            Self::Topic(_) | Self::Failed(_) | Self::Output(_) => 1,
            Self::Unfinished(_) => UNFINISHED,
            Self::Closed => 0,
        }
    }

    /// Of a replay under that group.
    pub(crate) fn of_transaction(error: TransactionError, group: &str) -> Self {
        let again = "the same command goes on where it ended";
        match error {
            TransactionError::Fenced { .. } => Self::Failed(format!(
                "another replay with the group {group} has begun; it goes on in place of this one, which has ended at \
                 its last transaction"
            )),
            TransactionError::Unknown { .. } => Self::Unfinished(format!("{error}; {again}")),
            error => Self::Failed(format!("{error}; {again}")),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(error) }
    }
}

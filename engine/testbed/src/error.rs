//! What can go wrong while preparing a machine or a server, by who must act.

use std::path::PathBuf;

/// Why a server could not be prepared, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// The machine lacks programs and this user may not install them.
    #[error(
        "this machine lacks: {missing}\ninstall that, or run `cargo testbed` as root on Debian, which does it"
    )]
    Missing {
        /// What is missing, and the Debian package that has it.
        missing: String,
    },
    /// A program that does part of the work failed.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// The command line.
        command: String,
        /// Exit status and the end of its output.
        reason: String,
    },
    /// The server died or did not answer in time.
    #[error("{server} did not start: {reason}; the end of {log}:\n{tail}")]
    NotStarted {
        /// Which server.
        server: &'static str,
        /// Died, or silent for how long.
        reason: String,
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// Something that is not ours listens where the server should.
    #[error(
        "{server} needs port {port} of 127.0.0.1, which another process has; stop that, or name it in {variable} if it is a {server} to test against"
    )]
    PortTaken {
        /// Which server.
        server: &'static str,
        /// The port.
        port: u16,
        /// The environment variable that names a server of the user's own.
        variable: &'static str,
    },
    /// A process survived SIGKILL.
    #[error("process {pid} does not stop")]
    NotStopped {
        /// The process.
        pid: i32,
    },
    /// A file operation failed.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Adds the path to an I/O error.
pub(crate) trait AtPath<T> {
    /// Names `path` in the error.
    fn at(self, path: &std::path::Path) -> Result<T, TestbedError>;
}

impl<T> AtPath<T> for std::io::Result<T> {
    fn at(self, path: &std::path::Path) -> Result<T, TestbedError> {
        self.map_err(|source| TestbedError::File { path: path.to_path_buf(), source })
    }
}

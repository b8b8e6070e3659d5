//! Where downloads and server folders live: outside the checkout, shared by all checkouts of a user.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{AtPath, TestbedError};

/// The download cache: `THALWEG_CACHE`, else `XDG_CACHE_HOME/thalweg`, else `~/.cache/thalweg`. Created if missing.
///
/// # Errors
/// When it can't be created.
pub fn cache() -> Result<PathBuf, TestbedError> {
    let folder = variable("THALWEG_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("thalweg")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/thalweg")))
        .unwrap_or_else(|| PathBuf::from("/var/tmp/thalweg-cache"));
    fs::create_dir_all(&folder).at(&folder)?;
    fs::canonicalize(&folder).at(&folder)
}

/// The folder of all servers' programs, data and logs: `THALWEG_SERVERS`, else `/var/tmp/thalweg-servers-<uid>`.
///
/// Not below the home folder: root's is closed to the user that Elasticsearch runs as.
///
/// # Errors
/// When it can't be created, or is somebody else's (anyone can make folders in `/var/tmp`).
pub fn servers() -> Result<PathBuf, TestbedError> {
    let uid = rustix::process::geteuid().as_raw();
    let folder = variable("THALWEG_SERVERS")
        .unwrap_or_else(|| PathBuf::from(format!("/var/tmp/thalweg-servers-{uid}")));
    fs::create_dir_all(&folder).at(&folder)?;
    let owner = fs::symlink_metadata(&folder).at(&folder)?.uid();
    if owner != uid {
        let source = std::io::Error::other(format!(
            "belongs to user {owner}; set THALWEG_SERVERS to a folder of yours"
        ));
        return Err(TestbedError::File { path: folder, source });
    }
    fs::canonicalize(&folder).at(&folder)
}

/// Waits until no other process holds `folder`'s lock, then holds it until the returned file is dropped.
///
/// # Errors
/// When the folder or the lock file can't be made.
pub fn lock(folder: &Path) -> Result<File, TestbedError> {
    fs::create_dir_all(folder).at(folder)?;
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).at(&path)?;
    file.lock().at(&path)?;
    Ok(file)
}

/// Writes `text` to `path` so that a reader sees the old or the new file, never half of one.
///
/// # Errors
/// When it can't be written.
pub fn write(path: &Path, text: &str) -> Result<(), TestbedError> {
    let part = path.with_extension("part");
    fs::write(&part, text).at(&part)?;
    fs::rename(&part, path).at(path)
}

/// The last `lines` lines of a log, for an error message.
#[must_use]
pub fn tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

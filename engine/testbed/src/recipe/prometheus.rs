//! Prometheus and promtool: the programs of the Debian package, without installing it, which would start a service.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{http_status, not_started, wait_ready};
use crate::error::{AtPath, TestbedError};
use crate::process::{ServerProcess, run};
use crate::{folder, machine};

const SERVER: &str = "prometheus";

/// A Prometheus: a folder with its data and log.
#[derive(Debug, Clone)]
pub struct Prometheus {
    /// Everything of it is in here.
    pub folder: PathBuf,
    /// Its HTTP port.
    pub port: u16,
}

impl Prometheus {
    /// Starts it with a configuration file and waits until it serves.
    ///
    /// # Errors
    /// When the program can't be had, or does not come up: with the end of its log.
    pub fn start(&self, configuration: &Path) -> Result<ServerProcess, TestbedError> {
        let program = program(SERVER)?;
        let log = self.folder.join("prometheus.log");
        let output = File::create(&log).at(&log)?;
        let errors = output.try_clone().at(&log)?;
        let mut child = Command::new(&program)
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", self.folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .at(&program)?;
        let process = ServerProcess::running(i32::try_from(child.id()).unwrap_or(i32::MAX));
        // Takes the child's exit status, so that it leaves no zombie while this process goes on.
        std::thread::spawn(move || child.wait());
        let process = process.ok_or_else(|| not_started(SERVER, "it ended at once".to_owned(), &log))?;
        process.remember(&self.folder.join("pid"))?;
        wait_ready(SERVER, process, &log, || http_status(self.port, "/-/ready") == Some(200))?;
        Ok(process)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Where `prometheus` or `promtool` is: on the path, else in the cache, into which it is unpacked once.
///
/// # Errors
/// When it is nowhere, and this is no Debian whose package could be had.
pub fn program(name: &str) -> Result<PathBuf, TestbedError> {
    match machine::find(name) {
        Some(program) => Ok(program),
        None => Ok(unpacked()?.join("usr/bin").join(name)),
    }
}

fn unpacked() -> Result<PathBuf, TestbedError> {
    let cache = folder::cache()?;
    let ready = cache.join("prometheus-debian");
    if ready.is_dir() {
        return Ok(ready);
    }
    let _lock = folder::lock(&cache)?;
    if ready.is_dir() {
        return Ok(ready);
    }
    if machine::find("apt-get").is_none() {
        return Err(TestbedError::Missing {
            missing: "prometheus and promtool (Debian: prometheus)".to_owned(),
        });
    }
    eprintln!("downloading prometheus to {} (once)", cache.display());
    let work = cache.join("prometheus-debian.part");
    if work.exists() {
        fs::remove_dir_all(&work).at(&work)?;
    }
    let files = work.join("files");
    fs::create_dir_all(&files).at(&files)?;
    let package = download(&work)?;
    run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&files))?;
    fs::rename(&files, &ready).at(&ready)?;
    fs::remove_dir_all(&work).at(&work)?;
    Ok(ready)
}

/// Puts the package's file into the folder.
fn download(work: &Path) -> Result<PathBuf, TestbedError> {
    let get = || run(Command::new("apt-get").current_dir(work).args(["--quiet=2", "download", "prometheus"]));
    if get().is_err() {
        // The lists of packages may be missing or old.
        machine::apt_get(&["update"])?;
        get()?;
    }
    let found = fs::read_dir(work).at(work)?.flatten().map(|entry| entry.path());
    let package = found.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
    package.ok_or_else(|| std::io::Error::other("apt-get left no package here")).at(work)
}

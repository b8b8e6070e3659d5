//! Elasticsearch, one node, from the `integ-test-zip` on Maven Central (the server without most plugins).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::{http_status, not_started, port_answers, wait_ready};
use crate::error::{AtPath, TestbedError};
use crate::maven::{Artifact, fetch};
use crate::process::{ServerProcess, run};
use crate::{folder, machine};

/// The Elasticsearch version the tests run against: the newest whose `integ-test-zip` is on Maven Central.
pub const VERSION: &str = "8.19.21";
const SERVER: &str = "elasticsearch";
const STOP_GRACE: Duration = Duration::from_secs(20);
/// Elasticsearch refuses to run as root; for root this user is made and used.
const USER: &str = "thalweg-es";

const ZIP: &[Artifact] = &[Artifact {
    group: "org.elasticsearch.distribution.integ-test-zip",
    name: "elasticsearch",
    version: VERSION,
    kind: "zip",
}];

/// A node: a folder with its configuration, data and logs. The program itself is shared by all nodes.
#[derive(Debug, Clone)]
pub struct Elasticsearch {
    /// Everything of this node is in here.
    pub folder: PathBuf,
    /// Its HTTP port.
    pub port: u16,
    /// The JVM's heap in MiB.
    pub heap_mb: u32,
    /// Lines added to `elasticsearch.yml`.
    pub settings: Vec<String>,
    /// Whether it speaks HTTPS only, with users.
    pub secured: bool,
}

impl Elasticsearch {
    /// The node all tests share, on Elasticsearch's usual port.
    ///
    /// # Errors
    /// When the folder for servers can't be made.
    pub fn shared() -> Result<Self, TestbedError> {
        let folder = folder::servers()?.join(SERVER);
        Ok(Self { folder, port: 9200, heap_mb: 1024, settings: Vec::new(), secured: false })
    }

    /// Starts it and waits until it serves; does nothing if it runs.
    ///
    /// # Errors
    /// When the port is taken, something is missing, or it does not come up: with the end of its log.
    pub fn start(&self) -> Result<ServerProcess, TestbedError> {
        let _lock = folder::lock(&self.folder)?;
        if let Some(process) = self.process() {
            return Ok(process);
        }
        if port_answers(self.port) {
            return Err(TestbedError::PortTaken {
                server: SERVER,
                port: self.port,
                variable: "THALWEG_ELASTICSEARCH",
            });
        }
        let program = unpacked()?;
        self.configure(&program)?;
        let process = self.spawn(&program)?;
        wait_ready(SERVER, process, &self.log(), || {
            if self.secured {
                // Asking for more would need TLS here; the launcher came back, so the node has started.
                port_answers(self.port)
            } else {
                http_status(self.port, "/_cluster/health?wait_for_status=yellow&timeout=20s") == Some(200)
            }
        })?;
        Ok(process)
    }

    /// Stops it and waits until it is gone; does nothing if it does not run. Data stays.
    ///
    /// # Errors
    /// When it does not go.
    pub fn stop(&self) -> Result<(), TestbedError> {
        self.process().map_or(Ok(()), |process| process.stop(STOP_GRACE))
    }

    /// Ends it at once, as a crash does; comes back when it is gone.
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill(&self) -> Result<(), TestbedError> {
        self.process().map_or(Ok(()), |process| process.kill())
    }

    /// Suspends it (SIGSTOP): connections stay open, nothing is answered until [`resume`](Self::resume).
    pub fn suspend(&self) {
        if let Some(process) = self.process() {
            process.signal(Signal::STOP);
        }
    }

    /// Lets a suspended server go on.
    pub fn resume(&self) {
        if let Some(process) = self.process() {
            process.signal(Signal::CONT);
        }
    }

    /// The node's process, if it runs.
    #[must_use]
    pub fn process(&self) -> Option<ServerProcess> {
        ServerProcess::remembered(&self.pid_file())
    }

    /// Its address: `http://127.0.0.1:PORT`, or `https` when secured.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http{}://127.0.0.1:{}", if self.secured { "s" } else { "" }, self.port)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("elasticsearch.log")
    }

    /// The folder of its configuration files.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("config")
    }

    /// Runs one of the program's tools (`elasticsearch-users`, …) on this node's configuration.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn tool(&self, tool: &str, arguments: &[&str]) -> Result<(), TestbedError> {
        let program = unpacked()?;
        self.configure(&program)?;
        run(self.command(&program, tool)?.args(arguments).stdin(Stdio::null())).map(drop)
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    fn configure(&self, program: &Path) -> Result<(), TestbedError> {
        let config = self.configuration();
        fs::create_dir_all(&config).at(&config)?;
        for name in ["data", "logs", "tmp"] {
            let folder = self.folder.join(name);
            fs::create_dir_all(&folder).at(&folder)?;
        }
        copy_missing(&program.join("config"), &config)?;
        let yml = config.join("elasticsearch.yml");
        fs::write(&yml, self.settings_file()).at(&yml)?;
        let original = program.join("config/jvm.options");
        let options = fs::read_to_string(&original).at(&original)?;
        // Those that write files do it beside the program, which belongs to another user.
        let kept: Vec<&str> =
            options.lines().filter(|line| !line.contains("logs/") && !line.contains("HeapDump")).collect();
        let jvm = config.join("jvm.options");
        fs::write(&jvm, kept.join("\n") + "\n").at(&jvm)?;
        own_by_server_user(&self.folder)
    }

    fn settings_file(&self) -> String {
        let folder = self.folder.display();
        let mut text = format!(
            "cluster.name: thalweg-{port}\nnode.name: one\ndiscovery.type: single-node\nnetwork.host: 127.0.0.1\n\
             http.port: {port}\npath.data: {folder}/data\npath.logs: {folder}/logs\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n",
            port = self.port
        );
        if !self.secured {
            text.push_str("xpack.security.enabled: false\n");
        }
        for line in &self.settings {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// A program of the distribution, as the right user and with this node's configuration.
    fn command(&self, program: &Path, tool: &str) -> Result<Command, TestbedError> {
        let executable = program.join("bin").join(tool);
        let mut command = if rustix::process::geteuid().is_root() {
            // It becomes the program, where runuser would stay as its parent.
            let mut as_user = Command::new("setpriv");
            as_user.arg(format!("--reuid={USER}")).arg(format!("--regid={USER}")).arg("--clear-groups");
            as_user.arg(executable);
            as_user
        } else {
            Command::new(executable)
        };
        command
            .current_dir(&self.folder)
            .env_remove("JAVA_HOME")
            .env("ES_JAVA_HOME", machine::java_home()?)
            .env("ES_PATH_CONF", self.configuration())
            .env("ES_TMPDIR", self.folder.join("tmp"));
        Ok(command)
    }

    fn spawn(&self, program: &Path) -> Result<ServerProcess, TestbedError> {
        let log = self.log();
        let output = fs::File::create(&log).at(&log)?;
        let errors = output.try_clone().at(&log)?;
        let daemon_pid_file = self.folder.join("data/daemon.pid");
        // Left by a node that was killed.
        if daemon_pid_file.exists() {
            fs::remove_file(&daemon_pid_file).at(&daemon_pid_file)?;
        }
        // With -d the launcher comes back once the node has started, or fails.
        let mut launcher = self
            .command(program, "elasticsearch")?
            .env("ES_JAVA_OPTS", format!("-Xms{0}m -Xmx{0}m -XX:-AlwaysPreTouch", self.heap_mb))
            .args(["-d", "-p"])
            .arg(&daemon_pid_file)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // A group of its own: Ctrl-C in the terminal is for the testbed, which then stops the server.
            .process_group(0)
            .spawn()
            .at(program)?;
        // Until the node itself is known: who cleans up now finds the group of both under the launcher's pid.
        if let Some(launcher) = i32::try_from(launcher.id()).ok().and_then(ServerProcess::running) {
            launcher.remember(&self.pid_file())?;
        }
        let status = launcher.wait().at(program)?;
        let process = fs::read_to_string(&daemon_pid_file)
            .ok()
            .and_then(|pid| pid.trim().parse().ok())
            .and_then(ServerProcess::running);
        match process {
            Some(process) if status.success() => {
                process.remember(&self.pid_file())?;
                Ok(process)
            }
            _ => Err(not_started(SERVER, status.to_string(), &log)),
        }
    }
}

/// The folder of the program, unpacked if it is not yet.
fn unpacked() -> Result<PathBuf, TestbedError> {
    let servers = folder::servers()?;
    let program = servers.join(format!("elasticsearch-{VERSION}"));
    if program.is_dir() {
        return Ok(program);
    }
    let zip =
        fetch(&format!("elasticsearch-{VERSION}"), ZIP, false)?.join(format!("elasticsearch-{VERSION}.zip"));
    let part = servers.join("elasticsearch-unpack");
    let _lock = folder::lock(&part)?;
    if program.is_dir() {
        return Ok(program);
    }
    let jar = machine::java_home()?.join("bin/jar");
    run(Command::new(jar).current_dir(&part).arg("xf").arg(&zip))?;
    let fresh = part.join(format!("elasticsearch-{VERSION}"));
    make_executable(&fresh.join("bin"))?;
    fs::rename(&fresh, &program).at(&program)?;
    Ok(program)
}

/// `jar` unpacks without modes.
fn make_executable(folder: &Path) -> Result<(), TestbedError> {
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).at(&path)?;
    }
    Ok(())
}

/// Copies the files that are not there yet.
fn copy_missing(from: &Path, to: &Path) -> Result<(), TestbedError> {
    for entry in fs::read_dir(from).at(from)? {
        let path = entry.at(from)?.path();
        let copy = to.join(path.file_name().unwrap_or_default());
        if path.is_file() && !copy.exists() {
            fs::copy(&path, &copy).at(&copy)?;
        }
    }
    Ok(())
}

fn own_by_server_user(folder: &Path) -> Result<(), TestbedError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if run(Command::new("id").args(["-u", USER])).is_err() {
        run(Command::new("useradd").args(["--system", "--user-group", "--no-create-home"]).args([
            "--shell",
            "/usr/sbin/nologin",
            USER,
        ]))?;
    }
    run(Command::new("chown").args(["--recursive", &format!("{USER}:")]).arg(folder)).map(drop)
}

//! Kafka, one KRaft node, from the jars on Maven Central.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::{not_started, port_answers, wait_ready};
use crate::error::{AtPath, TestbedError};
use crate::maven::{Artifact, fetch};
use crate::process::{ServerProcess, run};
use crate::{folder, machine};

/// The Kafka version the tests run against.
pub const VERSION: &str = "4.3.1";
const SERVER: &str = "kafka";
/// SIGTERM lets the broker close its log, which saves the next start the recovery.
const STOP_GRACE: Duration = Duration::from_secs(20);

const JARS: &[Artifact] = &[
    Artifact { group: "org.apache.kafka", name: "kafka_2.13", version: VERSION, kind: "jar" },
    Artifact { group: "org.apache.kafka", name: "kafka-tools", version: VERSION, kind: "jar" },
    // Kafka speaks SLF4J 1.7, which this binding is for (log4j-slf4j2-impl is for SLF4J 2).
    Artifact { group: "org.apache.logging.log4j", name: "log4j-slf4j-impl", version: "2.25.4", kind: "jar" },
    Artifact { group: "org.apache.logging.log4j", name: "log4j-core", version: "2.25.4", kind: "jar" },
];

/// Warnings, and the one line that says the broker serves.
const LOG4J: &str = "\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.started.name = kafka.server.KafkaRaftServer
logger.started.level = info
";
const STARTED: &str = "Kafka Server started";

/// Settings every broker of ours has.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
num.partitions=4
# One broker: internal topics have one replica, and few partitions so that the start is short.
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# After kill -9 the broker waits for its own old session to end: make that short.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# Tests do not wait: members that vanish and transactions left open are noticed in seconds.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
";

/// The loopback ports of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// For clients.
    pub plain: u16,
    /// The listener behind the proxy.
    pub proxied: u16,
    /// Where the broker tells clients of the proxied listener to connect: a proxy must listen here.
    pub proxy: u16,
    /// The controller's, of no interest to clients.
    pub controller: u16,
}

/// A broker: a folder with its configuration, data and log.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Everything of this broker is in here.
    pub folder: PathBuf,
    /// Where it listens.
    pub ports: Ports,
    /// The JVM's heap in MiB.
    pub heap_mb: u32,
    /// Lines added to `server.properties`; they win over the recipe's.
    pub settings: Vec<String>,
}

impl Kafka {
    /// The broker all tests share, on Kafka's usual port.
    ///
    /// # Errors
    /// When the folder for servers can't be made.
    pub fn shared() -> Result<Self, TestbedError> {
        let ports = Ports { plain: 9092, proxied: 19092, proxy: 29092, controller: 9093 };
        Ok(Self { folder: folder::servers()?.join(SERVER), ports, heap_mb: 1024, settings: Vec::new() })
    }

    /// Starts it and waits until it serves; does nothing if it runs.
    ///
    /// # Errors
    /// When a port is taken, something is missing, or it does not come up: with the end of its log.
    pub fn start(&self) -> Result<ServerProcess, TestbedError> {
        let _lock = folder::lock(&self.folder)?;
        if let Some(process) = self.process() {
            return Ok(process);
        }
        for port in [self.ports.plain, self.ports.proxied, self.ports.controller] {
            if port_answers(port) {
                return Err(TestbedError::PortTaken { server: SERVER, port, variable: "THALWEG_KAFKA" });
            }
        }
        let java = machine::java_home()?.join("bin/java");
        let jars = fetch(&format!("kafka-{VERSION}"), JARS, true)?;
        let properties = self.folder.join("server.properties");
        fs::write(&properties, self.properties()).at(&properties)?;
        let logging = self.folder.join("log4j2.properties");
        fs::write(&logging, LOG4J).at(&logging)?;
        self.format(&java, &jars)?;
        let process = self.spawn(&java, &jars)?;
        let log = self.log();
        wait_ready(SERVER, process, &log, || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains(STARTED))
                && port_answers(self.ports.plain)
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

    /// The broker's process, if it runs.
    #[must_use]
    pub fn process(&self) -> Option<ServerProcess> {
        ServerProcess::remembered(&self.pid_file())
    }

    /// Its address for clients: `127.0.0.1:PORT`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.plain)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("kafka.log")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    fn properties(&self) -> String {
        let Ports { plain, proxied, proxy, controller } = self.ports;
        let host = "127.0.0.1";
        let mut text = format!(
            "controller.quorum.voters=1@{host}:{controller}\n\
             listeners=PLAINTEXT://{host}:{plain},PROXIED://{host}:{proxied},CONTROLLER://{host}:{controller}\n\
             advertised.listeners=PLAINTEXT://{host}:{plain},PROXIED://{host}:{proxy}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs={}\n{SETTINGS}",
            self.data().display()
        );
        for line in &self.settings {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Where its partitions lie.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Gives an empty data folder its cluster id.
    fn format(&self, java: &Path, jars: &Path) -> Result<(), TestbedError> {
        if self.data().join("meta.properties").is_file() {
            return Ok(());
        }
        // Any 16 bytes in base64 will do, the cluster has one node.
        let cluster = "dGhhbHdlZy10ZXN0YmVkMQ";
        run(Command::new(java)
            .args(self.jvm(jars))
            .args(["kafka.tools.StorageTool", "format", "-t", cluster, "-c"])
            .arg(self.folder.join("server.properties")))
        .map(drop)
    }

    fn jvm(&self, jars: &Path) -> Vec<String> {
        vec![
            format!("-Xms{0}m", self.heap_mb),
            format!("-Xmx{0}m", self.heap_mb),
            // As Kafka's own start script has it: with Java's default of 200 ms, effects wait for the broker's collector.
            "-XX:+UseG1GC".to_owned(),
            "-XX:MaxGCPauseMillis=20".to_owned(),
            "-XX:InitiatingHeapOccupancyPercent=35".to_owned(),
            format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.properties").display()),
            "-cp".to_owned(),
            format!("{}/*", jars.display()),
        ]
    }

    fn spawn(&self, java: &Path, jars: &Path) -> Result<ServerProcess, TestbedError> {
        let log = self.log();
        let output = File::create(&log).at(&log)?;
        let errors = output.try_clone().at(&log)?;
        let mut child = Command::new(java)
            .args(self.jvm(jars))
            .arg("kafka.Kafka")
            .arg(self.folder.join("server.properties"))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // A group of its own: Ctrl-C in the terminal is for the testbed, which then stops the server.
            .process_group(0)
            .spawn()
            .at(java)?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let process = ServerProcess::running(pid);
        // Takes the child's exit status, so that it leaves no zombie while this process goes on.
        std::thread::spawn(move || child.wait());
        let process = process.ok_or_else(|| not_started(SERVER, "it ended at once".to_owned(), &log))?;
        process.remember(&self.pid_file())?;
        Ok(process)
    }
}

/// Runs one of Kafka's own command line tools to its end; `class` is its full name.
///
/// # Errors
/// When it can't be had or fails, with the end of what it printed.
pub fn tool(class: &str, arguments: &[&str]) -> Result<String, TestbedError> {
    let java = machine::java_home()?.join("bin/java");
    let jars = fetch(&format!("kafka-{VERSION}"), JARS, true)?;
    // They run for a second: nothing that pays off later only.
    let quick = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"];
    run(Command::new(java).args(quick).arg(format!("{}/*", jars.display())).arg(class).args(arguments))
}

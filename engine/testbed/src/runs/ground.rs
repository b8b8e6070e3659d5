//! Where a run takes place: servers, names of its own, a folder, ports.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use thalweg_testbed::recipe::kafka::tool;
use thalweg_testbed::servers::Addresses;
use thalweg_testbed::{TestbedError, folder, private};

use super::failed;
use super::settings::Servers;

/// Below the ports that the system gives to outgoing connections: an instance that is away for a second must find its
/// port free.
const ADMIN_PORTS: std::ops::Range<u16> = 21_000..31_000;

/// Servers and names of one run.
pub(crate) struct Ground {
    /// Kafka's `HOST:PORT`.
    pub(crate) kafka: String,
    /// Elasticsearch's URL.
    pub(crate) elasticsearch: String,
    /// What all names of this run begin with.
    name: String,
    /// Logs and lists.
    pub(crate) folder: PathBuf,
    keeps_folder: bool,
    /// The node, when it is ours to stop.
    pub(crate) private: Option<(private::Kafka, private::Elasticsearch)>,
    scenes: Vec<Scene>,
}

/// Names of one load and its index.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// The topic; the dead letters' is this and `.dlq`.
    pub(crate) topic: String,
    /// The group.
    pub(crate) group: String,
    /// The alias that readers search.
    pub(crate) alias: String,
}

impl Ground {
    /// Starts or finds the servers.
    pub(crate) fn prepare(run: &str, servers: Servers, folder: Option<&Path>) -> Result<Self, TestbedError> {
        let (kafka, elasticsearch, private) = match servers {
            Servers::Private => start_private()?,
            Servers::Shared => find_shared()?,
        };
        let keeps_folder = folder.is_some();
        let (name, folder) = folder_of(run, folder)?;
        Ok(Self { kafka, elasticsearch, name, folder, keeps_folder, private, scenes: Vec::new() })
    }

    /// New names.
    pub(crate) fn scene(&mut self, what: &str) -> Scene {
        let topic = format!("{}-{what}", self.name);
        let scene = Scene { group: format!("{topic}-group"), alias: format!("{topic}-alias"), topic };
        self.scenes.push(scene.clone());
        scene
    }

    /// Ends the run: tells its problems; if there are none, removes what it left behind. True when there are none.
    pub(crate) fn close(self, run: &str, problems: &[String]) -> Result<bool, TestbedError> {
        for problem in problems {
            eprintln!("{run}: {problem}");
        }
        if problems.is_empty() {
            self.clear()?;
        }
        Ok(problems.is_empty())
    }

    /// Removes what the run left on servers that go on, and its folder unless somebody wants it.
    fn clear(self) -> Result<(), TestbedError> {
        if self.private.is_none() {
            for scene in &self.scenes {
                self.remove_topics(scene)?;
                self.remove_indices(scene)?;
            }
        }
        if !self.keeps_folder {
            fs::remove_dir_all(&self.folder)
                .map_err(|source| TestbedError::File { path: self.folder.clone(), source })?;
        }
        Ok(())
    }

    fn remove_topics(&self, scene: &Scene) -> Result<(), TestbedError> {
        remove_topics(&self.kafka, &format!("{0}|{0}[.]dlq", scene.topic))
    }

    fn remove_indices(&self, scene: &Scene) -> Result<(), TestbedError> {
        let indices = super::evidence::indices(&self.elasticsearch, &scene.alias)?;
        for index in indices {
            let url = format!("{}/{index}", self.elasticsearch);
            let answer = reqwest::blocking::Client::new().delete(url).send();
            answer
                .and_then(reqwest::blocking::Response::error_for_status)
                .map_err(|error| failed("Elasticsearch", error))?;
        }
        Ok(())
    }
}

/// What the names of a run begin with, and its folder, which is made: that one, or else one of its own.
pub(crate) fn folder_of(run: &str, folder: Option<&Path>) -> Result<(String, PathBuf), TestbedError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("{run}-{}-{}", std::process::id(), since.as_secs());
    let folder = match folder {
        Some(folder) => folder.to_path_buf(),
        None => folder::servers()?.join("runs").join(&name),
    };
    let made = fs::create_dir_all(&folder).and_then(|()| fs::canonicalize(&folder));
    Ok((name, made.map_err(|source| TestbedError::File { path: folder.clone(), source })?))
}

/// Removes the topics whose names match.
pub(crate) fn remove_topics(kafka: &str, pattern: &str) -> Result<(), TestbedError> {
    let arguments = ["--bootstrap-server", kafka, "--delete", "--if-exists", "--topic", pattern];
    tool("org.apache.kafka.tools.TopicCommand", &arguments).map(drop)
}

type Found = (String, String, Option<(private::Kafka, private::Elasticsearch)>);

fn start_private() -> Result<Found, TestbedError> {
    eprintln!("starting Kafka and Elasticsearch for this run");
    let (kafka, elasticsearch) = std::thread::scope(|scope| {
        let kafka = scope.spawn(|| private::Kafka::start(&[]));
        let elasticsearch = private::Elasticsearch::start(&[]);
        (kafka.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), elasticsearch)
    });
    let (kafka, elasticsearch) = (kafka?, elasticsearch?);
    Ok((kafka.bootstrap(), elasticsearch.url(), Some((kafka, elasticsearch))))
}

fn find_shared() -> Result<Found, TestbedError> {
    let (named, running) = (Addresses::from_environment(), Addresses::running()?);
    let missing = |server: &str| {
        failed(server, "is not running: `cargo testbed up` starts it, or leave out `--servers shared`")
    };
    let kafka = named.kafka.or(running.kafka).ok_or_else(|| missing("Kafka"))?;
    let elasticsearch =
        named.elasticsearch.or(running.elasticsearch).ok_or_else(|| missing("Elasticsearch"))?;
    Ok((kafka, elasticsearch, None))
}

/// Ports for admin pages that nobody has.
pub(crate) fn admin_ports(count: usize, rng: &mut fastrand::Rng) -> Result<Vec<u16>, TestbedError> {
    let mut held: Vec<(u16, TcpListener)> = Vec::with_capacity(count);
    for _ in 0..1_000 {
        let port = rng.u16(ADMIN_PORTS);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            held.push((port, listener));
        }
        if held.len() == count {
            return Ok(held.into_iter().map(|(port, _)| port).collect());
        }
    }
    Err(failed("admin ports", format!("there are no {count} free ones between {ADMIN_PORTS:?}")))
}

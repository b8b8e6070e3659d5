//! Servers that belong to one test: own ports, own folder, gone when dropped, also when the test process is killed.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{AtPath, TestbedError};
use crate::folder;
use crate::process::ServerProcess;
use crate::recipe::{self, free_ports};
use crate::tls::{self, Certificates, KEY_STORE_PASSWORD};

/// Tests run several servers at once on a small machine.
const HEAP_MB: u32 = 512;
/// The user of secured private servers.
pub const USER: &str = "thalweg";
/// That user's password.
pub const PASSWORD: &str = "only-for-tests";

/// Waits for its standard input to end, which is when the test process dropped the server or died itself; then kills
/// the server and removes its folder. `$1` is the folder. The pid counts only with the start time beside it.
const REAPER: &str = r#"
cat >/dev/null
if read -r pid ticks <"$1/pid" && [ "$(cut -d' ' -f22 "/proc/$pid/stat")" = "$ticks" ]; then
    kill -KILL "$pid"
    kill -KILL -- "-$pid"
fi 2>/dev/null
rm -rf "$1"
"#;

/// A Kafka of one test. [`recipe::Kafka`] says what can be done with it: stop, start again, kill, suspend.
#[derive(Debug)]
pub struct Kafka {
    broker: recipe::Kafka,
    /// Address of the SASL_SSL listener (PLAIN, [`USER`], [`PASSWORD`]) and who signed it, when asked for.
    pub secured: Option<(String, Certificates)>,
    _reaper: Reaper,
}

impl Kafka {
    /// Starts one; `settings` are lines for `server.properties`.
    ///
    /// # Errors
    /// As [`recipe::Kafka::start`].
    pub fn start(settings: &[&str]) -> Result<Self, TestbedError> {
        Self::start_with(settings, None)
    }

    /// Starts one that has a listener with TLS and SASL besides the plain one.
    ///
    /// # Errors
    /// As [`recipe::Kafka::start`], or when the certificates can't be made.
    pub fn start_secured(settings: &[&str]) -> Result<Self, TestbedError> {
        Self::start_with(settings, Some(tls::certificates()?))
    }

    fn start_with(settings: &[&str], certificates: Option<Certificates>) -> Result<Self, TestbedError> {
        let reaper = Reaper::watch("kafka")?;
        let [plain, proxied, proxy, controller, secured] = ports(&reaper.folder)?;
        let ports = recipe::kafka::Ports { plain, proxied, proxy, controller };
        let mut settings: Vec<String> = settings.iter().map(|line| (*line).to_owned()).collect();
        if let Some(certificates) = &certificates {
            settings.extend(secured_listener(&ports, secured, certificates));
        }
        let broker = recipe::Kafka { folder: reaper.folder.clone(), ports, heap_mb: HEAP_MB, settings };
        broker.start()?;
        let secured = certificates.map(|certificates| (format!("127.0.0.1:{secured}"), certificates));
        Ok(Self { broker, secured, _reaper: reaper })
    }
}

impl Deref for Kafka {
    type Target = recipe::Kafka;
    fn deref(&self) -> &Self::Target {
        &self.broker
    }
}

/// The listener lines again with one more listener; the last line of a name wins.
fn secured_listener(ports: &recipe::kafka::Ports, secured: u16, certificates: &Certificates) -> Vec<String> {
    let recipe::kafka::Ports { plain, proxied, proxy, controller } = ports;
    let host = "127.0.0.1";
    vec![
        format!(
            "listeners=PLAINTEXT://{host}:{plain},PROXIED://{host}:{proxied},CONTROLLER://{host}:{controller},\
             SECURED://{host}:{secured}"
        ),
        format!(
            "advertised.listeners=PLAINTEXT://{host}:{plain},PROXIED://{host}:{proxy},SECURED://{host}:{secured}"
        ),
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL"
            .to_owned(),
        "listener.name.secured.sasl.enabled.mechanisms=PLAIN".to_owned(),
        format!(
            "listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
             required user_{USER}=\"{PASSWORD}\";"
        ),
        "ssl.keystore.type=PKCS12".to_owned(),
        format!("ssl.keystore.location={}", certificates.server_key_store.display()),
        format!("ssl.keystore.password={KEY_STORE_PASSWORD}"),
        format!("ssl.key.password={KEY_STORE_PASSWORD}"),
    ]
}

/// An Elasticsearch of one test. [`recipe::Elasticsearch`] says what can be done with it.
#[derive(Debug)]
pub struct Elasticsearch {
    node: recipe::Elasticsearch,
    /// Who signed its certificate, when secured.
    pub certificates: Option<Certificates>,
    _reaper: Reaper,
}

impl Elasticsearch {
    /// Settings with which a bulk request that goes to two shards gets 429 for about half of its items: one write
    /// thread, and a queue of one.
    pub const TINY_QUEUE: &[&str] = &["thread_pool.write.size: 1", "thread_pool.write.queue_size: 1"];

    /// Starts one; `settings` are lines for `elasticsearch.yml`.
    ///
    /// # Errors
    /// As [`recipe::Elasticsearch::start`].
    pub fn start(settings: &[&str]) -> Result<Self, TestbedError> {
        let reaper = Reaper::watch("elasticsearch")?;
        let node = node(&reaper, settings, false)?;
        node.start()?;
        Ok(Self { node, certificates: None, _reaper: reaper })
    }

    /// Starts one that speaks HTTPS and knows [`USER`] with [`PASSWORD`] only.
    ///
    /// # Errors
    /// As [`recipe::Elasticsearch::start`], or when certificates or user can't be made.
    pub fn start_secured(settings: &[&str]) -> Result<Self, TestbedError> {
        let certificates = tls::certificates()?;
        let reaper = Reaper::watch("elasticsearch")?;
        let password = format!("xpack.security.http.ssl.keystore.password: {KEY_STORE_PASSWORD}");
        let mut all = vec![
            "xpack.security.enabled: true",
            "xpack.security.http.ssl.enabled: true",
            "xpack.security.http.ssl.keystore.path: server.p12",
            &password,
        ];
        all.extend(settings);
        let node = node(&reaper, &all, true)?;
        let key_store = node.configuration().join("server.p12");
        fs::create_dir_all(node.configuration()).at(&key_store)?;
        fs::copy(&certificates.server_key_store, &key_store).at(&key_store)?;
        node.tool("elasticsearch-users", &["useradd", USER, "-p", PASSWORD, "-r", "superuser"])?;
        node.start()?;
        Ok(Self { node, certificates: Some(certificates), _reaper: reaper })
    }
}

impl Deref for Elasticsearch {
    type Target = recipe::Elasticsearch;
    fn deref(&self) -> &Self::Target {
        &self.node
    }
}

/// A Prometheus of one test.
#[derive(Debug)]
pub struct Prometheus {
    server: recipe::Prometheus,
    _reaper: Reaper,
}

impl Prometheus {
    /// Starts one with a configuration file.
    ///
    /// # Errors
    /// As [`recipe::Prometheus::start`].
    pub fn start(configuration: &Path) -> Result<Self, TestbedError> {
        let reaper = Reaper::watch("prometheus")?;
        let [port] = ports(&reaper.folder)?;
        let server = recipe::Prometheus { folder: reaper.folder.clone(), port };
        server.start(configuration)?;
        Ok(Self { server, _reaper: reaper })
    }
}

impl Deref for Prometheus {
    type Target = recipe::Prometheus;
    fn deref(&self) -> &Self::Target {
        &self.server
    }
}

fn node(reaper: &Reaper, settings: &[&str], secured: bool) -> Result<recipe::Elasticsearch, TestbedError> {
    let [port] = ports(&reaper.folder)?;
    let settings = settings.iter().map(|line| (*line).to_owned()).collect();
    Ok(recipe::Elasticsearch { folder: reaper.folder.clone(), port, heap_mb: HEAP_MB, settings, secured })
}

fn ports<const N: usize>(folder: &Path) -> Result<[u16; N], TestbedError> {
    let free = free_ports(N).at(folder)?;
    free.try_into().map_err(|_| std::io::Error::other("no free port")).at(folder)
}

/// Makes a private server's folder, and sees to it that server and folder go.
#[derive(Debug)]
struct Reaper {
    folder: PathBuf,
    watcher: Child,
}

impl Reaper {
    fn watch(server: &str) -> Result<Self, TestbedError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("private/{server}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = folder::servers()?.join(name);
        fs::create_dir_all(&folder).at(&folder)?;
        let mut command = Command::new("setsid");
        // A session of its own: what ends the test's group must not end the one who cleans up.
        command.args(["sh", "-c", REAPER, "reaper"]).arg(&folder);
        let watcher =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().at(&folder)?;
        Ok(Self { folder, watcher })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let server = ServerProcess::remembered(&self.folder.join("pid"));
        // Its end is what the watcher waits for.
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
        if let Some(server) = server {
            // The watcher killed it; the port is free once it is gone.
            if let Err(error) = server.kill() {
                eprintln!("{}: {error}", self.folder.display());
            }
        }
    }
}

//! The servers all tests share: starting the wanted ones, stopping them, forgetting their data.

use std::fs;
use std::time::Instant;

use clap::ValueEnum;
use thalweg_testbed::TestbedError;
use thalweg_testbed::recipe::{Elasticsearch, Kafka};
use thalweg_testbed::servers::Addresses;

/// A server of the testbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Server {
    /// Kafka, one broker, on 127.0.0.1:9092.
    Kafka,
    /// Elasticsearch, one node, on 127.0.0.1:9200.
    Elasticsearch,
}

impl Server {
    /// Every server.
    pub(crate) const ALL: &[Self] = &[Self::Kafka, Self::Elasticsearch];

    /// The server's name on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Elasticsearch => "elasticsearch",
        }
    }

    /// Whether the testbed started it and it still runs.
    fn runs(self) -> Result<bool, TestbedError> {
        Ok(match self {
            Self::Kafka => Kafka::shared()?.process().is_some(),
            Self::Elasticsearch => Elasticsearch::shared()?.process().is_some(),
        })
    }

    /// Whether `addresses` has it.
    pub(crate) fn is_named_in(self, addresses: &Addresses) -> bool {
        match self {
            Self::Kafka => addresses.kafka.is_some(),
            Self::Elasticsearch => addresses.elasticsearch.is_some(),
        }
    }

    fn start(self) -> Result<(), TestbedError> {
        match self {
            Self::Kafka => Kafka::shared()?.start(),
            Self::Elasticsearch => Elasticsearch::shared()?.start(),
        }
        .map(drop)
    }

    fn stop(self) -> Result<(), TestbedError> {
        match self {
            Self::Kafka => Kafka::shared()?.stop(),
            Self::Elasticsearch => Elasticsearch::shared()?.stop(),
        }
    }

    /// Removes data and logs of a server that does not run.
    fn wipe(self) -> Result<(), TestbedError> {
        let folder = match self {
            Self::Kafka => Kafka::shared()?.folder,
            Self::Elasticsearch => Elasticsearch::shared()?.folder,
        };
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(TestbedError::File { path: folder, source })
            }
            _ => Ok(()),
        }
    }
}

/// The servers this process started; stopped when it is dropped, whatever the reason.
pub(crate) struct Started(Vec<Server>);

impl Drop for Started {
    fn drop(&mut self) {
        for server in &self.0 {
            match server.stop() {
                Ok(()) => eprintln!("{}: stopped", server.name()),
                Err(error) => eprintln!("{}: {error}", server.name()),
            }
        }
    }
}

/// Starts the `wanted` servers that do not run, side by side, and leaves them running.
pub(crate) fn start(wanted: &[Server]) -> Result<(), TestbedError> {
    std::thread::scope(|scope| {
        let starting: Vec<_> = wanted.iter().map(|server| scope.spawn(|| start_one(*server))).collect();
        starting
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<()>, _>>()
            .map(drop)
    })
}

/// Starts the `wanted` servers that do not run, on empty data; they stop with the returned value.
pub(crate) fn start_fresh(wanted: &[Server]) -> Result<Started, TestbedError> {
    let mut started = Started(Vec::new());
    for server in wanted {
        if server.runs()? {
            eprintln!("{}: runs already, used as it is and left running", server.name());
        } else {
            server.wipe()?;
            started.0.push(*server);
        }
    }
    start(&started.0)?;
    Ok(started)
}

fn start_one(server: Server) -> Result<(), TestbedError> {
    if server.runs()? {
        eprintln!("{}: runs already", server.name());
        return Ok(());
    }
    let begin = Instant::now();
    server.start()?;
    eprintln!("{}: up after {:.1} s", server.name(), begin.elapsed().as_secs_f64());
    Ok(())
}

/// Stops every server of the testbed.
pub(crate) fn down(wipe: bool) -> Result<(), TestbedError> {
    for server in Server::ALL {
        if server.runs()? {
            server.stop()?;
            eprintln!("{}: stopped", server.name());
        }
        if wipe {
            server.wipe()?;
        }
    }
    Ok(())
}

//! `cargo testbed private`: a server for trying something out, gone with the command.

use std::io::Write;
use std::path::Path;

use thalweg_testbed::private::{Elasticsearch, Kafka, PASSWORD, USER};
use thalweg_testbed::process::POLL_INTERVAL;
use thalweg_testbed::tls::Certificates;
use thalweg_testbed::{TestbedError, machine};

use crate::interrupt::{self, interrupted};
use crate::shared::Server;

/// Starts the server, says where it is, and stops it once somebody wants this process to end.
pub(crate) fn run(server: Server, secured: bool) -> Result<(), TestbedError> {
    interrupt::catch().map_err(|source| TestbedError::File { path: "signal handlers".into(), source })?;
    machine::prepare()?;
    match server {
        Server::Kafka => {
            let kafka = if secured { Kafka::start_secured(&[]) } else { Kafka::start(&[]) }?;
            let with_tls =
                kafka.secured.as_ref().map(|(address, certificates)| (address.as_str(), certificates));
            say(&kafka.bootstrap(), &kafka.folder, with_tls);
            wait();
        }
        Server::Elasticsearch => {
            let node = if secured { Elasticsearch::start_secured(&[]) } else { Elasticsearch::start(&[]) }?;
            let url = node.url();
            say(
                &url,
                &node.folder,
                node.certificates.as_ref().map(|certificates| (url.as_str(), certificates)),
            );
            wait();
        }
    }
    Ok(())
}

fn say(address: &str, folder: &Path, secured: Option<(&str, &Certificates)>) {
    let mut text = format!("{address}\n{}\n", folder.display());
    if let Some((address, certificates)) = secured {
        text.push_str(&format!(
            "{address} user={USER} password={PASSWORD} ca={}\n",
            certificates.ca.display()
        ));
    }
    // A closed pipe is the reader's business.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn wait() {
    while !interrupted() {
        std::thread::sleep(POLL_INTERVAL);
    }
}

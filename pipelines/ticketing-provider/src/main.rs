//! A stand-in for the provider that charges people; for trying out and for tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ticketing_provider::{Conduct, Ledger, serve};
use tokio::net::TcpListener;

/// A stand-in for the provider that charges people. It writes what it did into a ledger (GET /ledger), has bad days when
/// it is told to, and charges again what it is asked for again, unless --deduplicate.
#[derive(Parser)]
#[command(name = "ticketing-provider", version)]
struct Options {
    /// Where requests are taken; port 0 for any free one. The address stands in the log.
    #[arg(long, default_value = "127.0.0.1:9700", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Keeps the ledger in this file, and goes on where it ends. Without: in memory.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// A request with the idempotency key of an earlier one gets that one's answer, and has no other effect.
    #[arg(long)]
    deduplicate: bool,
    /// Of requests that are answered late, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    slow_share: f64,
    /// How late.
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    slow_ms: u64,
    /// Of requests that are answered with a 503, and not done.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    failing_share: f64,
    /// Of requests that are done, and not answered.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    losing_share: f64,
    /// How long a request whose answer is lost stays open.
    #[arg(long, default_value_t = 30_000, value_name = "MS")]
    silence_ms: u64,
    /// Draws the same fates again.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u64,
}

impl Options {
    fn conduct(&self) -> Conduct {
        Conduct {
            deduplicates: self.deduplicate,
            slow_share: self.slow_share,
            slow: Duration::from_millis(self.slow_ms),
            failing_share: self.failing_share,
            losing_share: self.losing_share,
            silence: Duration::from_millis(self.silence_ms),
        }
    }
}

/// Runs until it is ended.
fn run(options: &Options) -> Result<(), String> {
    let conduct = options.conduct();
    conduct.check()?;
    let ledger = options.ledger.as_deref().map_or_else(|| Ok(Ledger::default()), Ledger::open);
    let ledger = ledger.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listen = options.listen;
        let listener =
            TcpListener::bind(listen).await.map_err(|error| format!("can't listen on {listen}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        eprintln!("takes requests on http://{address}");
        tokio::select! {
            ended = serve(listener, ledger, conduct, options.seed) => ended.map_err(|error| error.to_string()),
            stopped = tokio::signal::ctrl_c() => stopped.map_err(|error| error.to_string()),
        }
    })
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

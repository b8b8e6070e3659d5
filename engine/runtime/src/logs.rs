//! Logs: to standard error, so that standard output stays for answers.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{EngineSettings, LogFormat};
use crate::terminal;

/// Begins logging. `RUST_LOG`, when set, wins over the setting.
pub(crate) fn begin(engine: &EngineSettings) {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(&engine.log_level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| terminal::AboveTheLine);
    // Fails only when there is a subscriber already, as in tests.
    let _ = match engine.log_format {
        LogFormat::Text => {
            subscriber.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}

//! `thalweg token`: names a user to a flow that takes commands.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thalweg::commands::TokenKey;
use thalweg::kafka::Secret;
use thalweg::settings::{Layers, Variable};

use crate::command_line::TokenOptions;
use crate::failure::Failure;

/// The environment variable that deployments know.
const VARIABLES: [Variable; 1] = [Variable { name: "TOKEN_SECRET", key: "commands.token_secret" }];

/// What is read of a flow's settings; whatever else stands in its file is the flow's.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    commands: Commands,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Commands {
    token_secret: Option<Secret>,
}

/// Prints a token.
pub(crate) fn run(options: &TokenOptions) -> Result<std::process::ExitCode, Failure> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let layers = Layers::gather(options.settings.as_deref(), &VARIABLES, environment, &[])?;
    let settings: Settings = layers.read()?;
    let secret = settings.commands.token_secret.ok_or_else(|| {
        Failure::Usage(
            "which secret? Set TOKEN_SECRET, or say --settings FILE with commands.token_secret".to_owned(),
        )
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let key =
        TokenKey::new(&secret).map_err(|error| Failure::Usage(format!("commands.token_secret: {error}")))?;
    let token = key.issue(&options.user, now_ms, options.seconds * 1_000);
    let token = token.map_err(|error| Failure::Usage(error.to_string()))?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(std::process::ExitCode::SUCCESS)
}

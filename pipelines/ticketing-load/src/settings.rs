//! What can be asked of the load.

use std::path::PathBuf;

/// Sells tickets, orders them at a fixed rate whether answers come or not, and pays, cancels or lets orders expire, until
/// every ticket is sold. The last line of standard output is a report in JSON.
#[derive(Debug, clap::Parser)]
#[command(name = "ticketing-load", version)]
pub(crate) struct Settings {
    /// Where instances of `tickets` take requests.
    #[arg(long, value_delimiter = ',', required = true, value_name = "ADDRESS:PORT,…")]
    pub(crate) tickets: Vec<String>,
    /// Where instances of `orders` do.
    #[arg(long, value_delimiter = ',', required = true, value_name = "ADDRESS:PORT,…")]
    pub(crate) orders: Vec<String>,
    /// Where instances of `payments` do.
    #[arg(long, value_delimiter = ',', required = true, value_name = "ADDRESS:PORT,…")]
    pub(crate) payments: Vec<String>,
    /// What bearer tokens are signed with: the services' secret.
    #[arg(long, env = "TOKEN_SECRET", hide_env_values = true)]
    pub(crate) token_secret: String,
    /// Where the list of commands and their answers goes, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: PathBuf,
    /// How many tickets are sold.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// Orders that are tried to be created, per second.
    #[arg(long, default_value_t = 200.0)]
    pub(crate) rate: f64,
    /// For so long nothing but free tickets is ordered; the second half says what creating an order takes on a good day.
    #[arg(long, default_value_t = 20)]
    pub(crate) calm_seconds: u64,
    /// After that, at least for so long, people also want what they can't have. Tickets are sold towards the end.
    #[arg(long, default_value_t = 180)]
    pub(crate) seconds: u64,
    /// Of what is wanted then, so much can't be had (from 0 to 1).
    #[arg(long, default_value_t = 0.5)]
    pub(crate) vain_share: f64,
    /// How long orders live, in ms; the services' own setting.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) expire_after_ms: u64,
    /// How long one request is waited for.
    #[arg(long, default_value_t = 12)]
    pub(crate) request_seconds: u64,
    /// How long a command is repeated that is not answered.
    #[arg(long, default_value_t = 90)]
    pub(crate) patience_seconds: u64,
    /// Longer than this altogether it never takes.
    #[arg(long, default_value_t = 900)]
    pub(crate) seconds_max: u64,
    /// Decides who wants what.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

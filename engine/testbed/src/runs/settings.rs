//! What can be asked of the runs. What is not given depends on `--miniature`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Where and with which programs a run takes place.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlaceSettings {
    /// Decides what happens when, and what the records are [default: another one each time, see the report].
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Servers of the run's own, or those that tests share (running, or named in the environment).
    #[arg(long, value_enum, default_value = "private")]
    pub(crate) servers: Servers,
    /// The folder with the programs of the run [default: built with cargo].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) programs: Option<PathBuf>,
    /// Cargo's profile to build them with.
    #[arg(long, default_value = "release", conflicts_with = "programs")]
    pub(crate) profile: String,
    /// Where logs and lists go, and stay [default: a folder that is removed when all went well].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// How the instances share the partitions.
    #[arg(long, value_enum, default_value = "classic")]
    pub(crate) protocol: Protocol,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 8)]
    pub(crate) partitions: u32,
    /// A run of about a minute, for every day.
    #[arg(long)]
    pub(crate) miniature: bool,
}

/// Whose servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Servers {
    /// Started for the run, gone after it.
    Private,
    /// Those all tests share; topics and indices of the run are removed after it.
    Shared,
}

/// The group protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// Members elect a leader that assigns.
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
    /// One of the two for the whole run; the seed decides.
    MixedPerRun,
}

impl Protocol {
    /// The setting's word, once decided.
    pub(crate) fn decide(self, rng: &mut fastrand::Rng) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
            Self::MixedPerRun => rng.choice(["classic", "consumer"]).unwrap_or("classic"),
        }
    }
}

/// The crash run's settings.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CrashSettings {
    #[command(flatten)]
    pub(crate) place: PlaceSettings,
    /// Records to write [default: 2,000,000; miniature: 40,000].
    #[arg(long)]
    records: Option<u64>,
    /// Records a second [default: 3,000; miniature: 1,000].
    #[arg(long)]
    rate: Option<u32>,
    /// Instances at most; two less at least.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(3..=16))]
    pub(crate) instances: u8,
    /// How often an instance is killed with SIGKILL [default: 32; miniature: 6].
    #[arg(long)]
    kills: Option<usize>,
    /// How often one is stopped with SIGSTOP for longer than the session timeout [default: 6; miniature: 1].
    #[arg(long)]
    suspensions: Option<usize>,
    /// How often one is stopped with SIGTERM [default: 6; miniature: 1].
    #[arg(long)]
    leaves: Option<usize>,
}

impl CrashSettings {
    pub(crate) fn records(&self) -> u64 {
        self.records.unwrap_or(if self.place.miniature { 40_000 } else { 2_000_000 })
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate.unwrap_or(if self.place.miniature { 1_000 } else { 3_000 })
    }

    pub(crate) fn counts(&self) -> super::plan::Counts {
        let pick = |given: Option<usize>, full, small| {
            given.unwrap_or(if self.place.miniature { small } else { full })
        };
        super::plan::Counts {
            kills: pick(self.kills, 32, 6),
            suspensions: pick(self.suspensions, 6, 1),
            leaves: pick(self.leaves, 6, 1),
        }
    }
}

/// The copy run's settings.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CopySettings {
    #[command(flatten)]
    pub(crate) place: PlaceSettings,
    /// Records to write [default: 2,000,000; miniature: 40,000].
    #[arg(long)]
    records: Option<u64>,
    /// Records a second [default: 8,000; miniature: 1,000].
    #[arg(long)]
    rate: Option<u32>,
    /// Instances.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub(crate) instances: u8,
    /// How often an instance is killed with SIGKILL [default: 30; miniature: 5].
    #[arg(long)]
    kills: Option<usize>,
}

impl CopySettings {
    pub(crate) fn records(&self) -> u64 {
        self.records.unwrap_or(if self.place.miniature { 40_000 } else { 2_000_000 })
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate.unwrap_or(if self.place.miniature { 1_000 } else { 8_000 })
    }

    pub(crate) fn kills(&self) -> usize {
        self.kills.unwrap_or(if self.place.miniature { 5 } else { 30 })
    }

    /// A duplicate comes five times as many records behind its original.
    pub(crate) fn keys(&self) -> u64 {
        if self.place.miniature { 997 } else { 10_007 }
    }
}

/// The ticketing run's settings.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TicketingSettings {
    #[command(flatten)]
    pub(crate) place: PlaceSettings,
    /// Tickets, each of which is sold in the end [default: 1,000; miniature: 60].
    #[arg(long)]
    tickets: Option<u32>,
    /// Orders that are tried to be created, per second [default: 200; miniature: 25].
    #[arg(long)]
    rate: Option<u32>,
    /// Seconds without kills, in which creating an order is timed [default: 20; miniature: 8].
    #[arg(long)]
    calm_seconds: Option<u64>,
    /// Seconds with kills [default: 240; miniature: 30].
    #[arg(long)]
    seconds: Option<u64>,
    /// How often an instance is killed with SIGKILL [default: 44; miniature: 6].
    #[arg(long)]
    kills: Option<usize>,
}

impl TicketingSettings {
    fn pick<T>(&self, given: Option<T>, full: T, small: T) -> T {
        given.unwrap_or(if self.place.miniature { small } else { full })
    }

    pub(crate) fn tickets(&self) -> u32 {
        self.pick(self.tickets, 1_000, 60)
    }

    pub(crate) fn rate(&self) -> u32 {
        self.pick(self.rate, 200, 25)
    }

    pub(crate) fn calm_seconds(&self) -> u64 {
        self.pick(self.calm_seconds, 20, 8)
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.pick(self.seconds, 240, 30)
    }

    pub(crate) fn kills(&self) -> usize {
        self.pick(self.kills, 44, 6)
    }
}

/// The breaker run's settings.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BreakerSettings {
    #[command(flatten)]
    pub(crate) place: PlaceSettings,
    /// Records a second [default: 2,000; miniature: 1,000].
    #[arg(long)]
    rate: Option<u32>,
    /// How long Elasticsearch is away [default: 60; miniature: 10].
    #[arg(long)]
    outage_seconds: Option<u64>,
    /// Records during which one document is refused with 429 [default: 60,000; miniature: 15,000].
    #[arg(long)]
    stubborn_records: Option<u64>,
}

impl BreakerSettings {
    pub(crate) fn rate(&self) -> u32 {
        self.rate.unwrap_or(if self.place.miniature { 1_000 } else { 2_000 })
    }

    pub(crate) fn outage_seconds(&self) -> u64 {
        self.outage_seconds.unwrap_or(if self.place.miniature { 10 } else { 60 })
    }

    pub(crate) fn stubborn_records(&self) -> u64 {
        self.stubborn_records.unwrap_or(if self.place.miniature { 15_000 } else { 60_000 })
    }
}

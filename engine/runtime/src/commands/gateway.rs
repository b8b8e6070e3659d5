//! The half of commands that faces clients: started with the flow, drained before it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use thalweg_connectors::kafka::topics::{Kept, TopicShape, Topics};
use tokio::sync::{oneshot, watch};

use super::counts::CommandCounts;
use super::handling::Handling;
use super::inbox::Inbox;
use super::reply_reader::ReplyReader;
use super::routes::Commands;
use super::serving::{self, Limits, Phase};
use super::settings::CommandSettings;
use super::waiting::Waiting;
use crate::exit::ExitError;
use crate::flow::{Log, Source};
use crate::settings::SettingError;
use crate::views::{self, AnyView, ViewReader};

/// Replies are waited for for seconds; what is older is for people who look at it.
const REPLIES_KEPT_MS: u64 = 3_600_000;

/// Of the time that a client waits, so much (in quarters) may pass until its command is written: then a command that was
/// not can be told from one that may have been.
const WRITE_QUARTERS: u32 = 3;

/// What an idle connection keeps.
const CONNECTION_BYTES: u64 = 12 << 10;

/// What a command that waits keeps beside its body, which lies here twice: as it came, and as a record.
const COMMAND_BYTES: u64 = 8 << 10;

/// Makes sure that there is a topic of replies with enough partitions. Blocks.
///
/// Of each view too, with as many partitions as the source has, when it is made.
pub(crate) fn prepare(commands: &Commands, topics: &Topics, log: &Log) -> Result<(), ExitError> {
    let CommandSettings { replies_topic, replies_partitions, .. } = &commands.settings;
    let shape = TopicShape {
        partitions: *replies_partitions,
        kept: Kept::For(REPLIES_KEPT_MS),
        record_bytes_max: None,
        replicas: None,
    };
    let ensured = topics.ensure(replies_topic, shape);
    ensured.map_err(|error| ExitError::Failed(format!("the replies to commands: {error}")))?;
    commands.views.iter().try_for_each(|view| views::prepare(&**view, topics, log.partitions))
}

impl Commands {
    /// Bytes that requests take at most.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let CommandSettings { waiting_max, body_bytes_max, connections_max, .. } = self.settings;
        let command_bytes = 2 * u64::from(body_bytes_max) + COMMAND_BYTES;
        let views = self.views.iter().map(|view| view.kept_bytes()).fold(0, u64::saturating_add);
        let requests = u64::from(waiting_max) * command_bytes + u64::from(connections_max) * CONNECTION_BYTES;
        requests.saturating_add(views)
    }

    /// The topic of replies, and how many partitions it is to have.
    pub(crate) fn replies(&self) -> (String, u32) {
        (self.settings.replies_topic.clone(), self.settings.replies_partitions)
    }

    /// The topics of what is shown.
    pub(crate) fn view_topics(&self) -> impl Iterator<Item = String> {
        self.views.iter().map(|view| view.topic().to_owned())
    }

    /// Checks settings; nothing connects.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        self.settings.check(&self.section)?;
        self.views.iter().try_for_each(|view| view.settings().check())
    }
}

/// Takes requests until it is dropped.
pub(crate) struct Gateway {
    phase: watch::Sender<Phase>,
    drained: oneshot::Receiver<()>,
    /// Where requests are taken, after the section of the settings that says so.
    pub(crate) place: (String, SocketAddr),
    /// How long requests wait at most.
    pub(crate) patience: Duration,
    pub(crate) counts: Arc<CommandCounts>,
    pub(crate) views: Vec<Arc<dyn AnyView>>,
    _replies: ReplyReader,
    _views: Vec<ViewReader>,
}

impl Gateway {
    /// Begins to take requests for the flow that reads `source`. Blocks until brokers have answered.
    ///
    /// # Errors
    /// When the address is taken, or brokers don't answer.
    pub(crate) fn start(
        commands: &Commands,
        source: &Source,
        topics: &Arc<Topics>,
    ) -> Result<Self, ExitError> {
        let settings = commands.settings.clone();
        let (listener, address) = bind(commands)?;
        let (counts, waiting) = (Arc::<CommandCounts>::default(), Arc::<Waiting>::default());
        let partition = fastrand::u32(..settings.replies_partitions);
        let place = (settings.replies_topic.as_str(), partition);
        let replies = ReplyReader::start((&source.settings, topics), place, Arc::clone(&waiting))?;
        let begin_view = |view| ViewReader::start(view, &source.settings, topics).transpose();
        let view_readers = commands.views.iter().filter_map(begin_view).collect::<Result<Vec<_>, _>>()?;
        let deadline = Duration::from_millis(settings.answer_deadline_ms);
        let inbox = Inbox::connect(&source.settings, &source.topic, deadline / 4 * WRITE_QUARTERS)?;
        tracing::info!(topic = source.topic, replies = place.0, partition, "commands");
        let limits = Limits {
            connections_max: settings.connections_max,
            client_timeout: Duration::from_millis(settings.client_timeout_ms),
        };
        let handling = Handling {
            key: settings.token_key().map_err(ExitError::failed)?,
            settings,
            counts: Arc::clone(&counts),
            waiting,
            inbox,
            partition: partition.cast_signed(),
        };
        let router = serving::router(&commands.routes, &Arc::new(handling));
        let (phase, phases) = watch::channel(Phase::Open);
        let (tell_drained, drained) = oneshot::channel();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ExitError::failed)?;
        let run = move || {
            let mut until = phases.clone();
            runtime.block_on(async {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => listener,
                    Err(error) => return tracing::error!("commands can't be taken: {error}"),
                };
                tokio::select! {
                    () = serving::serve(listener, router, limits, phases) => {}
                    // An error: the sender was dropped, and with it whoever would read the replies.
                    _ = until.wait_for(|_| false) => {}
                }
            });
            // Nobody listens when the process ends at once.
            let _ = tell_drained.send(());
        };
        std::thread::Builder::new().name("commands".to_owned()).spawn(run).map_err(ExitError::failed)?;
        let views = commands.views.clone();
        Ok(Self {
            phase,
            drained,
            place: (commands.section.clone(), address),
            patience: deadline,
            counts,
            views,
            _replies: replies,
            _views: view_readers,
        })
    }

    /// Takes no more requests.
    pub(crate) fn close(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Waits until the requests that came before it was closed are answered: not longer than they would wait.
    pub(crate) async fn drained(&mut self) {
        let _ = tokio::time::timeout(self.patience, &mut self.drained).await;
    }
}

fn bind(Commands { settings, section, .. }: &Commands) -> Result<(TcpListener, SocketAddr), ExitError> {
    let address = &settings.listen;
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    let (listener, address) = bound.map_err(|error| {
        ExitError::Failed(format!(
            "commands can't be taken at {address}: {error}; set {section}.listen to another address"
        ))
    })?;
    tracing::info!(section, "commands at: http://{address}/");
    Ok((listener, address))
}

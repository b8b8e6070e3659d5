//! The course of a load: tickets are made, ordered at a fixed rate, and in the end all sold.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use serde::Serialize;
use serde_json::json;
use ticketing_audit::Verb;
use tokio::task::JoinSet;

use crate::answers::Counts;
use crate::board::{Board, Ticket};
use crate::latencies::{Latencies, Quantiles};
use crate::people::People;
use crate::services::{Services, Wanted};
use crate::settings::Settings;

/// Tickets that are made at the same time.
const MAKING: usize = 50;

/// Stories that may be under way: more means that nothing is answered any more.
const STORIES_MAX: usize = 50_000;

/// After all tickets are sold, how long stories may take to end.
const END_WITHIN: Duration = Duration::from_secs(240);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) services: Services,
    pub(crate) people: People,
    pub(crate) board: Board,
    pub(crate) expires_after: Duration,
    settling: Latencies,
    calm: Latencies,
    rough: Latencies,
}

/// What the services go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// They have just been started, and share the partitions out.
    Settling,
    /// Nothing happens to them.
    Calm,
    /// Whoever started us may kill them.
    Rough,
}

impl Phase {
    /// So long after the first order, of so many calm seconds.
    fn after(elapsed: Duration, calm_seconds: u64) -> Self {
        let calm = Duration::from_secs(calm_seconds);
        match elapsed {
            _ if elapsed < calm / 2 => Self::Settling,
            _ if elapsed < calm => Self::Calm,
            _ => Self::Rough,
        }
    }
}

/// The last line of standard output.
#[derive(Debug, Serialize)]
struct Report {
    tickets: usize,
    sold: usize,
    seconds: f64,
    rate: f64,
    commands: Counts,
    /// Requests that got no answer, or were asked to come back.
    repeats: u64,
    /// Creating an order at the rate, from when it was due: soon after the start, on a good day, and then.
    create_order_settling: Quantiles,
    create_order_calm: Quantiles,
    create_order: Quantiles,
}

/// Runs it; answers the report.
pub(crate) fn run(settings: &Settings) -> Result<String> {
    if !(settings.rate > 0.0 && (0.0..=1.0).contains(&settings.vain_share)) {
        bail!("--rate must be above 0, and --vain-share from 0 to 1");
    }
    let course = Arc::new(Course {
        services: Services::new(settings)?,
        people: People::new(&settings.token_secret),
        board: Board::default(),
        expires_after: Duration::from_millis(settings.expire_after_ms),
        settling: Latencies::new()?,
        calm: Latencies::new()?,
        rough: Latencies::new()?,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    runtime.block_on(course.go(settings))?;
    let (sold, tickets) = course.board.count_sold();
    let report = Report {
        tickets,
        sold,
        seconds: begun.elapsed().as_secs_f64(),
        rate: settings.rate,
        commands: course.services.answers.finish()?,
        repeats: course.services.repeats.load(Ordering::Relaxed),
        create_order_settling: course.settling.quantiles(),
        create_order_calm: course.calm.quantiles(),
        create_order: course.rough.quantiles(),
    };
    Ok(serde_json::to_string(&report)?)
}

impl Course {
    async fn go(self: &Arc<Self>, settings: &Settings) -> Result<()> {
        let mut rng = Rng::with_seed(settings.seed);
        let begun = Instant::now();
        self.make_tickets(settings, &mut rng).await?;
        eprintln!("{} tickets made", settings.count);
        let mut stories = JoinSet::new();
        let first = Instant::now();
        let rough_until = first + Duration::from_secs(settings.calm_seconds + settings.seconds);
        let (mut phase, mut due) = (Phase::Settling, first);
        loop {
            let now = Instant::now();
            let (sold, all) = self.board.count_sold();
            if now >= rough_until && sold == all {
                break;
            }
            if begun.elapsed() > Duration::from_secs(settings.seconds_max) {
                bail!("{sold} of {all} tickets are sold after {} s", settings.seconds_max);
            }
            let before = std::mem::replace(&mut phase, Phase::after(now - first, settings.calm_seconds));
            if phase == Phase::Rough && before != phase {
                // Waited for by whoever started us.
                eprintln!("calm over");
            }
            self.want(&mut stories, phase, due, settings.vain_share, &mut rng);
            while stories.try_join_next().is_some() {}
            if stories.len() > STORIES_MAX {
                bail!("{} commands are under way: the services do not answer", stories.len());
            }
            due += Duration::from_secs_f64(1.0 / settings.rate);
            tokio::time::sleep_until(due.into()).await;
        }
        eprintln!("all sold; {} stories go on", stories.len());
        let ended = tokio::time::timeout(END_WITHIN, async { while stories.join_next().await.is_some() {} });
        ended.await.context("some stories do not end")
    }

    /// One order, of a free ticket or of what can't be had.
    fn want(
        self: &Arc<Self>,
        stories: &mut JoinSet<()>,
        phase: Phase,
        due: Instant,
        vain_share: f64,
        rng: &mut Rng,
    ) {
        let (course, own) = (Arc::clone(self), rng.fork());
        let vain = phase == Phase::Rough && rng.f64() < vain_share;
        match (!vain).then(|| self.board.take()).flatten() {
            Some(ticket) => stories.spawn(async move {
                let latencies = match phase {
                    Phase::Settling => &course.settling,
                    Phase::Calm => &course.calm,
                    Phase::Rough => &course.rough,
                };
                course.tell(ticket, (due, latencies), own).await;
            }),
            None => stories.spawn(async move { course.tease(own).await }),
        };
    }

    async fn make_tickets(self: &Arc<Self>, settings: &Settings, rng: &mut Rng) -> Result<()> {
        let begun = Instant::now();
        let (mut making, mut made) = (JoinSet::new(), Vec::new());
        for number in 0..settings.count as usize {
            if making.len() >= MAKING {
                made.extend(making.join_next().await.transpose()?.transpose()?);
            }
            // In the last four fifths, so that orders are refused because they are sold, too.
            let sold_from = begun
                + Duration::from_secs(settings.calm_seconds)
                + Duration::from_secs_f64(settings.seconds as f64 * (0.2 + 0.7 * rng.f64()));
            let (course, price) = (Arc::clone(self), 1_000 + rng.u64(..9_000));
            making.spawn(async move {
                let body = Some(json!({ "title": format!("seat {number}"), "price": price }));
                let wanted = Wanted { verb: Verb::CreateTicket, id: None, body };
                let answer = course.services.command(course.people.seller(number), wanted).await;
                let id = answer.text("id").filter(|_| answer.accepted());
                let id = id.with_context(|| format!("a ticket was not made: {answer:?}"))?.to_owned();
                anyhow::Ok((number, Ticket { id, sold_from }))
            });
        }
        while let Some(ticket) = making.join_next().await {
            made.push(ticket??);
        }
        // Sellers are known by their tickets' numbers.
        made.sort_by_key(|(number, _)| *number);
        made.into_iter().for_each(|(_, ticket)| self.board.add(ticket));
        Ok(())
    }
}

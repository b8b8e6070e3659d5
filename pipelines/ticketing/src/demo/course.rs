//! The course of the demo: there is always something for sale, and somebody who wants it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::Shared;
use super::people::{self, People};
use super::services::Services;
use crate::programs::TicketingProgram;

/// Tickets that are free at a time, beside one for each order that is wanted in a second.
const STOCK: usize = 9;

/// People who are busy at a time: others come once these are done.
const STORIES_MAX: usize = 5_000;

/// Before what was put up for sale, or came back, is seen by others.
const SEEN_AFTER: Duration = Duration::from_millis(600);

/// When no event has come for so long, all are there.
const QUIET: Duration = Duration::from_secs(2);

/// How much people do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Orders wanted each second.
    pub(super) rate: u32,
    /// For how long; `None`: without an end.
    pub(super) seconds: Option<Duration>,
    /// How long an order waits for its payment.
    pub(super) expires_after: Duration,
}

/// A ticket that is for sale.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) seller: &'static str,
}

/// See the module's text.
pub(super) struct Course {
    people: People,
    plan: Plan,
    shared: Arc<Shared>,
}

/// The course, once there is somebody to ask.
pub(super) struct Market {
    pub(super) people: People,
    pub(super) plan: Plan,
    pub(super) services: Services,
    free: Mutex<VecDeque<Ticket>>,
    /// Tickets that are free, or about to be: what people have ordered is not.
    stock: AtomicUsize,
    made: AtomicU64,
}

impl Course {
    pub(super) fn plan(settings: &TicketingProgram, plan: Plan, shared: Arc<Shared>) -> Result<Self, String> {
        Ok(Self { people: People::known_to(settings)?, plan, shared })
    }

    /// Runs until the last order has ended, or until it is stopped.
    ///
    /// # Errors
    /// When nobody can be asked for anything.
    pub(super) fn run(self) -> Result<(), String> {
        let (shared, mut stopped) = (Arc::clone(&self.shared), self.shared.stop.subscribe());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let went = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    went = self.go() => went,
                    _ = stopped.wait_for(|stop| *stop) => Ok(()),
                }
            })
        });
        shared.over.store(true, Ordering::Release);
        went
    }

    async fn go(self) -> Result<(), String> {
        let Self { people, plan, shared } = self;
        let mut requests = shared.requests.subscribe();
        let Ok(requests) = requests.wait_for(Option::is_some).await.map(|found| found.clone()) else {
            return Ok(());
        };
        let services =
            Services::at(&requests.unwrap_or_default(), plan.seconds.is_some(), Arc::clone(&shared))?;
        let market = Market {
            people,
            plan,
            services,
            free: Mutex::default(),
            stock: AtomicUsize::new(0),
            made: AtomicU64::new(0),
        };
        Arc::new(market).open().await;
        // People know how their orders ended; the services tell each other a moment longer.
        while shared.heard.lock().elapsed() < QUIET {
            tokio::time::sleep(QUIET / 10).await;
        }
        Ok(())
    }
}

impl Market {
    async fn open(self: Arc<Self>) {
        let (begun, mut stories, mut rng) = (Instant::now(), JoinSet::new(), Rng::new());
        for _ in 0..STOCK {
            self.offer(&mut stories, &mut rng);
        }
        let mut due = begun + SEEN_AFTER;
        while self.plan.seconds.is_none_or(|seconds| begun.elapsed() < seconds) {
            tokio::time::sleep_until(due.into()).await;
            due += Duration::from_secs(1) / self.plan.rate.max(1);
            while stories.try_join_next().is_some() {}
            if stories.len() >= STORIES_MAX {
                continue;
            }
            if self.stock.load(Ordering::Relaxed) < STOCK + self.plan.rate as usize {
                self.offer(&mut stories, &mut rng);
            }
            let (market, own) = (Arc::clone(&self), rng.fork());
            stories.spawn(async move { market.want(own).await });
        }
        while stories.join_next().await.is_some() {}
    }

    /// Somebody puts a ticket up for sale.
    fn offer(self: &Arc<Self>, stories: &mut JoinSet<()>, rng: &mut Rng) {
        let Some(seller) = self.people.any(&[], rng) else { return };
        let (title, price) = people::ticket(self.made.fetch_add(1, Ordering::Relaxed));
        self.stock.fetch_add(1, Ordering::Relaxed);
        let market = Arc::clone(self);
        stories.spawn(async move {
            let answer = market.services.sell(&seller, &title, price).await;
            match answer.id().filter(|_| answer.accepted()) {
                Some(id) => market.show(Ticket { id, seller: seller.name }).await,
                None => {
                    market.stock.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// A ticket is free again.
    pub(super) async fn give_back(&self, ticket: Ticket) {
        self.stock.fetch_add(1, Ordering::Relaxed);
        self.show(ticket).await;
    }

    /// A ticket can be had, by anybody who sees it.
    async fn show(&self, ticket: Ticket) {
        tokio::time::sleep(SEEN_AFTER).await;
        self.free.lock().push_back(ticket);
    }

    /// Takes any ticket that is free.
    pub(super) fn take(&self, rng: &mut Rng) -> Option<Ticket> {
        let mut free = self.free.lock();
        let place = if free.is_empty() { 0 } else { rng.usize(..free.len()) };
        let taken = free.remove(place)?;
        self.stock.fetch_sub(1, Ordering::Relaxed);
        Some(taken)
    }
}

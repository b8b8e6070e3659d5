//! The weather at an outside system: what goes wrong there, how often, and until when.

use thalweg_connectors::elasticsearch::Operation;

use crate::twins::elasticsearch::Faults;

/// Something that goes wrong for a share of items, requests or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Items are refused for load.
    Items429,
    /// Items meet an unavailable shard.
    Items503,
    /// Items meet a write block.
    Items403,
    /// Items are refused for no reason that is known.
    Items412,
    /// Requests are refused for load.
    Requests429,
    /// Requests meet a broken server.
    Requests503,
    /// Requests are refused for their credentials.
    Requests401,
    /// Requests never arrive.
    RequestsLost,
    /// Requests arrive, their answers don't.
    AnswersLost,
    /// Requests or answers take seconds.
    Slow,
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Self; 10] = [
        Self::Items429,
        Self::Items503,
        Self::Items403,
        Self::Items412,
        Self::Requests429,
        Self::Requests503,
        Self::Requests401,
        Self::RequestsLost,
        Self::AnswersLost,
        Self::Slow,
    ];
}

/// How an outside system is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Connections are refused.
    Refuses,
    /// Nothing comes back.
    Silent,
}

/// The weather at one outside system.
#[derive(Debug)]
pub struct Weather {
    rng: fastrand::Rng,
    now_ms: u64,
    /// By trouble: percent, and until when.
    troubles: [(u8, u64); Trouble::ALL.len()],
    outage: Option<(Outage, u64)>,
    stubborn: Stubborn,
    /// Requests with more bytes than this are refused with 413.
    pub request_bytes_max: usize,
    /// Items refused for load so far.
    pub items_429: u64,
}

/// One item that is refused for load whenever it comes.
#[derive(Debug, PartialEq, Eq)]
enum Stubborn {
    Nothing,
    /// The next one to come.
    Next,
    Item(String),
}

impl Weather {
    pub(crate) fn fair(seed: u64, request_bytes_max: usize) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            now_ms: 0,
            troubles: [(0, 0); Trouble::ALL.len()],
            outage: None,
            stubborn: Stubborn::Nothing,
            request_bytes_max,
            items_429: 0,
        }
    }

    pub(crate) fn clock(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    pub(crate) fn begin(&mut self, trouble: Trouble, percent: u8, until_ms: u64) {
        self.troubles[trouble as usize] = (percent, until_ms);
    }

    pub(crate) fn break_down(&mut self, outage: Outage, until_ms: u64) {
        self.outage = Some((outage, until_ms));
    }

    pub(crate) fn begin_stubbornness(&mut self) {
        self.stubborn = Stubborn::Next;
    }

    /// The item that is always refused for load, if there is one.
    pub(crate) fn stubborn_item(&self) -> Option<&str> {
        match &self.stubborn {
            Stubborn::Item(id) => Some(id),
            Stubborn::Nothing | Stubborn::Next => None,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.troubles = [(0, 0); Trouble::ALL.len()];
        self.outage = None;
        self.stubborn = Stubborn::Nothing;
    }

    /// Whether, and how, the system is down.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        self.outage.filter(|(_, until_ms)| self.now_ms < *until_ms).map(|(outage, _)| outage)
    }

    /// Whether this trouble strikes now.
    pub fn strikes(&mut self, trouble: Trouble) -> bool {
        let (percent, until_ms) = self.troubles[trouble as usize];
        self.now_ms < until_ms && self.rng.u8(0..100) < percent
    }
}

impl Faults for Weather {
    fn request(&mut self, _operation: Operation) -> Option<u16> {
        let troubles =
            [(Trouble::Requests429, 429), (Trouble::Requests503, 503), (Trouble::Requests401, 401)];
        troubles.into_iter().find(|(trouble, _)| self.strikes(*trouble)).map(|(_, status)| status)
    }

    fn item(&mut self, operation: Operation, id: &str) -> Option<u16> {
        if self.stubborn == Stubborn::Next && operation == Operation::Bulk {
            self.stubborn = Stubborn::Item(id.to_owned());
        }
        let is_stubborn = operation == Operation::Bulk && self.stubborn_item() == Some(id);
        if is_stubborn || self.strikes(Trouble::Items429) {
            self.items_429 += 1;
            return Some(429);
        }
        let troubles = [(Trouble::Items503, 503), (Trouble::Items403, 403), (Trouble::Items412, 412)];
        troubles.into_iter().find(|(trouble, _)| self.strikes(*trouble)).map(|(_, status)| status)
    }
}

//! The provider's twin: charges, keeps a ledger by idempotency key, and answers a repeat as it answered before.

use std::collections::BTreeMap;

use thalweg_connectors::elasticsearch::Operation;
use thalweg_connectors::http::{Call, HttpAnswer, LOOK_UP};
use thalweg_core::sink::Request;

use crate::twins::elasticsearch::Faults as _;
use crate::weather::{Trouble, Weather};

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Provider {
    /// By idempotency key: the order, and what was answered.
    ledger: BTreeMap<String, (String, u16, String)>,
    /// By partition and order: the highest offset that was called for.
    latest: BTreeMap<(u32, String), i64>,
}

/// What a call came to.
pub(super) struct Served {
    pub(super) answer: (u16, Vec<u8>),
    /// Of a call that came before one that had to come first.
    pub(super) overtook: Option<String>,
    /// Of a call that was made before, and is one of those that must be made once.
    pub(super) twice: Option<String>,
}

impl Served {
    fn answered(answer: (u16, Vec<u8>)) -> Self {
        Self { answer, overtook: None, twice: None }
    }
}

/// The answer to an amount that can't be.
const UNPROCESSABLE: u16 = 422;

/// What the provider answers to a charge of that amount.
pub(super) fn judged(amount: u32) -> u16 {
    match amount % 10 {
        7 => 402,
        8 => UNPROCESSABLE,
        _ => 200,
    }
}

/// Partition and offset of an idempotency key.
pub(super) fn place_of(key: &str) -> Option<(u32, i64)> {
    let (partition, offset) = key.split_once('-')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

impl Provider {
    pub(super) fn serve(&mut self, request: &Request, weather: &mut Weather) -> Served {
        let Some(call) = Call::decode(&request.body) else {
            return Served::answered(answered(400, "no call", None));
        };
        let order = String::from_utf8_lossy(call.note).into_owned();
        if let Some(answer) = fault(weather, &order) {
            return Served::answered(answer);
        }
        let key = call.idempotency_key.to_owned();
        if request.operation == LOOK_UP {
            return Served::answered(self.look_up(&key));
        }
        let known = self.ledger.get(&key).is_some_and(|(_, status, _)| *status != UNPROCESSABLE);
        let twice =
            (known && call.lookup.is_some()).then(|| format!("{key} of {order} was called for again"));
        let overtook = self.overtook(&key, &order);
        let amount = std::str::from_utf8(call.body).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        let number = self.ledger.len();
        let entry =
            self.ledger.entry(key).or_insert_with(|| (order, judged(amount), format!("charge {number}")));
        // It may fail after it has charged.
        let answer = match weather.strikes(Trouble::Items503) {
            true => answered(500, "failed", None),
            false => answered(entry.1, &entry.2, None),
        };
        Served { answer, overtook, twice }
    }

    /// What is refused as it is is not entered, and told by the call itself.
    fn look_up(&self, key: &str) -> (u16, Vec<u8>) {
        match self.answer_to(key) {
            Some((status, body)) if status != UNPROCESSABLE => {
                answered(200, &format!("{status} {body}"), None)
            }
            _ => answered(404, "", None),
        }
    }

    fn overtook(&mut self, key: &str, order: &str) -> Option<String> {
        let (partition, offset) = place_of(key)?;
        let latest = self.latest.entry((partition, order.to_owned())).or_insert(offset);
        if !self.ledger.contains_key(key) && offset < *latest {
            return Some(format!("{key} of {order} was called for after {partition}-{latest}"));
        }
        *latest = offset.max(*latest);
        None
    }

    /// What was answered to the call with that key.
    pub(super) fn answer_to(&self, key: &str) -> Option<(u16, &str)> {
        self.ledger.get(key).map(|(_, status, body)| (*status, body.as_str()))
    }

    /// Every key that was called for.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.ledger.keys().map(String::as_str)
    }
}

/// What goes wrong before anything is charged.
fn fault(weather: &mut Weather, order: &str) -> Option<(u16, Vec<u8>)> {
    if let Some(status) = weather.request(Operation::Mget) {
        return Some(answered(status, "", (status == 429).then_some(2_000)));
    }
    let status = weather.item(Operation::Bulk, order)?;
    // A redirection makes no sense here: it counts as an attempt.
    Some(answered(if status == 412 { 302 } else { status }, "", None))
}

fn answered(status: u16, body: &str, retry_after_ms: Option<u64>) -> (u16, Vec<u8>) {
    (status, HttpAnswer { retry_after_ms, whole: true, body }.encode())
}

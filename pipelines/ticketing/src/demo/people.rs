//! Who sells and who buys, and what is sold.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use thalweg::commands::TokenKey;
use thalweg::kafka::Secret;

use super::services::Service;
use crate::programs::TicketingProgram;

const NAMES: [&str; 28] = [
    "Ada", "Ben", "Carla", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lena",
    "Marek", "Nora", "Omar", "Paula", "Quentin", "Rosa", "Sami", "Tilda", "Ugo", "Vera", "Wanda", "Xaver",
    "Yuki", "Zoe", "Anton", "Bianca",
];

/// What there is to see, and the price of its first row in the currency's smallest unit.
const SHOWS: [(&str, u64); 8] = [
    ("La Bohème", 9_800),
    ("The Cherry Orchard", 5_400),
    ("Jazz in the Cellar", 2_600),
    ("Symphony No. 7", 7_200),
    ("City Derby", 4_500),
    ("Open Air Cinema", 1_800),
    ("Stand-up Thursday", 2_200),
    ("Night of the Circus", 3_900),
];

const ROWS: u64 = 20;
const SEATS: u64 = 24;

/// A demo may run for days.
const VALID_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// Somebody, with a token for each service.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) name: &'static str,
    tokens: Arc<[String; 3]>,
}

impl Person {
    pub(super) fn token(&self, service: Service) -> &str {
        &self.tokens[service as usize]
    }
}

/// Everybody.
pub(super) struct People(Vec<Person>);

impl People {
    pub(super) fn known_to(settings: &TicketingProgram) -> Result<Self, String> {
        let commands = [&settings.tickets.commands, &settings.orders.commands, &settings.payments.commands];
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let token = |secret: Option<&Secret>, name: &str| {
            let key = TokenKey::new(secret.unwrap_or(&Secret::new("")));
            key.and_then(|key| key.issue(name, now_ms, VALID_MS)).map_err(|error| error.to_string())
        };
        let person = |name: &'static str| -> Result<Person, String> {
            let [tickets, orders, payments] =
                commands.map(|commands| token(commands.token_secret.as_ref(), name));
            Ok(Person { name, tokens: Arc::new([tickets?, orders?, payments?]) })
        };
        NAMES.into_iter().map(person).collect::<Result<_, _>>().map(Self)
    }

    /// Anybody but those.
    pub(super) fn any(&self, but: &[&str], rng: &mut Rng) -> Option<Person> {
        let others: Vec<_> = self.0.iter().filter(|person| !but.contains(&person.name)).collect();
        rng.choice(others).cloned()
    }
}

/// The title and the price of a ticket, by its number: no two of 3,840 are the same seat.
pub(super) fn ticket(number: u64) -> (String, u64) {
    let shows = SHOWS.len() as u64;
    // Neighbours are not sold one after the other.
    let place = (number / shows * 17 + number * 5) % (ROWS * SEATS);
    let (row, seat) = (1 + place / SEATS, 1 + place % SEATS);
    let (show, price) = SHOWS[(number % shows) as usize];
    (format!("{show}, row {row}, seat {seat}"), price - price * (row - 1) / (2 * ROWS) / 50 * 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_cost_something_and_the_first_row_most() {
        for number in 0..10_000 {
            let (title, price) = ticket(number);
            assert!(title.len() < 60 && (500..=9_800).contains(&price), "{title}: {price}");
        }
    }
}

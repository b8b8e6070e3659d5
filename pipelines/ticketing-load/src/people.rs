//! Who sells and who buys.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::token;

const SELLERS: usize = 10;
const BUYERS: usize = 200;

/// Longer than any run.
const VALID_S: u64 = 24 * 3_600;

/// Somebody, with a token of his own.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) token: String,
}

/// Everybody.
#[derive(Debug)]
pub(crate) struct People {
    sellers: Vec<Person>,
    buyers: Vec<Person>,
}

impl People {
    pub(crate) fn new(secret: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let person = |name: String| Person { token: token::issue(secret, &name, now.as_secs() + VALID_S) };
        Self {
            sellers: (0..SELLERS).map(|number| person(format!("seller-{number}"))).collect(),
            buyers: (0..BUYERS).map(|number| person(format!("buyer-{number}"))).collect(),
        }
    }

    /// The seller of that ticket, by its number.
    pub(crate) fn seller(&self, ticket: usize) -> &Person {
        &self.sellers[ticket % self.sellers.len()]
    }

    /// Any buyer.
    pub(crate) fn buyer(&self, rng: &mut fastrand::Rng) -> &Person {
        &self.buyers[rng.usize(..self.buyers.len())]
    }

    /// A buyer who is not that one.
    pub(crate) fn another(&self, than: &Person, rng: &mut fastrand::Rng) -> &Person {
        let found = (0..).map(|_| self.buyer(rng)).find(|other| other.token != than.token);
        found.unwrap_or(&self.buyers[0])
    }
}

//! What payments asks of the provider, by records on the topic of charges, and what became of it.

mod provider;

pub use provider::{Asked, Concluded, LedgerProvider, Provider};
use serde::{Deserialize, Serialize};

/// Something that the provider is asked for. A flow of its own asks it, until the outcome is known.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Request {
    /// To charge somebody for an order.
    #[serde(rename = "charge.requested")]
    Charge {
        /// What the provider knows this charge by: the same each time it is asked.
        key: String,
        /// The order.
        order_id: String,
        /// The payment.
        payment_id: String,
        /// How much, in the currency's smallest unit.
        amount: u64,
        /// Whose money. A secret.
        token: String,
    },
    /// To give it back.
    #[serde(rename = "refund.requested")]
    Refund {
        /// What the provider knows this refund by.
        key: String,
        /// What it knows the charge by.
        charge_key: String,
        /// The order.
        order_id: String,
        /// The payment.
        payment_id: String,
        /// How much.
        amount: u64,
    },
}

/// What became of it. Comes to payments' inbox; perhaps twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// The provider has charged.
    #[serde(rename = "charge.charged")]
    Charged {
        /// The order.
        order_id: String,
        /// The payment.
        payment_id: String,
    },
    /// The provider has not, and will not.
    #[serde(rename = "charge.declined")]
    Declined {
        /// The order.
        order_id: String,
        /// The payment.
        payment_id: String,
        /// The provider's words.
        reason: String,
    },
    /// The provider has given it back.
    #[serde(rename = "charge.refunded")]
    Refunded {
        /// The order.
        order_id: String,
        /// The payment.
        payment_id: String,
    },
}

impl Request {
    /// The charge of a payment. There is one payment per order, so the order names the charge.
    #[must_use]
    pub fn charge(order_id: &str, payment_id: &str, amount: u64, token: String) -> Self {
        Self::Charge {
            key: order_id.to_owned(),
            order_id: order_id.to_owned(),
            payment_id: payment_id.to_owned(),
            amount,
            token,
        }
    }

    /// Its refund.
    #[must_use]
    pub fn refund(order_id: &str, payment_id: &str, amount: u64) -> Self {
        Self::Refund {
            key: format!("{order_id}:refund"),
            charge_key: order_id.to_owned(),
            order_id: order_id.to_owned(),
            payment_id: payment_id.to_owned(),
            amount,
        }
    }
}

impl Request {
    /// What the provider knows it by.
    #[must_use]
    pub fn key(&self) -> &str {
        let (Self::Charge { key, .. } | Self::Refund { key, .. }) = self;
        key
    }

    /// The order and the payment that it is about.
    #[must_use]
    pub fn about(&self) -> (&str, &str) {
        let (Self::Charge { order_id, payment_id, .. } | Self::Refund { order_id, payment_id, .. }) = self;
        (order_id, payment_id)
    }

    /// The provider has done it.
    #[must_use]
    pub fn done(&self) -> Outcome {
        let (order_id, payment_id) = self.owned();
        match self {
            Self::Charge { .. } => Outcome::Charged { order_id, payment_id },
            Self::Refund { .. } => Outcome::Refunded { order_id, payment_id },
        }
    }

    /// The provider will not charge, for that reason.
    #[must_use]
    pub fn declined(&self, reason: String) -> Outcome {
        let (order_id, payment_id) = self.owned();
        Outcome::Declined { order_id, payment_id, reason }
    }

    fn owned(&self) -> (String, String) {
        let (order_id, payment_id) = self.about();
        (order_id.to_owned(), payment_id.to_owned())
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self {
            Self::Charge { .. } => "Charge",
            Self::Refund { .. } => "Refund",
        };
        f.debug_struct(what).field("key", &self.key()).finish_non_exhaustive()
    }
}

impl Outcome {
    /// The order and the payment that it is about.
    #[must_use]
    pub fn about(&self) -> (&str, &str) {
        let (Self::Charged { order_id, payment_id }
        | Self::Declined { order_id, payment_id, .. }
        | Self::Refunded { order_id, payment_id }) = self;
        (order_id, payment_id)
    }
}

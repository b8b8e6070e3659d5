//! The service payments: who pays for which order, and what the provider has been asked for.
//!
//! An order has one payment. It is announced first, and charged only when the order has said that it waits for it
//! (order.pending): an order that ended before is never charged. Whatever is charged for an order that can't be completed
//! any more is given back.

mod case;
mod commands;
mod events;
mod operator;
pub(crate) mod requests;

pub use case::{Case, Decision, KnownOrder, Payment, Stage};
pub use operator::Payments;
use serde::{Deserialize, Serialize};

/// What users want of payments.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Command {
    /// To pay for an order.
    CreatePayment {
        /// The payment's id, drawn by who takes the command; begins with the order's.
        payment_id: String,
        /// Who pays.
        user_id: String,
        /// What the provider knows the user's money by. A secret.
        token: String,
    },
}

impl Command {
    /// The payment that it is about.
    #[must_use]
    pub fn payment_id(&self) -> &str {
        let Self::CreatePayment { payment_id, .. } = self;
        payment_id
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::CreatePayment { payment_id, user_id, .. } = self;
        f.debug_struct("CreatePayment").field("payment_id", payment_id).field("user_id", user_id).finish()
    }
}

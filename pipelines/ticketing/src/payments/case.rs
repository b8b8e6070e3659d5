//! What the service knows of an order and its payment, and what it decides.

use serde::{Deserialize, Serialize};
use thalweg::state::Row;

use crate::charges::Request;
use crate::events::{Event, PaymentEvent};
use crate::ids;

/// An order as payments knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownOrder {
    /// Who ordered.
    pub user_id: String,
    /// What is to be paid.
    pub price: u64,
    /// Of the newest event of the order.
    pub version: u64,
    /// When it expires, in ms since 1970.
    pub expires_at_ms: i64,
    /// It was cancelled, has expired, or failed.
    pub ended: bool,
    /// Its payment.
    pub payment: Option<Payment>,
}

impl Row for KnownOrder {}

/// Where a payment stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It was announced; the order has not said yet that it waits for it.
    Created {
        /// Whose money: kept until it is asked for.
        token: String,
    },
    /// The provider is asked; what it did is not known yet.
    Charging,
    /// Charged.
    Succeeded,
    /// Not charged.
    Failed,
    /// Charged for nothing; the provider is asked to give it back.
    Refunding,
    /// Charged for nothing, and given back.
    Refunded,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created { .. } => "Created",
            Self::Charging => "Charging",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Refunding => "Refunding",
            Self::Refunded => "Refunded",
        })
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Its id.
    pub id: String,
    /// Counts its events.
    pub version: u64,
    /// Where it stands.
    pub stage: Stage,
    /// Why it failed.
    pub reason: Option<String>,
}

/// A payment as its user sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentView<'p> {
    id: &'p str,
    order_id: &'p str,
    amount: u64,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'p str>,
}

/// An order and its payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// The order's id.
    pub order_id: String,
    /// The order, if it is known.
    pub order: Option<KnownOrder>,
}

/// What is to be published and asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// What is published.
    pub event: Option<Event>,
    /// What the provider is asked for.
    pub request: Option<Request>,
}

impl Case {
    /// The payment as its user sees it.
    pub(super) fn view(&self) -> Option<PaymentView<'_>> {
        let order = self.order.as_ref()?;
        let payment = order.payment.as_ref()?;
        Some(PaymentView {
            id: &payment.id,
            order_id: &self.order_id,
            amount: order.price,
            status: match payment.stage {
                Stage::Created { .. } | Stage::Charging => "created",
                Stage::Succeeded => "succeeded",
                Stage::Failed | Stage::Refunding | Stage::Refunded => "failed",
            },
            reason: payment.reason.as_deref(),
        })
    }

    /// What is said of the payment as it is now.
    pub(super) fn event(&self) -> Option<PaymentEvent> {
        let order = self.order.as_ref()?;
        let payment = order.payment.as_ref()?;
        Some(PaymentEvent {
            id: payment.id.clone(),
            user_id: order.user_id.clone(),
            ticket_id: ids::ticket_of(&self.order_id).to_owned(),
            order_id: self.order_id.clone(),
            version: payment.version,
            amount: order.price,
            reason: payment.reason.clone(),
        })
    }

    /// The payment fails, for that reason.
    pub(super) fn fail(&mut self, stage: Stage, reason: &str) -> Option<Event> {
        let payment = self.order.as_mut()?.payment.as_mut()?;
        payment.stage = stage;
        payment.version += 1;
        payment.reason = Some(reason.to_owned());
        self.event().map(Event::PaymentFailed)
    }

    /// What asks for the money back.
    pub(super) fn refund(&self) -> Option<Request> {
        let order = self.order.as_ref()?;
        let payment = order.payment.as_ref()?;
        Some(Request::refund(&self.order_id, &payment.id, order.price))
    }
}

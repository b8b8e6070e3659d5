//! Who charges people: how it is asked, and what its answers mean.

use serde::{Deserialize, Serialize};
use thalweg::calls::Ended;

use super::{Outcome, Request};

/// A provider. It is asked over HTTP; all requests are POSTs of JSON with an idempotency key.
pub trait Provider: Send + Sync + 'static {
    /// How it is asked for something.
    fn ask(&self, request: &Request) -> Asked;

    /// What an end of that means.
    fn conclude(&self, request: &Request, ended: Ended<'_>) -> Concluded;
}

/// A request to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where it is sent.
    pub path: &'static str,
    /// Where what became of it can be looked up: there, 404 says that nothing is known of it. `None`: it can't be, since the
    /// provider knows it again by its key.
    pub lookup: Option<String>,
    /// In JSON.
    pub body: Vec<u8>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concluded {
    /// It is known what became of the request.
    Outcome(Outcome),
    /// Somebody has to look at it.
    Nothing,
    /// It makes no sense, for that reason.
    Unreadable(String),
}

/// A provider that keeps a ledger of charges and refunds by their keys, as the stand-in does.
#[derive(Debug, Clone, Copy, Default)]
pub struct LedgerProvider;

/// The body of a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'b> {
    order_id: &'b str,
    amount: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'b str>,
}

/// An entry of the ledger.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    kind: Kind,
    order_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Charge,
    Decline,
    Refund,
}

/// What a refusal says.
#[derive(Deserialize)]
struct Refusal {
    detail: String,
}

/// More of the provider's words is of no use to anybody.
const REASON_CHARS_MAX: usize = 200;

/// The provider will not charge.
const PAYMENT_REQUIRED: u16 = 402;

impl Provider for LedgerProvider {
    fn ask(&self, request: &Request) -> Asked {
        let (path, body) = match request {
            Request::Charge { order_id, amount, token, .. } => {
                ("/charges", Body { order_id, amount: *amount, token: Some(token) })
            }
            Request::Refund { order_id, amount, .. } => {
                ("/refunds", Body { order_id, amount: *amount, token: None })
            }
        };
        let lookup = Some(format!("/charges/{}", request.key()));
        // Strings and a number: always possible.
        Asked { path, lookup, body: serde_json::to_vec(&body).unwrap_or_default() }
    }

    fn conclude(&self, request: &Request, ended: Ended<'_>) -> Concluded {
        match ended {
            Ended::Found { body } | Ended::Done { body, .. } => of_entry(request, body),
            Ended::Refused { status: PAYMENT_REQUIRED, body } => match request {
                Request::Charge { .. } => Concluded::Outcome(request.declined(reason(body))),
                Request::Refund { .. } => Concluded::Nothing,
            },
            Ended::Refused { .. } | Ended::GaveUp { .. } => Concluded::Nothing,
        }
    }
}

fn of_entry(request: &Request, body: &[u8]) -> Concluded {
    let (order_id, _) = request.about();
    let entry: Entry = match serde_json::from_slice(body) {
        Ok(entry) => entry,
        Err(error) => return Concluded::Unreadable(format!("no entry of the ledger: {error}")),
    };
    match (request, entry.kind) {
        _ if entry.order_id != order_id => Concluded::Unreadable("the entry is of another order".to_owned()),
        (Request::Charge { .. }, Kind::Charge) => Concluded::Outcome(request.done()),
        (Request::Charge { .. }, Kind::Decline) => {
            Concluded::Outcome(request.declined("declined".to_owned()))
        }
        (Request::Refund { .. }, Kind::Refund) => Concluded::Outcome(request.done()),
        (_, kind) => {
            Concluded::Unreadable(format!("the entry is a {kind:?}, and something else was asked for"))
        }
    }
}

/// The provider's words, if it has any.
fn reason(body: &[u8]) -> String {
    let said = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.detail).unwrap_or_default();
    let said: String = said.chars().filter(|found| !found.is_control()).take(REASON_CHARS_MAX).collect();
    if said.is_empty() { "declined".to_owned() } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge() -> Request {
        Request::charge("t1.o1", "t1.o1.p1", 10, "secret".to_owned())
    }

    fn refund() -> Request {
        Request::refund("t1.o1", "t1.o1.p1", 10)
    }

    #[test]
    fn it_is_asked_with_what_it_needs_to_know() {
        let asked = LedgerProvider.ask(&charge());
        assert_eq!((asked.path, asked.lookup.as_deref()), ("/charges", Some("/charges/t1.o1")));
        assert_eq!(asked.body, br#"{"orderId":"t1.o1","amount":10,"token":"secret"}"#);
        let asked = LedgerProvider.ask(&refund());
        assert_eq!((asked.path, asked.lookup.as_deref()), ("/refunds", Some("/charges/t1.o1:refund")));
        assert_eq!(asked.body, br#"{"orderId":"t1.o1","amount":10}"#);
    }

    #[test]
    fn answers_mean_what_became_of_it() {
        let entry =
            |kind: &str| format!(r#"{{"id":1,"kind":"{kind}","key":"k","orderId":"t1.o1","amount":10}}"#);
        let outcome = |request: &Request, ended: Ended<'_>| match LedgerProvider.conclude(request, ended) {
            Concluded::Outcome(Outcome::Charged { .. }) => "charged".to_owned(),
            Concluded::Outcome(Outcome::Declined { reason, .. }) => format!("declined: {reason}"),
            Concluded::Outcome(Outcome::Refunded { .. }) => "refunded".to_owned(),
            Concluded::Nothing => "nothing".to_owned(),
            Concluded::Unreadable(_) => "unreadable".to_owned(),
        };
        for (request, kind, expected) in [
            (charge(), "charge", "charged"),
            (charge(), "decline", "declined: declined"),
            (charge(), "refund", "unreadable"),
            (charge(), "gift", "unreadable"),
            (refund(), "refund", "refunded"),
            (refund(), "charge", "unreadable"),
        ] {
            let body = entry(kind);
            let body = body.as_bytes();
            assert_eq!(outcome(&request, Ended::Found { body }), expected, "{kind}");
            assert_eq!(outcome(&request, Ended::Done { status: 201, body }), expected, "{kind}");
        }
        let foreign = entry("charge").replace("t1.o1", "t1.o2");
        assert_eq!(outcome(&charge(), Ended::Found { body: foreign.as_bytes() }), "unreadable");
        let refused = |request: &Request, status, body: &str| {
            outcome(request, Ended::Refused { status, body: body.as_bytes() })
        };
        assert_eq!(refused(&charge(), 402, r#"{"detail":"no\n money"}"#), "declined: no money");
        assert_eq!(refused(&charge(), 402, "?"), "declined: declined");
        assert_eq!(refused(&charge(), 422, "?"), "nothing");
        assert_eq!(refused(&refund(), 404, "?"), "nothing");
    }
}

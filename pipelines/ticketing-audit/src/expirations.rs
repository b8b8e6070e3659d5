//! Expirations: once, never early, and only of orders that nobody was paying for.

use crate::book::Book;
use crate::report::{Report, Rule};

pub(crate) fn audit(book: &Book, report: &mut Report) {
    for (id, order) in &book.orders {
        let times = order.expirations.len();
        report.hold(times <= 1, Rule::ExpiredOnce, || format!("{id} expired {times} times"));
        let deadline = order.created().and_then(|created| created.number("expiresAt"));
        for expired in &order.expirations {
            let at = expired.timestamp_ms;
            report.hold(deadline.is_some_and(|deadline| at >= deadline), Rule::NeverEarly, || {
                format!("{id} was to expire at {deadline:?} and did at {at}")
            });
            let said = expired.number("expiresAt");
            report.hold(said == deadline, Rule::NeverEarly, || {
                format!("{id} was to expire at {deadline:?}, and is said to have been at {said:?}")
            });
        }
        let cancelled = order.events.iter().find(|event| event.kind == "order.cancelled");
        let as_expired = cancelled.is_some_and(|event| event.text("reason") == Some("expired"));
        report.hold(!as_expired || times > 0, Rule::ExpiredForAReason, || {
            format!("{id} was cancelled as expired, and has not")
        });
        report.hold(!(as_expired && order.has("order.pending")), Rule::ExpiredForAReason, || {
            format!("{id} was cancelled as expired while it was being paid")
        });
        // Its time was over, and neither its user nor a payment came before.
        let ended = cancelled.is_some() || order.has("order.pending");
        report.hold(times == 0 || ended, Rule::ExpiredForAReason, || {
            format!("{id} expired, and nothing came of it")
        });
    }
}

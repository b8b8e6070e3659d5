//! Payments: one for an order, announced, and then succeeded or failed.

use crate::book::Book;
use crate::report::{Report, Rule};
use crate::tickets::versions;

pub(crate) fn audit(book: &Book, report: &mut Report) {
    for (id, order) in &book.orders {
        if order.payments.is_empty() {
            continue;
        }
        versions(&format!("the payment of {id}"), &order.payments, report);
        let kinds: Vec<_> = order.payments.iter().map(|event| event.kind.as_str()).collect();
        let legal = matches!(kinds.as_slice(), ["payment.created", "payment.succeeded" | "payment.failed"]);
        report.hold(legal, Rule::PaymentLegal, || format!("the payments of {id}: {}", kinds.join(", ")));
        let one = order.payments.windows(2).all(|pair| pair[0].id == pair[1].id);
        report.hold(one, Rule::PaymentLegal, || format!("{id} has more than one payment"));
        let owner = order.created().and_then(|created| created.text("userId"));
        let own = order.payments.iter().all(|event| event.text("userId") == owner);
        report.hold(own, Rule::PaymentLegal, || format!("{id} is paid by somebody else"));
        let succeeded = order.has("payment.succeeded");
        report.hold(!succeeded || order.has("order.pending"), Rule::PaymentLegal, || {
            format!("{id} was charged without having waited for it")
        });
    }
}

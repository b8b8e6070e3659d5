//! Ids say where they belong: an order's begins with its ticket's, a payment's with its order's.
//!
//! `ticket`, `ticket.order`, `ticket.order.payment`: so whoever is asked for an order knows the key of its records without a
//! lookup.

/// The ticket that an id belongs to.
#[must_use]
pub fn ticket_of(id: &str) -> &str {
    id.split_once('.').map_or(id, |(ticket, _)| ticket)
}

/// The order that a payment's id belongs to.
#[must_use]
pub fn order_of(payment_id: &str) -> &str {
    payment_id.rsplit_once('.').map_or(payment_id, |(order, _)| order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_to_what_they_belong_to() {
        assert_eq!((ticket_of("t1"), ticket_of("t1.o2"), ticket_of("t1.o2.p3")), ("t1", "t1", "t1"));
        assert_eq!(order_of("t1.o2.p3"), "t1.o2");
    }
}

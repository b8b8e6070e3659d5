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

/// Ours have 32 characters in each part.
const PART_BYTES_MAX: usize = 64;

/// Whether it has the form of an id of so many parts: 1 for a ticket's, 2 for an order's, 3 for a payment's.
#[must_use]
pub fn is_id(id: &str, parts: usize) -> bool {
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=PART_BYTES_MAX).contains(&part.len()) && part.bytes().all(is_plain)
    };
    id.split('.').count() == parts && id.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_to_what_they_belong_to() {
        assert_eq!((ticket_of("t1"), ticket_of("t1.o2"), ticket_of("t1.o2.p3")), ("t1", "t1", "t1"));
        assert_eq!(order_of("t1.o2.p3"), "t1.o2");
    }

    #[test]
    fn ids_have_a_form() {
        for (id, parts) in [("t1", 1), ("t1.o2", 2), ("a-B_9.x.y", 3)] {
            assert!((1..=3).all(|found| is_id(id, found) == (found == parts)), "{id}");
        }
        let long = "x".repeat(65);
        for id in ["", ".", "t1.", ".o1", "t 1", "t/1", "ä", "t\n", &long] {
            assert!((1..=3).all(|parts| !is_id(id, parts)), "{id:?}");
        }
    }
}

//! Charges: one for an order at most, and not for nothing.

use std::collections::BTreeMap;

use crate::book::Book;
use crate::history::Entry;
use crate::report::{Report, Rule};

#[derive(Default)]
struct Account {
    charges: Vec<u64>,
    refunds: Vec<u64>,
}

pub(crate) fn audit(book: &Book, ledger: &[Entry], report: &mut Report) {
    let mut accounts: BTreeMap<&str, Account> = BTreeMap::new();
    for entry in ledger {
        match entry {
            Entry::Charge { order_id, amount } => {
                report.counts.charges += 1;
                accounts.entry(order_id).or_default().charges.push(*amount);
            }
            Entry::Refund { order_id, amount } => {
                report.counts.refunds += 1;
                accounts.entry(order_id).or_default().refunds.push(*amount);
            }
        }
    }
    for (id, Account { charges, refunds }) in &accounts {
        report.hold(charges.len() <= 1, Rule::ChargedOnce, || {
            format!("{id} was charged {} times", charges.len())
        });
        report.hold(refunds.len() <= charges.len(), Rule::ChargedOnce, || {
            format!("{id} was charged {} times and refunded {} times", charges.len(), refunds.len())
        });
        let created = book.orders.get(*id).and_then(|order| order.created());
        let price = created.and_then(|created| created.number("price"));
        let right = |amount: &u64| i64::try_from(*amount).ok() == price;
        report.hold(charges.iter().chain(refunds).all(right), Rule::ChargedRightly, || {
            format!("{id} costs {price:?}, was charged {charges:?} and refunded {refunds:?}")
        });
        let complete = book.orders.get(*id).is_some_and(|order| order.is_complete());
        report.hold(complete || refunds.len() == charges.len(), Rule::ChargedForATicket, || {
            format!("{id} was charged, is not complete, and was not refunded")
        });
    }
    for (id, _) in book.orders.iter().filter(|(_, order)| order.is_complete()) {
        let paid =
            accounts.get(id.as_str()).is_some_and(|account| account.charges.len() > account.refunds.len());
        report.hold(paid, Rule::ChargedForATicket, || format!("{id} is complete, and nobody paid"));
    }
}

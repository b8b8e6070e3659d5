//! Commands: what was accepted is there once, what was refused is not there.

use std::collections::BTreeMap;

use crate::book::{Book, Event};
use crate::history::{Answered, Sent, Verb};
use crate::report::{Report, Rule};

pub(crate) fn audit(book: &Book, commands: &[Sent], report: &mut Report) {
    let mut accepted: BTreeMap<(Verb, &str, Option<u64>), u64> = BTreeMap::new();
    for sent in commands {
        let seen = sent.id.as_deref().and_then(|id| times(book, sent, id));
        let about = || format!("{:?} {:?} ({:?})", sent.verb, sent.id, sent.version);
        match sent.answered {
            Answered::Accepted => {
                report.counts.accepted += 1;
                report.hold(seen == Some(1), Rule::CommandOnce, || {
                    format!("{} was accepted, and is seen {seen:?} times", about())
                });
                if let Some(id) = &sent.id {
                    *accepted.entry((sent.verb, id.as_str(), sent.version)).or_default() += 1;
                }
            }
            Answered::Refused => {
                report.counts.refused += 1;
                // An order or an edit that was refused leaves what others did; only what would be new is nobody else's.
                let is_new =
                    matches!(sent.verb, Verb::CreateTicket | Verb::CreateOrder | Verb::CreatePayment);
                report.hold(!is_new || seen.unwrap_or(0) == 0, Rule::CommandOnce, || {
                    format!("{} was refused, and is seen {seen:?} times", about())
                });
            }
            Answered::Unknown => {
                let done = seen.unwrap_or(0) > 0;
                let counts = &mut report.counts;
                *(if done { &mut counts.unknown_done } else { &mut counts.unknown_not_seen }) += 1;
                report.hold(seen.unwrap_or(0) <= 1, Rule::CommandOnce, || {
                    format!("{} has no answer, and is seen {seen:?} times", about())
                });
            }
        }
    }
    for ((verb, id, version), times) in accepted {
        report.hold(times == 1, Rule::CommandOnce, || {
            format!("{times} different commands were accepted as {verb:?} of {id} ({version:?})")
        });
    }
}

/// How often what the command wants is there; `None`: it can't be told from what others wanted.
fn times(book: &Book, sent: &Sent, id: &str) -> Option<usize> {
    let of = |events: &[Event], right: &dyn Fn(&Event) -> bool| {
        events.iter().filter(|event| event.id == id && right(event)).count()
    };
    let (ticket, order) = (book.tickets.get(id), book.orders.get(id));
    let (ticket, order) =
        (ticket.map_or(&[][..], |found| found), order.map_or(&[][..], |found| &found.events));
    Some(match sent.verb {
        Verb::CreateTicket => of(ticket, &|event| event.kind == "ticket.created"),
        Verb::EditTicket => {
            let version = sent.version?;
            of(ticket, &|event| event.kind == "ticket.updated" && event.version == version)
        }
        Verb::CreateOrder => of(order, &|event| event.kind == "order.created"),
        Verb::CancelOrder => {
            of(order, &|event| event.kind == "order.cancelled" && event.text("reason") != Some("expired"))
        }
        Verb::CreatePayment => book.payments.get(id).copied().unwrap_or(0),
    })
}

//! What is known of the tickets: who has none yet, and which can be ordered.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::Mutex;

use crate::people::Person;

/// A ticket, by its number.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) id: String,
    /// From when on the next order is to be paid; before, orders end otherwise.
    pub(crate) sold_from: Instant,
}

/// An order that was accepted, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) id: String,
    pub(crate) buyer: Person,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    tickets: Vec<Ticket>,
    /// Those that nobody has, as far as is known, longest first.
    free: VecDeque<usize>,
    is_free: Vec<bool>,
    sold: usize,
    last: Option<Placed>,
}

impl Board {
    /// A new ticket, which is free.
    pub(crate) fn add(&self, ticket: Ticket) {
        let mut state = self.0.lock();
        let number = state.tickets.len();
        state.tickets.push(ticket);
        state.is_free.push(true);
        state.free.push_back(number);
    }

    /// Takes the ticket that has been free for longest.
    pub(crate) fn take(&self) -> Option<(usize, Ticket)> {
        let mut state = self.0.lock();
        let number = state.free.pop_front()?;
        state.is_free[number] = false;
        Some((number, state.tickets[number].clone()))
    }

    /// It can be ordered again.
    pub(crate) fn free(&self, number: usize) {
        let mut state = self.0.lock();
        if !std::mem::replace(&mut state.is_free[number], true) {
            state.free.push_back(number);
        }
    }

    /// It is sold, for good.
    pub(crate) fn sold(&self) {
        self.0.lock().sold += 1;
    }

    /// How many are, and of how many.
    pub(crate) fn count_sold(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.sold, state.tickets.len())
    }

    /// Any ticket that somebody has.
    pub(crate) fn taken(&self, rng: &mut fastrand::Rng) -> Option<(usize, Ticket)> {
        let state = self.0.lock();
        let start = rng.usize(..state.tickets.len().max(1));
        let numbers = (start..state.tickets.len()).chain(0..start);
        let number = numbers.into_iter().find(|number| !state.is_free[*number])?;
        Some((number, state.tickets[number].clone()))
    }

    /// The order that was accepted last.
    pub(crate) fn place(&self, placed: Placed) {
        self.0.lock().last = Some(placed);
    }

    pub(crate) fn last_placed(&self) -> Option<Placed> {
        self.0.lock().last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_free_until_it_is_taken_and_once_only() {
        let board = Board::default();
        for id in ["a", "b"] {
            board.add(Ticket { id: id.to_owned(), sold_from: Instant::now() });
        }
        let mut rng = fastrand::Rng::with_seed(1);
        assert!(board.taken(&mut rng).is_none());
        let (number, ticket) = board.take().unwrap();
        assert_eq!((number, ticket.id.as_str()), (0, "a"));
        assert_eq!(board.taken(&mut rng).unwrap().1.id, "a");
        board.free(0);
        board.free(0);
        let order: Vec<_> = std::iter::from_fn(|| board.take()).map(|(_, ticket)| ticket.id).collect();
        assert_eq!(order, ["b", "a"]);
    }
}

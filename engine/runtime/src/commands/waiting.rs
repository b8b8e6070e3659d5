//! Who waits for which reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::fingerprint::Fingerprint;

/// What came back for a command.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) repeated: bool,
    pub(super) body: Bytes,
}

/// Everybody who waits, by the id of the command. As many as the settings let wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by_id: Mutex<std::collections::HashMap<Fingerprint, oneshot::Sender<Reply>>>,
}

/// Ends the wait when dropped: nothing is left of who hung up.
#[derive(Debug)]
pub(super) struct Wait {
    waiting: Arc<Waiting>,
    pub(super) id: Fingerprint,
    pub(super) reply: oneshot::Receiver<Reply>,
}

impl Waiting {
    /// Begins a wait, under an id that no other has or had.
    pub(super) fn begin(self: &Arc<Self>) -> Wait {
        let (tell, reply) = oneshot::channel();
        let id = random_id();
        self.by_id.lock().insert(id, tell);
        Wait { waiting: Arc::clone(self), id, reply }
    }

    /// Hands a reply to who waits for it; whether somebody did.
    pub(super) fn answer(&self, id: &Fingerprint, reply: impl FnOnce() -> Reply) -> bool {
        let waits = self.by_id.lock().remove(id);
        waits.is_some_and(|tell| tell.send(reply()).is_ok())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waiting.by_id.lock().remove(&self.id);
    }
}

/// An id that no other process, and no other call, gives: random numbers drawn for the process, and a count.
pub(super) fn random_id() -> Fingerprint {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let drawn = process_number();
    super::fingerprint::fingerprint(&[&drawn, &count.to_le_bytes()])
}

/// Drawn once, from the system's source.
fn process_number() -> [u8; 16] {
    static DRAWN: std::sync::OnceLock<[u8; 16]> = std::sync::OnceLock::new();
    *DRAWN.get_or_init(|| {
        let drawn = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new());
        // Without the system's source, another one that is not meant to be guessed either: ids must differ, no more.
        drawn.map_or_else(|_| fastrand::u128(..).to_le_bytes(), ring::rand::Random::expose)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Reply {
        Reply { status, repeated: false, body: Bytes::new() }
    }

    #[test]
    fn a_reply_reaches_who_waits_for_it_once() {
        let waiting = Arc::new(Waiting::default());
        let (mut one, mut other) = (waiting.begin(), waiting.begin());
        assert_ne!(one.id, other.id);
        assert!(waiting.answer(&one.id, || reply(201)) && !waiting.answer(&one.id, || reply(202)));
        assert_eq!(one.reply.try_recv().unwrap().status, 201);
        assert!(other.reply.try_recv().is_err());
        assert!(!waiting.answer(&[0; 16], || unreachable!("nobody waits for it")));
    }

    #[test]
    fn nothing_is_left_of_who_hung_up() {
        let waiting = Arc::new(Waiting::default());
        let (one, other) = (waiting.begin(), waiting.begin());
        let id = one.id;
        drop(one);
        assert_eq!(waiting.by_id.lock().len(), 1);
        assert!(!waiting.answer(&id, || unreachable!("nobody waits for it")));
        drop(other);
        assert_eq!(waiting.by_id.lock().len(), 0);
    }
}

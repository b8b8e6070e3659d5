//! The conversations of the demo: who says what next, and what is edited, taken back or sent twice.

use std::collections::VecDeque;

use fastrand::Rng;

use super::phrases::{AFTERTHOUGHTS, CLIENTS, CONVERSATIONS, DAYS, MESSAGES, NAMES, PEOPLE, PLACES, TIMES};

/// Conversations of one title: with 16 titles 1,024 keys, enough to keep every lane and partition busy.
const OF_EACH_TITLE: usize = 64;

/// The last messages of a conversation, which may still be edited or taken back.
const RECENT_MAX: usize = 12;

/// Of 100 records.
const EDITS: u8 = 9;
const DELETIONS: u8 = 4;
const SENT_TWICE: u8 = 2;

/// What happens next.
#[derive(Debug)]
pub(super) enum Happening<'c> {
    /// Somebody writes.
    Created { sender: &'static str, content: &'c str, client: &'static str },
    /// Somebody changes what they wrote.
    Edited { content: &'c str, edits: u32 },
    /// Somebody takes back what they wrote.
    Deleted,
    /// The record before goes out a second time, as after a lost answer.
    SentTwice,
}

/// A message that may still change.
#[derive(Debug, Clone)]
struct Message {
    number: u64,
    content: String,
    edits: u32,
}

#[derive(Debug)]
struct Conversation {
    name: String,
    recent: VecDeque<Message>,
}

/// All conversations.
#[derive(Debug)]
pub(super) struct Chat {
    rng: Rng,
    conversations: Vec<Conversation>,
    messages: u64,
    content: String,
    has_last: bool,
}

impl Chat {
    pub(super) fn new(seed: u64) -> Self {
        let conversations = (0..CONVERSATIONS.len() * OF_EACH_TITLE).map(|index| Conversation {
            name: format!(
                "{}-{}",
                CONVERSATIONS[index % CONVERSATIONS.len()],
                1 + index / CONVERSATIONS.len()
            ),
            recent: VecDeque::new(),
        });
        Self {
            rng: Rng::with_seed(seed),
            conversations: conversations.collect(),
            messages: 0,
            content: String::new(),
            has_last: false,
        }
    }

    /// The next thing that happens: in which conversation, to which message (by number).
    pub(super) fn next(&mut self) -> (&str, u64, Happening<'_>) {
        let Self { rng, conversations, messages, content, has_last } = self;
        // The product of two draws: a few conversations are busy, most are quiet.
        let index = (rng.f64() * rng.f64() * conversations.len() as f64) as usize;
        let chosen = index.min(conversations.len().saturating_sub(1));
        let Conversation { name, recent } = &mut conversations[chosen];
        let dice = rng.u8(0..100);
        if dice < SENT_TWICE && *has_last {
            return (name, 0, Happening::SentTwice);
        }
        *has_last = true;
        let place = if recent.is_empty() { 0 } else { rng.usize(0..recent.len()) };
        if dice < SENT_TWICE + DELETIONS
            && let Some(message) = recent.remove(place)
        {
            return (name, message.number, Happening::Deleted);
        }
        if dice < SENT_TWICE + DELETIONS + EDITS
            && let Some(message) = recent.get_mut(place)
        {
            message.edits += 1;
            content.clear();
            content.push_str(&message.content);
            content.push_str(pick(rng, &AFTERTHOUGHTS));
            return (name, message.number, Happening::Edited { content, edits: message.edits });
        }
        *messages += 1;
        fill(pick(rng, &MESSAGES), rng, content);
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(Message { number: *messages, content: content.clone(), edits: 0 });
        let (sender, client) = (pick(rng, &PEOPLE), pick(rng, &CLIENTS));
        (name, *messages, Happening::Created { sender, content, client })
    }
}

fn pick(rng: &mut Rng, among: &[&'static str]) -> &'static str {
    rng.choice(among).copied().unwrap_or_default()
}

/// Puts names, days, times and places into a message.
fn fill(template: &str, rng: &mut Rng, into: &mut String) {
    into.clear();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        into.push_str(before);
        let (slot, behind) = after.split_once('}').unwrap_or((after, ""));
        let among: &[&str] = match slot {
            "p" => &NAMES,
            "d" => &DAYS,
            "t" => &TIMES,
            _ => &PLACES,
        };
        into.push_str(pick(rng, among));
        rest = behind;
    }
    into.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_happens_and_no_slot_stays_empty() {
        let mut chat = Chat::new(7);
        let (mut created, mut edited, mut deleted, mut twice) = (0, 0, 0, 0);
        for _ in 0..10_000 {
            match chat.next().2 {
                Happening::Created { content, .. } => {
                    assert!(!content.is_empty() && !content.contains(['{', '}']), "{content}");
                    created += 1;
                }
                Happening::Edited { content, edits } => {
                    assert!(!content.is_empty() && edits > 0);
                    edited += 1;
                }
                Happening::Deleted => deleted += 1,
                Happening::SentTwice => twice += 1,
            }
        }
        assert!(
            created > 8_000 && edited > 500 && deleted > 200 && twice > 100,
            "{created} {edited} {deleted} {twice}"
        );
    }
}

//! What exists so far: the last few documents of every conversation, so that updates and deletes meet something.

use fastrand::Rng;

/// How many living documents of a conversation are remembered. Older ones are never touched again.
const LIVING: usize = 8;

/// The number of a document within the run.
pub type Document = u32;

#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    living: [Document; LIVING],
    count: u8,
    deleted: Option<Document>,
}

/// The recent documents of all conversations: 44 bytes each.
#[derive(Debug)]
pub struct Conversations {
    recent: Vec<Recent>,
    next_document: Document,
}

impl Conversations {
    /// `count` conversations without a document.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self { recent: vec![Recent::default(); count as usize], next_document: 0 }
    }

    /// A document that never was, belonging to nobody yet.
    pub fn fresh(&mut self) -> Document {
        let document = self.next_document;
        self.next_document = self.next_document.wrapping_add(1);
        document
    }

    /// Notes that the document now lives, at the cost of forgetting another one when there are too many.
    pub fn created(&mut self, conversation: u32, document: Document, rng: &mut Rng) {
        let recent = &mut self.recent[conversation as usize];
        let count = usize::from(recent.count);
        if recent.deleted == Some(document) {
            recent.deleted = None;
        }
        if recent.living[..count].contains(&document) {
            return;
        }
        if count < LIVING {
            recent.living[count] = document;
            recent.count += 1;
        } else {
            recent.living[rng.usize(..LIVING)] = document;
        }
    }

    /// A living document of the conversation.
    pub fn living(&self, conversation: u32, rng: &mut Rng) -> Option<Document> {
        let recent = &self.recent[conversation as usize];
        (recent.count > 0).then(|| recent.living[rng.usize(..usize::from(recent.count))])
    }

    /// The document that was deleted last and has not been created again.
    #[must_use]
    pub fn deleted(&self, conversation: u32) -> Option<Document> {
        self.recent[conversation as usize].deleted
    }

    /// Takes a living document out.
    pub fn delete(&mut self, conversation: u32, rng: &mut Rng) -> Option<Document> {
        let recent = &mut self.recent[conversation as usize];
        let last = usize::from(recent.count).checked_sub(1)?;
        let chosen = rng.usize(..=last);
        recent.living.swap(chosen, last);
        recent.count -= 1;
        recent.deleted = Some(recent.living[last]);
        recent.deleted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_lives_until_it_is_deleted() {
        let mut rng = Rng::with_seed(1);
        let mut conversations = Conversations::new(2);
        assert_eq!(conversations.living(0, &mut rng), None);
        assert_eq!(conversations.delete(0, &mut rng), None);
        let document = conversations.fresh();
        conversations.created(0, document, &mut rng);
        assert_eq!(conversations.living(0, &mut rng), Some(document));
        assert_eq!(conversations.living(1, &mut rng), None);
        assert_eq!(conversations.delete(0, &mut rng), Some(document));
        assert_eq!(conversations.living(0, &mut rng), None);
        assert_eq!(conversations.deleted(0), Some(document));
        conversations.created(0, document, &mut rng);
        assert_eq!((conversations.deleted(0), conversations.living(0, &mut rng)), (None, Some(document)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_distinct() {
        let mut rng = Rng::with_seed(1);
        let mut conversations = Conversations::new(1);
        for _ in 0..100 {
            let document = conversations.fresh();
            conversations.created(0, document, &mut rng);
            conversations.created(0, document, &mut rng);
        }
        let living: std::collections::HashSet<_> =
            std::iter::from_fn(|| conversations.delete(0, &mut rng)).collect();
        assert_eq!(living.len(), LIVING);
    }
}

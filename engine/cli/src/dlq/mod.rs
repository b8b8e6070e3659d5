//! Dead letters: looking at them, and replaying them.

pub(crate) mod filter;
pub(crate) mod letter;
pub(crate) mod letters;
pub(crate) mod list;
pub(crate) mod moment;
pub(crate) mod offsets;
pub(crate) mod outcome;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod replay;
pub(crate) mod replayed;
pub(crate) mod rewrite;
pub(crate) mod safe_text;
pub(crate) mod show;

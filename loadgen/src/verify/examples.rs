//! A count of something that went wrong, with the first few by name.

/// How many are named.
const NAMED: usize = 20;

/// How often, and what the first ones were.
#[derive(Debug, Default)]
pub struct Examples {
    /// How often it happened.
    pub count: u64,
    /// The first ones.
    pub named: Vec<String>,
}

impl Examples {
    /// Counts one; `name` is asked only while names are wanted.
    pub fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(name());
        }
    }
}

//! Hash tables whose iteration order is the same in every run.
//!
//! The simulator replays a history from its seed alone, so nothing may depend on a random hasher. Keys are hashes
//! already, or our own numbers; an adversary who collides them slows his own keys down and nothing else.

/// A map with a fixed hasher.
pub(crate) type Table<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;

/// A set with a fixed hasher.
pub(crate) type TableSet<K> = hashbrown::HashSet<K, foldhash::fast::FixedState>;

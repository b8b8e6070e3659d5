//! What the layers say, before it has types: a tree of sections, each value with its origin.

use std::collections::BTreeMap;

use super::error::Origin;

/// A section or a value.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Section(BTreeMap<String, Node>),
    Leaf(Leaf),
}

/// A value and where it was set.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Variables and flags are texts, whose type is that of the setting; a file's values have types of their own.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Toml(toml::Value),
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Toml(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{}", toml::Value::String(text.clone())),
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::Section(BTreeMap::new())
    }
}

impl Node {
    pub(super) fn of_table(table: toml::Table, origin: &Origin) -> Self {
        let node = |value| match value {
            toml::Value::Table(inner) => Self::of_table(inner, origin),
            value => Self::Leaf(Leaf { value: Value::Toml(value), origin: origin.clone() }),
        };
        Self::Section(table.into_iter().map(|(key, value)| (key, node(value))).collect())
    }

    /// Puts a value at `path`; what was there or on the way gives way.
    pub(super) fn set(&mut self, path: &[String], leaf: Leaf) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::Leaf(leaf);
            return;
        };
        if let Self::Leaf(_) = self {
            *self = Self::default();
        }
        if let Self::Section(children) = self {
            children.entry(first.clone()).or_default().set(rest, leaf);
        }
    }

    /// Lays `over` on top: its values win, sections are joined.
    pub(super) fn lay(&mut self, over: &Self) {
        match (self, over) {
            (Self::Section(below), Self::Section(above)) => {
                for (key, node) in above {
                    match below.get_mut(key) {
                        Some(found) => found.lay(node),
                        None => drop(below.insert(key.clone(), node.clone())),
                    }
                }
            }
            (below, above) => *below = above.clone(),
        }
    }

    /// Where the value at `path` (or, for a section, anything in it) was set.
    pub(super) fn origin(&self, path: &[String]) -> Option<Origin> {
        match (self, path.split_first()) {
            (Self::Leaf(leaf), _) => Some(leaf.origin.clone()),
            (Self::Section(children), Some((first, rest))) => children.get(first)?.origin(rest),
            (Self::Section(children), None) => children.values().find_map(|child| child.origin(&[])),
        }
    }
}

//! Breaking the engine and its connectors on purpose: a check that nothing has ever failed proves nothing.

use thalweg_connectors::elasticsearch::{Rule, Rules};
use thalweg_core::sabotage::{Bug, Conduct};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The engine has a bug.
    Engine(Bug),
    /// The document sink breaks one of its rules.
    Documents(Rule),
    /// The dead-letter sink believes every answer to be an acknowledgement.
    DeadLettersBelieved,
    /// Each lane of the dead-letter sink drops what the topic refuses for its size.
    LargeDeadLettersDropped,
}

impl Sabotage {
    /// Every sabotage.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let engine = Bug::ALL.into_iter().map(Self::Engine);
        let documents = Rule::ALL.into_iter().map(Self::Documents);
        engine.chain(documents).chain([Self::DeadLettersBelieved, Self::LargeDeadLettersDropped]).collect()
    }

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> String {
        let camel = match self {
            Self::Engine(bug) => format!("{bug:?}"),
            Self::Documents(rule) => format!("Documents{rule:?}Broken"),
            Self::DeadLettersBelieved => "DeadLettersBelieved".to_owned(),
            Self::LargeDeadLettersDropped => "LargeDeadLettersDropped".to_owned(),
        };
        let mut name = String::new();
        for letter in camel.chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|sabotage| sabotage.name() == name)
    }
}

/// How the engine and the connectors of a simulation behave: sound, or with one sabotage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behaviour(pub Option<Sabotage>);

impl Conduct for Behaviour {
    fn has(&self, bug: Bug) -> bool {
        self.0 == Some(Sabotage::Engine(bug))
    }
}

impl Rules for Behaviour {
    fn keep(&self, rule: Rule) -> bool {
        self.0 != Some(Sabotage::Documents(rule))
    }
}

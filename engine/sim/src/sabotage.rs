//! Breaking the engine and its connectors on purpose: a check that nothing has ever failed proves nothing.

use thalweg_connectors::elasticsearch::{Rule, Rules};
use thalweg_core::sabotage::{Bug, Conduct, ExactlyOnceBug};

use crate::campaign::Guarantee;

/// A plausible bug of whatever drives an exactly-once worker and its producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverBug {
    /// Restores to the changelog's last stable offset instead of its end.
    RestoreToLastStable,
    /// Restores to where the changelog ended when the process first had to do with it.
    RestoreToOldEnd,
    /// Restores what is not committed too.
    RestoreUncommitted,
    /// Takes positions while a transaction is open that may change them.
    UnstablePositions,
    /// Commits offsets beside the transaction.
    OffsetsOutsideTransaction,
    /// Sends offsets without saying of which member and generation: the group fences nobody.
    NoGroupMetadata,
    /// Goes on with the producer it has when a new one is asked for.
    SameProducerAgain,
    /// Every life of a process has a transactional id of its own.
    FreshTransactionalIds,
    /// Lets transactions last for as long as brokers allow by default.
    LongTransactionTimeout,
    /// Reads the changelog behind a snapshot from one record too late.
    ResumeOneTooLate,
}

impl DriverBug {
    /// Every bug.
    pub const ALL: [Self; 10] = [
        Self::RestoreToLastStable,
        Self::RestoreToOldEnd,
        Self::RestoreUncommitted,
        Self::UnstablePositions,
        Self::OffsetsOutsideTransaction,
        Self::NoGroupMetadata,
        Self::SameProducerAgain,
        Self::FreshTransactionalIds,
        Self::LongTransactionTimeout,
        Self::ResumeOneTooLate,
    ];
}

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The engine has a bug.
    Engine(Bug),
    /// The exactly-once worker has a bug.
    ExactlyOnce(ExactlyOnceBug),
    /// What drives the exactly-once worker has a bug.
    Driver(DriverBug),
    /// The document sink breaks one of its rules.
    Documents(Rule),
    /// The dead-letter sink believes every answer to be an acknowledgement.
    DeadLettersBelieved,
    /// Each lane of the dead-letter sink drops what the topic refuses for its size.
    LargeDeadLettersDropped,
    /// Calls that may have been made are made again as soon as nothing is known of them.
    CallsNotSettled,
}

impl Sabotage {
    /// Every sabotage.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let engine = Bug::ALL.into_iter().map(Self::Engine);
        let documents = Rule::ALL.into_iter().map(Self::Documents);
        let sinks = [Self::DeadLettersBelieved, Self::LargeDeadLettersDropped, Self::CallsNotSettled];
        let exactly_once = ExactlyOnceBug::ALL.into_iter().map(Self::ExactlyOnce);
        let driver = DriverBug::ALL.into_iter().map(Self::Driver);
        engine.chain(documents).chain(sinks).chain(exactly_once).chain(driver).collect()
    }

    /// Which histories show it.
    #[must_use]
    pub fn guarantee(self) -> Guarantee {
        match self {
            Self::ExactlyOnce(_) | Self::Driver(_) => Guarantee::ExactlyOnce,
            Self::CallsNotSettled
            | Self::Engine(
                Bug::CloseBeforeFollowUp
                | Bug::ForgetFollowUps
                | Bug::DropFollowUpsOnRevoke
                | Bug::ForgetWhoWasBefore,
            ) => Guarantee::Calls,
            _ => Guarantee::AtLeastOnce,
        }
    }

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> String {
        let camel = match self {
            Self::Engine(bug) => format!("{bug:?}"),
            Self::ExactlyOnce(bug) => format!("{bug:?}"),
            Self::Driver(bug) => format!("{bug:?}"),
            Self::Documents(rule) => format!("Documents{rule:?}Broken"),
            Self::DeadLettersBelieved => "DeadLettersBelieved".to_owned(),
            Self::LargeDeadLettersDropped => "LargeDeadLettersDropped".to_owned(),
            Self::CallsNotSettled => "CallsNotSettled".to_owned(),
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

    fn breaks(&self, bug: ExactlyOnceBug) -> bool {
        self.0 == Some(Sabotage::ExactlyOnce(bug))
    }
}

impl Rules for Behaviour {
    fn keep(&self, rule: Rule) -> bool {
        self.0 != Some(Sabotage::Documents(rule))
    }
}

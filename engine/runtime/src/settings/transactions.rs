//! The sections `[transactions]` and `[state]`, which exactly-once pipelines have.

use serde::{Deserialize, Serialize};

use super::error::{SettingError, within};

/// How an exactly-once flow commits. How often is `engine.commit_interval_ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransactionSettings {
    /// What transactional ids begin with; empty: the consumer group's id.
    pub id_prefix: String,
    /// A name that this instance alone has, also after a restart: a restart then ends at once what a crash left open.
    /// Absent: `kafka.group.instance_id`; without that too, what a crash leaves open ends by its timeout.
    pub instance: Option<String>,
    /// How long a transaction may take, and how long readers of what is committed wait for an instance that died in one.
    pub timeout_ms: u64,
    /// Records and timers of a transaction at most.
    pub runs_max: u32,
    /// Bytes that a transaction writes before it ends.
    pub bytes_max: u64,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self {
            id_prefix: String::new(),
            instance: None,
            timeout_ms: 10_000,
            runs_max: 50_000,
            bytes_max: 16 << 20,
        }
    }
}

/// The state of an exactly-once flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateSettings {
    /// The topic it is written to; empty: the consumer group's id, the operator's name and `changelog`, with dots between.
    pub changelog_topic: String,
    /// Bytes of memory for the state of all partitions of the topic together: each may have its part of it.
    pub bytes_max: u64,
    /// A folder of this machine in which snapshots of the state are kept, so that a restart reads only what the changelog has
    /// got since; empty: none are. Each instance needs its own; flows of one process may share it.
    pub snapshot_folder: String,
    /// Time from one snapshot of a partition to the next, while its state changes.
    pub snapshot_interval_ms: u64,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self {
            changelog_topic: String::new(),
            bytes_max: 96 << 20,
            snapshot_folder: String::new(),
            snapshot_interval_ms: 60_000,
        }
    }
}

impl TransactionSettings {
    /// Checks what types don't; keys are named below `transactions`.
    ///
    /// # Errors
    /// The first value that can't be.
    pub fn check(&self) -> Result<(), SettingError> {
        within("transactions.timeout_ms", self.timeout_ms, 1_000, 900_000)?;
        within("transactions.runs_max", self.runs_max.into(), 1, 10_000_000)?;
        within("transactions.bytes_max", self.bytes_max, 1, 1 << 30)?;
        for (key, value) in
            [("id_prefix", Some(&self.id_prefix)), ("instance", self.instance.as_ref())].into_iter()
        {
            if value.is_some_and(|value| value.len() > NAME_BYTES_MAX || value.contains('\0')) {
                let allowed = format!("must be a name of at most {NAME_BYTES_MAX} bytes");
                return Err(SettingError::new(
                    &format!("transactions.{key}"),
                    format!("{:?}", value.map_or("", String::as_str)),
                    allowed,
                ));
            }
        }
        Ok(())
    }
}

/// Brokers keep transactional ids as records' keys; no name needs more.
const NAME_BYTES_MAX: usize = 200;

impl StateSettings {
    /// Checks what types don't; keys are named below `state`.
    ///
    /// # Errors
    /// The first value that can't be.
    pub fn check(&self) -> Result<(), SettingError> {
        within("state.bytes_max", self.bytes_max, 1 << 20, 1 << 40)?;
        within("state.snapshot_interval_ms", self.snapshot_interval_ms, 100, 86_400_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_is_named() {
        assert!(TransactionSettings::default().check().is_ok() && StateSettings::default().check().is_ok());
        let refused = |settings: TransactionSettings| settings.check().unwrap_err().to_string();
        let said = refused(TransactionSettings { timeout_ms: 999, ..TransactionSettings::default() });
        assert!(said.contains("transactions.timeout_ms") && said.contains("from 1000 to 900000"), "{said}");
        let long = Some("x".repeat(201));
        let said = refused(TransactionSettings { instance: long, ..TransactionSettings::default() });
        assert!(said.contains("transactions.instance"), "{said}");
        let small = StateSettings { bytes_max: 1, ..StateSettings::default() };
        assert!(small.check().unwrap_err().to_string().contains("state.bytes_max"));
    }
}

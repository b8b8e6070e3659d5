//! What one flow of a program with several may have for itself.

use serde::{Deserialize, Serialize};

use super::engine::EngineSettings;

/// How the engine runs this flow, where that differs from `[engine]`; what is absent is as there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowSettings {
    /// Workers: each is a thread and a member of the flow's group.
    pub workers: Option<u16>,
    /// Records whose outcome may be open, for each worker.
    pub open_records_max: Option<u32>,
    /// Time between commits.
    pub commit_interval_ms: Option<u64>,
    /// How long what is in the air of a revoked partition is waited for.
    pub revoke_deadline_ms: Option<u64>,
    /// Go on from the oldest record there is when retention removed records that were not read yet.
    pub accept_lost_offsets: Option<bool>,
}

impl FlowSettings {
    /// `[engine]` as it is for this flow.
    pub(crate) fn over(&self, engine: &EngineSettings) -> EngineSettings {
        EngineSettings {
            workers: self.workers.unwrap_or(engine.workers),
            open_records_max: self.open_records_max.unwrap_or(engine.open_records_max),
            commit_interval_ms: self.commit_interval_ms.unwrap_or(engine.commit_interval_ms),
            revoke_deadline_ms: self.revoke_deadline_ms.unwrap_or(engine.revoke_deadline_ms),
            accept_lost_offsets: self.accept_lost_offsets.unwrap_or(engine.accept_lost_offsets),
            ..engine.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_wins_over_the_engines() {
        let engine = EngineSettings { workers: 3, commit_interval_ms: 700, ..EngineSettings::default() };
        assert_eq!(FlowSettings::default().over(&engine), engine);
        let own = FlowSettings {
            workers: Some(1),
            open_records_max: Some(2),
            commit_interval_ms: Some(30),
            revoke_deadline_ms: Some(4),
            accept_lost_offsets: Some(true),
        };
        let EngineSettings {
            workers: 1,
            open_records_max: 2,
            commit_interval_ms: 30,
            revoke_deadline_ms: 4,
            accept_lost_offsets: true,
            ..
        } = own.over(&engine)
        else {
            panic!("something is as in [engine]: {:?}", own.over(&engine));
        };
    }
}

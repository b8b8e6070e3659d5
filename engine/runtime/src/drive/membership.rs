//! A worker's place in the group: what it means when it is lost, refused, or somebody else's.

use thalweg_core::time::Now;

/// A commit that was on its way while the partitions were lost ends within this; one that waits longer has timed out.
const FENCED_AFTER_LOSS_MS: u64 = 60_000;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// The source is of no use (any more), and owns nothing: another one is to try.
    pub(super) joins_anew: bool,
    /// When the group last gave partitions of ours away.
    lost_ms: Option<u64>,
}

/// What follows for the driver.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// Another source may do better.
    AnotherSource(String),
    /// The flow must not go on.
    Failure(String),
}

impl Membership {
    /// The group has given partitions of ours away.
    pub(super) fn lost(&mut self, now: Now) {
        self.lost_ms = Some(now.uptime_ms);
    }

    /// Somebody else still has our instance id.
    pub(super) fn refused(&mut self, reason: &str) {
        tracing::warn!("not let into the group yet, trying again: {reason}");
        self.joins_anew = true;
    }

    /// The client can do nothing any more; `joined`: it was a member before.
    pub(super) fn broken(reason: String, joined: bool) -> Follows {
        if joined {
            Follows::AnotherSource(reason)
        } else {
            Follows::Failure(format!("the Kafka client can't go on: {reason}"))
        }
    }

    /// The group has put another member in our place.
    pub(super) fn fenced(&self, reason: String, now: Now) -> Follows {
        let lost_lately = |lost_ms: u64| now.uptime_ms.saturating_sub(lost_ms) < FENCED_AFTER_LOSS_MS;
        // The client had come back by itself as another member: what fenced its commit is itself.
        if self.lost_ms.is_some_and(lost_lately) {
            return Follows::AnotherSource(reason);
        }
        let why = "another member has the same instance id (kafka.group.instance_id must differ)";
        Follows::Failure(format!("the group has put another in our place: {why}: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(uptime_ms: u64) -> Now {
        Now { uptime_ms, unix_ms: 0 }
    }

    #[test]
    fn who_is_fenced_soon_after_a_loss_was_fenced_by_itself() {
        let mut membership = Membership::default();
        let fenced = |membership: &Membership, at_ms| membership.fenced("no".into(), at(at_ms));
        assert!(matches!(fenced(&membership, 100), Follows::Failure(text) if text.contains("instance_id")));
        membership.lost(at(1_000));
        assert_eq!(fenced(&membership, 60_999), Follows::AnotherSource("no".into()));
        assert!(matches!(fenced(&membership, 61_000), Follows::Failure(_)));
    }
}

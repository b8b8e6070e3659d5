//! The group's coordinator: members, generations, eager and cooperative rebalances, static membership, sessions.
//!
//! A round takes partitions away first and hands them out once all of them are released; members that do not answer
//! in time are expelled. Commits are taken from members of the current generation only.

use std::collections::{BTreeMap, BTreeSet};

/// A member as the coordinator names it; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberId(pub(crate) u64);

/// What the coordinator tells a member.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    Revoke(Vec<u32>),
    Assign { partitions: Vec<u32>, generation: u64 },
}

/// Whether a commit is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Taken,
    /// A rebalance is under way: try again.
    Later,
    /// Nobody knows that member any more.
    Fenced,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupSettings {
    pub(crate) cooperative: bool,
    pub(crate) session_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
}

#[derive(Debug)]
struct Member {
    instance: Option<usize>,
    seen_ms: u64,
    generation: u64,
    owned: BTreeSet<u32>,
    /// Asked to release these.
    releasing: BTreeSet<u32>,
}

#[derive(Debug)]
pub(crate) struct Group {
    settings: GroupSettings,
    partitions: u32,
    members: BTreeMap<MemberId, Member>,
    next_member: u64,
    generation: u64,
    /// Since when a round is under way.
    round_since_ms: Option<u64>,
    /// Something changed during the round: another follows.
    again: bool,
    shuffles: bool,
    pub(crate) rounds: u64,
    pub(crate) notices: Vec<(MemberId, Notice)>,
}

impl Group {
    pub(crate) fn new(settings: GroupSettings, partitions: u32) -> Self {
        Self {
            settings,
            partitions,
            members: BTreeMap::new(),
            next_member: 1,
            generation: 0,
            round_since_ms: None,
            again: false,
            shuffles: false,
            rounds: 0,
            notices: Vec::new(),
        }
    }

    /// A process joins. A static member that was there before takes its partitions back at once.
    pub(crate) fn join(&mut self, instance: Option<usize>, now_ms: u64, rng: &mut fastrand::Rng) -> MemberId {
        let id = MemberId(self.next_member);
        self.next_member += 1;
        let mut member = Member {
            instance,
            seen_ms: now_ms,
            generation: 0,
            owned: BTreeSet::new(),
            releasing: BTreeSet::new(),
        };
        let before = self.members.iter().find(|(_, other)| instance.is_some() && other.instance == instance);
        let before = before.map(|(id, _)| *id);
        let predecessor = before.and_then(|before| self.members.remove(&before));
        match predecessor {
            Some(predecessor) if self.round_since_ms.is_none() => {
                member.owned = predecessor.owned;
                member.generation = self.generation;
                let partitions = member.owned.iter().copied().collect();
                self.notices.push((id, Notice::Assign { partitions, generation: self.generation }));
                self.members.insert(id, member);
            }
            _ => {
                self.members.insert(id, member);
                self.rebalance(now_ms, rng);
            }
        }
        id
    }

    /// A member leaves on its own account.
    pub(crate) fn leave(&mut self, id: MemberId, now_ms: u64, rng: &mut fastrand::Rng) {
        if self.members.remove(&id).is_some() {
            self.rebalance(now_ms, rng);
        }
    }

    /// A sign of life; answers whether the member is known.
    pub(crate) fn heartbeat(&mut self, id: MemberId, now_ms: u64) -> bool {
        match self.members.get_mut(&id) {
            Some(member) => {
                member.seen_ms = now_ms;
                true
            }
            None => false,
        }
    }

    /// Expels whoever was silent for a session, or keeps a round waiting for too long.
    pub(crate) fn expel(&mut self, now_ms: u64, rng: &mut fastrand::Rng) {
        let session_ms = self.settings.session_ms;
        let slow =
            self.round_since_ms.is_some_and(|since| now_ms - since > self.settings.rebalance_timeout_ms);
        let before = self.members.len();
        self.members.retain(|_, member| {
            member.seen_ms + session_ms >= now_ms && (!slow || member.releasing.is_empty())
        });
        if self.members.len() < before {
            self.rebalance(now_ms, rng);
        }
        self.finish_round(now_ms, rng);
    }

    /// A member has released partitions that it was asked for.
    pub(crate) fn released(
        &mut self,
        id: MemberId,
        partitions: &[u32],
        now_ms: u64,
        rng: &mut fastrand::Rng,
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        for partition in partitions {
            member.owned.remove(partition);
            member.releasing.remove(partition);
        }
        self.finish_round(now_ms, rng);
    }

    /// An assignment has reached its member.
    pub(crate) fn commit(&self, id: MemberId, generation: u64) -> Admission {
        match self.members.get(&id) {
            None => Admission::Fenced,
            Some(member) if member.generation != generation => Admission::Later,
            Some(_) => Admission::Taken,
        }
    }

    /// Who owns a partition.
    pub(crate) fn owner(&self, partition: u32) -> Option<MemberId> {
        self.members.iter().find(|(_, member)| member.owned.contains(&partition)).map(|(id, _)| *id)
    }

    /// Rebalances although nobody came or went, with a new distribution.
    pub(crate) fn shuffle(&mut self, now_ms: u64, rng: &mut fastrand::Rng) {
        self.shuffles = true;
        self.rebalance(now_ms, rng);
    }

    fn rebalance(&mut self, now_ms: u64, rng: &mut fastrand::Rng) {
        if self.round_since_ms.is_some() {
            self.again = true;
            self.finish_round(now_ms, rng);
            return;
        }
        self.rounds += 1;
        self.round_since_ms = Some(now_ms);
        let target = self.target(rng);
        for (id, member) in &mut self.members {
            let stays =
                |partition: &u32| !self.settings.cooperative || target[*partition as usize] != Some(*id);
            member.releasing = member.owned.iter().copied().filter(stays).collect();
            if !member.releasing.is_empty() {
                let partitions = member.releasing.iter().copied().collect();
                self.notices.push((*id, Notice::Revoke(partitions)));
            }
        }
        self.finish_round(now_ms, rng);
    }

    /// Hands out what is free once nothing is waited for.
    fn finish_round(&mut self, now_ms: u64, rng: &mut fastrand::Rng) {
        if self.round_since_ms.is_none() || self.members.values().any(|member| !member.releasing.is_empty()) {
            return;
        }
        self.round_since_ms = None;
        self.generation += 1;
        let target = self.target(rng);
        let owned: BTreeSet<u32> = self.members.values().flat_map(|member| member.owned.clone()).collect();
        for (id, member) in &mut self.members {
            let free =
                |partition: &u32| target[*partition as usize] == Some(*id) && !owned.contains(partition);
            let partitions: Vec<u32> = (0..self.partitions).filter(free).collect();
            member.owned.extend(&partitions);
            member.generation = self.generation;
            self.notices.push((*id, Notice::Assign { partitions, generation: self.generation }));
        }
        let all: usize = self.members.values().map(|member| member.owned.len()).sum();
        let incomplete = !self.members.is_empty() && all < self.partitions as usize;
        if std::mem::take(&mut self.again) || incomplete {
            self.rebalance(now_ms, rng);
        }
    }

    /// Who should own what: as it is where that is balanced, unless partitions are to be shuffled.
    fn target(&mut self, rng: &mut fastrand::Rng) -> Vec<Option<MemberId>> {
        let ids: Vec<MemberId> = self.members.keys().copied().collect();
        let mut target = vec![None; self.partitions as usize];
        if ids.is_empty() {
            return target;
        }
        let quota = (self.partitions as usize).div_ceil(ids.len());
        let mut load: BTreeMap<MemberId, usize> = ids.iter().map(|id| (*id, 0)).collect();
        if !std::mem::take(&mut self.shuffles) {
            for (id, member) in &self.members {
                for partition in member.owned.iter().take(quota) {
                    target[*partition as usize] = Some(*id);
                    *load.entry(*id).or_default() += 1;
                }
            }
        }
        let turn = rng.usize(0..ids.len());
        for place in target.iter_mut().filter(|place| place.is_none()) {
            let order = (0..ids.len()).map(|step| ids[(turn + step) % ids.len()]);
            let least = order.min_by_key(|id| load.get(id).copied().unwrap_or(0));
            if let Some(id) = least {
                *place = Some(id);
                *load.entry(id).or_default() += 1;
            }
        }
        target
    }
}

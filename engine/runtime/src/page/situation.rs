//! What is going on, in one sentence.

use serde::Serialize;

/// Whether somebody has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Something is under way; it ends by itself.
    Busy,
    /// Something outside, or here, is broken.
    Bad,
}

/// The sentence, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Situation {
    pub(crate) tone: Tone,
    /// A stable word for the case.
    pub(crate) case: &'static str,
    pub(crate) text: String,
}

/// A sink whose breaker is not closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Down {
    /// What the outside system is called.
    pub(crate) system: &'static str,
    pub(crate) for_ms: u64,
    pub(crate) why: String,
}

/// What the sentence is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) stopping: bool,
    /// A worker's number, and how long it has not looked up, when that is too long.
    pub(crate) silent: Option<(usize, u64)>,
    pub(crate) down: Option<Down>,
    /// How long the brokers have not told where the log ends, when that is too long.
    pub(crate) brokers_silent_ms: Option<u64>,
    pub(crate) joined: bool,
    pub(crate) partitions: usize,
    /// No more records are let in: memory, or their number.
    pub(crate) is_full: bool,
    pub(crate) open: u64,
    pub(crate) lag: u64,
    pub(crate) parked_keys: usize,
    pub(crate) in_per_second: f64,
    pub(crate) out_per_second: f64,
    pub(crate) p99_ms: Option<u64>,
    /// Since a commit was confirmed, when something waits for one and it takes too long.
    pub(crate) commit_late_ms: Option<u64>,
    /// Since a record got its outcome, or none was open.
    pub(crate) without_end_ms: u64,
    /// What a sink said last.
    pub(crate) last_error: Option<String>,
}

/// Nothing ends for so long while something is open: a bulk request may take its 30 s, but then somebody should look.
const STUCK_MS: u64 = 10_000;

/// A lag of more than so many seconds' work is told.
const BEHIND_SECONDS: f64 = 3.0;

/// A smaller lag is what comes in between two looks.
const BEHIND_RECORDS: u64 = 1_000;

impl Facts {
    /// The first that is the case, worst first.
    pub(crate) fn situation(&self) -> Situation {
        self.broken().or_else(|| self.under_way()).unwrap_or_else(|| self.in_order())
    }

    fn broken(&self) -> Option<Situation> {
        let bad = |case, text| Some(Situation { tone: Tone::Bad, case, text });
        if let Some((worker, ms)) = self.silent {
            return bad(
                "silent",
                format!("Stuck: worker {worker} has not looked up from its work for {}.", spoken(ms)),
            );
        }
        if let Some(Down { system, for_ms, why }) = &self.down {
            // Reading waits as soon as every lane has its next flight waiting, mostly long before memory is full.
            let has_paused = self.is_full || (self.lag > 0 && self.in_per_second < 1.0);
            let reading = if has_paused {
                "enough waits for it, so reading has paused"
            } else {
                "reading goes on until enough waits for it"
            };
            let since = spoken(*for_ms);
            let text = format!("{system} has been down for {since} ({why}); {reading}; nothing is lost.");
            return bad("sink_down", text);
        }
        if let Some(ms) = self.brokers_silent_ms {
            let text = format!(
                "Kafka has not answered for {}; reading goes on when it does; nothing is lost.",
                spoken(ms)
            );
            return bad("brokers_silent", text);
        }
        if let Some(ms) = self.commit_late_ms {
            let text = format!(
                "No commit has been confirmed for {}: effects are safe, but a restart would do them again.",
                spoken(ms)
            );
            return bad("commit_late", text);
        }
        if self.open > 0 && self.without_end_ms >= STUCK_MS {
            let (since, open) = (spoken(self.without_end_ms), counted(self.open, "record"));
            let why = self.last_error.as_ref().map_or_else(String::new, |why| format!(" Last error: {why}."));
            let parked = self.parked();
            return bad(
                "stuck",
                format!("Stuck: nothing has finished for {since}, {open} on the way{parked}.{why}"),
            );
        }
        None
    }

    fn under_way(&self) -> Option<Situation> {
        let busy = |case, text| Some(Situation { tone: Tone::Busy, case, text });
        if self.stopping {
            return busy(
                "stopping",
                format!("Stopping: finishing {} that were read.", counted(self.open, "record")),
            );
        }
        if !self.joined {
            return busy("joining", "Starting: waiting for the group to give out partitions.".to_owned());
        }
        if self.partitions == 0 {
            return busy(
                "standby",
                "Standing by: other members of the group have all partitions.".to_owned(),
            );
        }
        let behind = self.lag > BEHIND_RECORDS && self.lag as f64 > self.out_per_second * BEHIND_SECONDS;
        if behind && self.out_per_second >= 1.0 {
            let left_ms = (self.lag as f64 / self.out_per_second * 1e3) as u64;
            let (lag, rate) = (grouped(self.lag), rate(self.out_per_second));
            let parked = self.parked();
            let text = format!(
                "Catching up: {lag} records behind, {rate} records/s, about {} of work{parked}.",
                spoken(left_ms)
            );
            return busy("catching_up", text);
        }
        if self.open == 0 && self.lag > 0 && self.in_per_second == 0.0 && self.out_per_second == 0.0 {
            let text = format!(
                "Waiting: the log ends {} further on, but the broker hands out none (open transactions, or a partition \
                 that is just being prepared).",
                counted(self.lag, "record")
            );
            return busy("waiting", text);
        }
        None
    }

    fn in_order(&self) -> Situation {
        let parked = self.parked();
        let tone = if self.parked_keys > 0 { Tone::Busy } else { Tone::Good };
        if self.in_per_second == 0.0 && self.out_per_second == 0.0 && self.open == 0 {
            let text = "Idle: everything on the topic is done; waiting for records.".to_owned();
            return Situation { tone: Tone::Good, case: "idle", text };
        }
        let p99 = self.p99_ms.map_or_else(String::new, |ms| format!(", p99 {}", precisely(ms)));
        let text = format!("Keeping up: {} records/s{p99}{parked}.", rate(self.out_per_second));
        Situation { tone, case: "keeping_up", text }
    }

    fn parked(&self) -> String {
        match self.parked_keys {
            0 => String::new(),
            1 => "; 1 key waits for a retry".to_owned(),
            keys => format!("; {} keys wait for a retry", grouped(keys as u64)),
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 10.0 {
        format!("{per_second:.1}")
    } else {
        grouped(per_second.round() as u64)
    }
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A latency.
fn precisely(ms: u64) -> String {
    if ms < 10_000 { format!("{} ms", grouped(ms)) } else { spoken(ms) }
}

/// A time as people say it, in whole units.
fn spoken(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Facts {
        Facts {
            joined: true,
            partitions: 4,
            open: 100,
            in_per_second: 2_013.2,
            out_per_second: 2_013.4,
            p99_ms: Some(8),
            ..Facts::default()
        }
    }

    fn said(facts: &Facts) -> (Tone, String) {
        let Situation { tone, text, .. } = facts.situation();
        (tone, text)
    }

    #[test]
    fn in_order() {
        assert_eq!(said(&running()), (Tone::Good, "Keeping up: 2,013 records/s, p99 8 ms.".into()));
        let parked = Facts { parked_keys: 1, ..running() };
        assert_eq!(said(&parked).0, Tone::Busy);
        assert!(said(&parked).1.ends_with("; 1 key waits for a retry."));
        let idle = Facts { open: 0, in_per_second: 0.0, out_per_second: 0.0, ..running() };
        assert_eq!(idle.situation().case, "idle");
    }

    #[test]
    fn under_way() {
        let behind = Facts { lag: 1_200_000, out_per_second: 40_000.0, ..running() };
        let text = "Catching up: 1,200,000 records behind, 40,000 records/s, about 30 s of work.";
        assert_eq!(said(&behind), (Tone::Busy, text.into()));
        assert_eq!(Facts { lag: 3_000, ..running() }.situation().case, "keeping_up");
        assert_eq!(Facts { joined: false, ..running() }.situation().case, "joining");
        assert_eq!(Facts { partitions: 0, ..running() }.situation().case, "standby");
        assert_eq!(Facts { stopping: true, ..running() }.situation().case, "stopping");
        let held = Facts { open: 0, lag: 3, in_per_second: 0.0, out_per_second: 0.0, ..running() };
        assert_eq!(held.situation().case, "waiting");
    }

    #[test]
    fn broken_goes_before_everything() {
        let down = Down { system: "Elasticsearch", for_ms: 12_300, why: "connection refused".into() };
        let facts = Facts { down: Some(down), without_end_ms: 60_000, stopping: true, ..running() };
        let text = "Elasticsearch has been down for 12 s (connection refused); reading goes on until enough waits for \
                    it; nothing is lost.";
        assert_eq!(said(&facts), (Tone::Bad, text.into()));
        let full = said(&Facts { is_full: true, ..facts }).1;
        assert!(full.contains("reading has paused"), "{full}");
        let stuck =
            Facts { without_end_ms: 15_000, last_error: Some("429".into()), parked_keys: 3, ..running() };
        let text = "Stuck: nothing has finished for 15 s, 100 records on the way; 3 keys wait for a retry. Last error: \
                    429.";
        assert_eq!(said(&stuck), (Tone::Bad, text.into()));
        assert_eq!(Facts { without_end_ms: 15_000, open: 0, ..running() }.situation().case, "keeping_up");
        assert_eq!(Facts { silent: Some((1, 16_000)), ..running() }.situation().case, "silent");
        assert_eq!(Facts { brokers_silent_ms: Some(16_000), ..running() }.situation().case, "brokers_silent");
        assert_eq!(Facts { commit_late_ms: Some(16_000), ..running() }.situation().case, "commit_late");
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let spoken_all = [0, 119_999, 120_000, 7_200_000, 172_800_000].map(spoken);
        assert_eq!(spoken_all, ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}

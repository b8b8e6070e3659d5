//! What the ticketing run says.

use serde::Serialize;
use serde_json::Value;

use super::indexer::SESSION_MS;
use super::settings::TicketingSettings;

/// What happened, before it is judged.
pub(crate) struct Course {
    pub(crate) seed: u64,
    pub(crate) protocol: &'static str,
    pub(crate) planned: usize,
    pub(crate) killed: usize,
    /// Of those, after which partitions went to others.
    pub(crate) moved: usize,
    pub(crate) unexpected_exits: u64,
    pub(crate) stops_unclean: u64,
    /// The report of `ticketing-load`.
    pub(crate) loaded: Value,
    /// That of `ticketing-audit`.
    pub(crate) audit: Value,
}

/// The last line of output.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    run: &'static str,
    miniature: bool,
    seed: u64,
    protocol: &'static str,
    session_timeout_ms: u64,
    partitions: u32,
    kills: usize,
    /// Those after which the partitions went to others.
    kills_for_longer_than_the_session: usize,
    unexpected_exits: u64,
    stops_unclean: u64,
    load: Value,
    audit: Value,
    /// Why it is not ok.
    pub(crate) problems: Vec<String>,
    pub(crate) ok: bool,
}

impl Report {
    pub(crate) fn of(settings: &TicketingSettings, course: Course) -> Self {
        let mut problems = wanting(settings, &course.audit["counts"]);
        if course.audit["ok"] != Value::Bool(true) {
            problems.insert(0, format!("rules are broken: {}", course.audit["broken"]));
        }
        if course.unexpected_exits + course.stops_unclean > 0 {
            let Course { unexpected_exits, stops_unclean, .. } = course;
            problems.push(format!(
                "{unexpected_exits} ended by themselves, {stops_unclean} did not stop as told"
            ));
        }
        if course.killed < course.planned {
            let Course { killed, planned, .. } = course;
            problems.push(format!("only {killed} of {planned} kills found somebody at work"));
        }
        Self {
            run: "ticketing",
            miniature: settings.place.miniature,
            seed: course.seed,
            protocol: course.protocol,
            session_timeout_ms: SESSION_MS,
            partitions: settings.place.partitions,
            kills: course.killed,
            kills_for_longer_than_the_session: course.moved,
            unexpected_exits: course.unexpected_exits,
            stops_unclean: course.stops_unclean,
            load: course.loaded,
            audit: course.audit,
            ok: problems.is_empty(),
            problems,
        }
    }
}

/// Of what there was too little for the run to prove anything.
fn wanting(settings: &TicketingSettings, counts: &Value) -> Vec<String> {
    let tickets = u64::from(settings.tickets());
    // Of each ticket, what a full run of 1,000 must have; a miniature has no time for as many.
    let least = if settings.place.miniature {
        [
            ("orders", tickets),
            ("paid", tickets),
            ("expired", 10),
            ("cancelled", 10),
            ("failed", 2),
            ("refused", 50),
        ]
    } else {
        [
            ("orders", tickets * 4),
            ("paid", tickets),
            ("expired", tickets),
            ("cancelled", tickets / 2),
            ("failed", tickets / 5),
            ("refused", tickets * 10),
        ]
    };
    let found = |name: &str| counts[name].as_u64().unwrap_or_default();
    let too_few = least.into_iter().filter(|(name, least)| found(name) < *least);
    too_few.map(|(name, least)| format!("{name}: {} instead of at least {least}", found(name))).collect()
}

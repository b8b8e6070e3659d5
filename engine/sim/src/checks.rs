//! The invariants, each with its name.

pub(crate) mod ledger;
pub(crate) mod patience;
pub(crate) mod sightings;

/// Names of the invariants, with what each says.
pub const INVARIANTS: [(&str, &str); 42] = [
    ("nothing_lost", "in the end every record is durable, dead-lettered, filtered, duplicate or superseded"),
    ("order", "in each order domain effects are applied in the order of the log"),
    ("key_waits_for_dead_letter", "nothing that must wait for a dead letter overtakes it"),
    ("commit_only_finished", "no commit is beyond an unfinished record"),
    ("metadata_only_finished", "no commit's metadata calls an unfinished record finished"),
    (
        "starts_where_last_told",
        "reading begins with the answer to the latest question for positions, not to an earlier one",
    ),
    ("commit_never_backwards", "no commit goes behind the one before"),
    ("commit_only_own", "no commit is for a partition of somebody else"),
    ("index_equals_reader", "in the end the outside systems hold what a sequential reader would have left"),
    ("calls_once", "a call that is looked up before it is made is made once"),
    ("calls_in_key_order", "calls of a key are made for the first time in the order of the log"),
    ("follow_ups_exact", "what follows from a call says what was answered to it"),
    ("dead_letters_exact", "exactly the records that can't be processed become dead letters"),
    ("dead_letters_whole", "a dead letter carries the original's key, value and headers"),
    ("dedupe_exact", "duplicates within the window have no effect"),
    ("only_expected_effects", "what is filtered, superseded or rejected has no effect"),
    ("finished_not_done_again", "what the broker knew to be finished is not done again"),
    ("one_request_per_lane", "a lane has one request out at a time"),
    ("one_write_per_domain", "a request holds one effect of an order domain"),
    ("accounts_add_up", "read = outcomes + given up + open"),
    ("memory_budget", "reserved bytes and open records keep their limits"),
    ("breaker_holds_back", "a sink that is down gets few requests"),
    (
        "fence_before_request",
        "after a suspension nothing is sent before a commit shows who owns the partitions",
    ),
    ("only_the_faulty_key_waits", "one item that is always refused holds up its own key only"),
    (
        "progress_after_healing",
        "once all faults have ended, lag and parked keys fall to zero in bounded time",
    ),
    ("stops_in_time", "a worker that is asked to stop has stopped at its deadline"),
    (
        "lost_offsets_stop_the_flow",
        "offsets that retention removed stop the flow, unless it accepts that, and are named exactly",
    ),
    (
        "outputs_once_in_key_order",
        "committed outputs are those of a sequential reader, once each, in the order of each key",
    ),
    (
        "letters_exactly_once",
        "exactly the records that can't be processed have a committed dead letter, once each",
    ),
    ("tables_exact", "every output shows the table as a sequential reader would have it"),
    ("timers_fire_once", "a timer fires once, and only while it is pending"),
    ("timers_never_early", "no timer fires before its deadline, whatever the wall clock does"),
    ("timers_in_deadline_order", "of a key's pending timers, the one that is due first fires first"),
    ("timers_not_lost", "in the end every timer that is due has fired"),
    ("offsets_agree_with_outputs", "committed positions and committed outputs are of the same records"),
    ("changelog_equals_reader", "a changelog restores to the rows and timers of a sequential reader"),
    ("readers_not_blocked", "no reader of committed records is held up longer than a transaction may last"),
    ("predecessor_ended", "a process that starts again has ended what its life before had left open"),
    ("no_transaction_left_open", "in the end no transaction is open"),
    ("state_limit", "no partition's state takes more than its limit"),
    ("flow_goes_on", "the flow does not stop with another error"),
    (NO_PANIC, "the engine does not panic"),
];

/// The one that is not of the checks: the engine has asserted something.
pub(crate) const NO_PANIC: &str = "no_panic";

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name: see [`INVARIANTS`].
    pub invariant: &'static str,
    /// What happened.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(INVARIANTS.iter().any(|(name, _)| *name == invariant), "{invariant} has no entry");
        Self { invariant, detail: detail.into() }
    }
}

/// What a check answers.
pub(crate) type Checked = Result<(), Violation>;

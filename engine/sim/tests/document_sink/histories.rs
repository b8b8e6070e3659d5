//! Whole histories, as wild as they come, must end as a sequential reader ends.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use thalweg_connectors::elasticsearch::{DocumentOptions, DocumentSink, Kept, Operation, Rule, Rules};
use thalweg_core::failure::Verdict;
use thalweg_core::sink::{Next, Request, SinkMachine};
use thalweg_sim::twins::elasticsearch::{ElasticsearchTwin, Faults, NoFaults};

use crate::flights::{Ask, Fate, LANE, flight, prepared_twin, reply, visible};

/// What a sequential reader of the log ends with: the documents, and the offsets of updates that found none though none
/// had been removed.
fn sequential(log: &[Ask]) -> (BTreeMap<String, Value>, BTreeSet<usize>) {
    let mut documents: BTreeMap<String, Value> = BTreeMap::new();
    let (mut removed, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for (offset, ask) in log.iter().enumerate() {
        let (Ask::Put(id, _) | Ask::Merge(id, _) | Ask::Remove(id)) = ask;
        let name = format!("tenant/key/{id}");
        match ask {
            Ask::Put(_, value) => drop(documents.insert(name, value.clone())),
            Ask::Remove(_) => {
                documents.remove(&name);
                removed.insert(name);
            }
            Ask::Merge(_, changes) => match documents.get_mut(&name) {
                Some(document) => {
                    merge_naively(document.as_object_mut().unwrap(), changes.as_object().unwrap())
                }
                None if !removed.contains(&name) => drop(missing.insert(offset)),
                None => {}
            },
        }
    }
    (documents, missing)
}

fn merge_naively(document: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        match (name.as_str(), document.get_mut(name), value) {
            ("metadata", Some(Value::Object(old)), Value::Object(new)) => {
                old.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            _ => drop(document.insert(name.clone(), value.clone())),
        }
    }
}

fn metadata() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        (0..9).prop_map(|n| json!(n)),
        "[a-z\"\\\\\n]{0,3}".prop_map(|s| json!(s))
    ];
    prop::collection::btree_map("[abc\"]{1,2}", value, 0..4).prop_map(|map| json!(map))
}

fn ask() -> impl Strategy<Value = Ask> {
    let fields = || ("[a-z\n ü]{0,4}", prop::option::of(metadata()));
    let document = |(content, metadata): (String, Option<Value>)| match metadata {
        Some(metadata) => json!({"content": content, "metadata": metadata}),
        None => json!({"content": content}),
    };
    prop_oneof![
        3 => (0..4_u8, fields()).prop_map(move |(id, fields)| Ask::Put(id, document(fields))),
        4 => (0..4_u8, fields()).prop_map(move |(id, fields)| Ask::Merge(id, document(fields))),
        2 => (0..4_u8).prop_map(Ask::Remove),
    ]
}

/// One step of a worker's unsteady life. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// Sends the next effects, at most one per document, with these fates for its requests and these item statuses.
    Fly { effects: usize, fates: [Fate; 2], refused_item: Option<(u8, u16)> },
    /// The worker crashes, and the next one starts some records back, with or without the bases of before (an epoch).
    Restart { back: usize },
    /// Elasticsearch restarts.
    ForgetDeletes,
    /// A request of an earlier life arrives only now.
    Late(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let fate =
        || prop_oneof![6 => Just(Fate::Answered), 1 => Just(Fate::AnswerLost), 1 => Just(Fate::NotSent)];
    let item = prop::option::weighted(0.2, (0..4_u8, prop::sample::select(vec![429_u16, 403, 503])));
    prop_oneof![
        8 => (1..5_usize, fate(), fate(), item)
            .prop_map(|(effects, a, b, refused_item)| Step::Fly { effects, fates: [a, b], refused_item }),
        1 => (0..12_usize).prop_map(|back| Step::Restart { back }),
        1 => Just(Step::ForgetDeletes),
        1 => (0..50_usize).prop_map(Step::Late),
    ]
}

struct RefusedItem(Option<(u8, u16)>);

impl Faults for RefusedItem {
    fn item(&mut self, _operation: Operation, id: &str) -> Option<u16> {
        let (number, status) = self.0?;
        id.ends_with(&format!("/{number}")).then_some(status)
    }
}

/// A worker that reads the log in order, keeps a failed effect and all later ones of its document back, and goes on.
struct Reader<R> {
    rules: R,
    sink: DocumentSink<R>,
    /// Offsets not done yet, in order.
    open: Vec<usize>,
    /// Requests of all its lives.
    requests: Vec<Request>,
    /// Offsets refused, in all its lives.
    refused: BTreeSet<usize>,
}

impl<R: Rules> Reader<R> {
    fn new(rules: R, log_len: usize) -> Self {
        let sink = DocumentSink::with_rules(
            DocumentOptions { bases_bytes: 2_000, ..DocumentOptions::default() },
            rules.clone(),
        );
        Self { rules, sink, open: (0..log_len).collect(), requests: Vec::new(), refused: BTreeSet::new() }
    }

    fn fly(
        &mut self,
        twin: &mut ElasticsearchTwin,
        log: &[Ask],
        effects: usize,
        fates: [Fate; 2],
        faults: &mut RefusedItem,
    ) {
        let (mut chosen, mut domains) = (Vec::new(), Vec::new());
        for &offset in &self.open {
            let (domain, _) = log[offset].encoded();
            if chosen.len() < effects && !domains.contains(&domain) {
                chosen.push(offset);
            }
            domains.push(domain);
        }
        if chosen.is_empty() {
            return;
        }
        let asks: Vec<_> = chosen.iter().map(|&offset| (offset as i64, log[offset].clone())).collect();
        let mut flight = flight(&asks);
        let mut fates = fates.into_iter();
        let mut next = self.sink.begin(LANE, &mut flight);
        while let Next::Send(request) = next {
            let reply = reply(twin, &request, fates.next().unwrap_or(Fate::Answered), faults);
            self.requests.push(request);
            next = self.sink.resume(LANE, &mut flight, reply);
        }
        for (&offset, verdict) in chosen.iter().zip(flight.verdicts()) {
            if matches!(verdict, Some(Verdict::Refused(_))) {
                self.refused.insert(offset);
            }
            if matches!(verdict, Some(Verdict::Done | Verdict::Superseded | Verdict::Refused(_))) {
                self.open.retain(|&open| open != offset);
            }
        }
    }

    fn step(&mut self, twin: &mut ElasticsearchTwin, log: &[Ask], step: &Step) {
        match *step {
            Step::Fly { effects, fates, refused_item } => {
                self.fly(twin, log, effects, fates, &mut RefusedItem(refused_item));
            }
            Step::Restart { back } => {
                let first = self.open.first().copied().unwrap_or(log.len());
                let next = Self::new(self.rules.clone(), log.len());
                (self.sink, self.open) = (next.sink, next.open);
                self.open.retain(|&offset| offset + back >= first);
            }
            Step::ForgetDeletes => twin.forget_deletes(),
            Step::Late(index) if !self.requests.is_empty() => {
                let request = &self.requests[index % self.requests.len()];
                let _ = twin.answer(request, &mut NoFaults);
            }
            Step::Late(_) => {}
        }
    }
}

fn ends_like_a_sequential_reader<R: Rules>(
    rules: R,
    log: &[Ask],
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let mut twin = prepared_twin();
    let mut reader = Reader::new(rules, log.len());
    for step in steps {
        reader.step(&mut twin, log, &step);
    }
    let mut turns = 0;
    while !reader.open.is_empty() {
        reader.fly(&mut twin, log, 4, [Fate::Answered; 2], &mut RefusedItem(None));
        turns += 1;
        prop_assert!(turns < 10 * log.len() + 10, "no progress");
    }
    let (documents, missing) = sequential(log);
    prop_assert_eq!(visible(&twin), documents);
    prop_assert_eq!(reader.refused, missing);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]
    #[test]
    fn any_history_ends_like_a_sequential_reader(
        log in prop::collection::vec(ask(), 1..40),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        ends_like_a_sequential_reader(Kept, &log, steps)?;
    }
}

/// Breaks one rule.
#[derive(Debug, Clone, Copy)]
struct Breaks(Rule);

impl Rules for Breaks {
    fn keep(&self, rule: Rule) -> bool {
        rule != self.0
    }
}

#[test]
fn each_broken_rule_is_noticed() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, TestRng, TestRunner};
    let strategy = (prop::collection::vec(ask(), 1..40), prop::collection::vec(step(), 0..60));
    // A base of another epoch needs two workers; this test has one at a time.
    for rule in Rule::ALL.into_iter().filter(|&rule| rule != Rule::BaseOfEpoch) {
        let rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let caught = (0..2_000).any(|_| {
            let (log, steps) = strategy.new_tree(&mut runner).unwrap().current();
            ends_like_a_sequential_reader(Breaks(rule), &log, steps).is_err()
        });
        assert!(caught, "{rule:?} can be broken unnoticed");
    }
}

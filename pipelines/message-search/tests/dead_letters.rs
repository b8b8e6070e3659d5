//! Dead letters are replayed after their cause is repaired: what comes of it is what a sequential reader makes of the
//! topic with its replayed tail, also when the replay is killed on its way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod indexer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use indexer::Scene;
use indexer::records::{Written, created, updated};
use indexer::topics::{self, Position};
use serde_json::Value;
use thalweg_testbed::instance::{Instance, until};
use thalweg_testbed::proxy::{HttpProxy, Rule};

const PARTITIONS: i32 = 8;
const KEYS: usize = 500;
/// Of each key: five messages that the index refuses at first, with two updates each that find no document for it, and
/// five updates of messages whose creation comes late.
const LETTERS: u64 = KEYS as u64 * (5 * 3 + 5);

fn conversation(key: usize) -> String {
    format!("c{key}")
}

/// Records that can't be processed as things are, and which of them the index refuses: the creations.
fn failing() -> (Vec<Written>, Vec<usize>) {
    let (mut records, mut refused) = (Vec::new(), Vec::new());
    for message in 0..5 {
        for key in 0..KEYS {
            let (conversation, id) = (conversation(key), format!("refused-{key}-{message}"));
            refused.push(records.len());
            records.push(created(&id, &conversation, "first"));
            records.push(updated(&id, &conversation, "second"));
            records.push(updated(&id, &conversation, "third"));
            records.push(updated(
                &format!("late-{key}-{message}"),
                &conversation,
                "changed before it is there",
            ));
        }
    }
    (records, refused)
}

fn late_creations() -> Vec<Written> {
    let each = (0..KEYS).flat_map(|key| (0..5).map(move |message| (key, message)));
    each.map(|(key, message)| created(&format!("late-{key}-{message}"), &conversation(key), "late")).collect()
}

/// Ten thousand dead letters whose causes are repaired, and an indexer that runs.
struct Repaired {
    scene: Scene,
    _proxy: HttpProxy,
    indexer: Instance,
    refused: Vec<Position>,
}

fn repaired(what: &str) -> Repaired {
    let scene = Scene::new(what, PARTITIONS);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let node = format!("elasticsearch.nodes=[\"{}\"]", proxy.url());
    let mut indexer = scene.start(&[node.as_str()]);
    let rule = proxy.add(Rule::items(400, |id| id.contains("/refused-")));
    let (records, refused) = failing();
    let at = scene.write(&records);
    scene.wait_finished(&mut indexer);
    indexer.wait_metric("thalweg_dead_letters_total", "document_refused", 2_500.0);
    indexer.wait_metric("thalweg_dead_letters_total", "document_missing", 7_500.0);
    rule.off();
    scene.write(&late_creations());
    scene.wait_finished(&mut indexer);
    Repaired { scene, _proxy: proxy, indexer, refused: refused.into_iter().map(|index| at[index]).collect() }
}

impl Repaired {
    fn replay(&self, more: &[&str]) -> Command {
        let mut command = Command::new(thalweg());
        command.args([
            "dlq",
            "replay",
            "--brokers",
            &self.scene.brokers,
            "--topic",
            &self.scene.dead_letters(),
        ]);
        command.args(["--report", "json"]).args(more).env_remove("KAFKA_BROKERS").stdin(Stdio::null());
        command
    }

    fn replayed(&self, more: &[&str]) -> Value {
        let ended = self.replay(more).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_slice(&ended.stdout).unwrap()
    }

    /// The index is right, no letter has come of the replay, and every letter was replayed once.
    fn ends_well(self) {
        let Self { scene, mut indexer, refused, .. } = self;
        // Behind the replayed records lie their transactions' markers, which no reader ever commits.
        let last: Vec<_> =
            (0..PARTITIONS).map(|number| created("last", &format!("p{number}"), "x").to(number)).collect();
        scene.write(&last);
        scene.wait_finished(&mut indexer);
        let replays = topics::header_values(&scene.brokers, &scene.topic, "dlq.replay_count");
        let ids: HashSet<&str> = replays.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!((replays.len() as u64, ids.len() as u64), (LETTERS, LETTERS), "each once");
        assert!(replays.iter().all(|(_, count)| count == "1"));
        assert_eq!(indexer.stop().code, 0);
        let found = scene.assert_correct_but_refused(&refused);
        assert_eq!(found.reasons.len() as u64, LETTERS, "no letter came of the replay");
        // Of each key five messages that were refused and five that came late; and the last ones.
        assert_eq!(found.visible, KEYS as u64 * 10 + PARTITIONS as u64);
    }
}

/// The command, built if nothing has built it yet; `cargo test --workspace` has.
fn thalweg() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_message-indexer")).with_file_name("thalweg");
    if !path.is_file() {
        let release = (!cfg!(debug_assertions)).then_some("--release");
        let build = ["build", "--package", "thalweg-cli"];
        assert!(Command::new(env!("CARGO")).args(build).args(release).status().unwrap().success());
    }
    path
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ten_thousand_letters_are_replayed_as_if_they_had_come_now() {
    let repaired = repaired("replay");
    let would = repaired.replayed(&["--dry-run"]);
    assert_eq!((&would["chosen"], &would["replayed"]), (&LETTERS.into(), &0.into()));
    // A trial of one key, then one reason, then whatever is left: nothing is replayed twice.
    let one = repaired.replayed(&["--key", "c7"]);
    assert_eq!(one["replayed"], 20);
    let refused = repaired.replayed(&["--reason", "document_refused"]);
    assert_eq!((&refused["replayed"], &refused["replayed_before"]), (&2_495.into(), &5.into()));
    let rest = repaired.replayed(&[]);
    assert_eq!((&rest["replayed"], &rest["replayed_before"]), (&7_485.into(), &2_515.into()));
    assert_eq!(repaired.replayed(&[])["replayed"], 0);
    repaired.ends_well();
}

#[test]
fn a_replay_that_is_killed_goes_on_where_it_ended() {
    let repaired = repaired("killed");
    let (brokers, topic) = (&repaired.scene.brokers, &repaired.scene.topic);
    let before = topics::ends(brokers, topic);
    let running = Running(repaired.replay(&["--rate", "3000"]).stdout(Stdio::null()).spawn().unwrap());
    until("half of the letters are replayed", || topics::ends(brokers, topic) - before > LETTERS as i64 / 2);
    drop(running);
    let rest = repaired.replayed(&[]);
    let (replayed, earlier) = (rest["replayed"].as_u64().unwrap(), rest["replayed_before"].as_u64().unwrap());
    assert_eq!((&rest["resumed"], replayed + earlier), (&true.into(), LETTERS));
    assert!(replayed > 0 && earlier > 0, "killed on its way: {earlier} before, {replayed} after");
    repaired.ends_well();
}

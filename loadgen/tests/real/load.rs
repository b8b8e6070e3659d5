//! The load generator against the real broker.

use crate::tools::{errors, loadgen, report, unique, verify};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn what_was_acknowledged_is_on_the_topic() {
    let topic = unique("acked");
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("acked");
    let list = list.to_str().unwrap();
    let prefix = dir.path().join("run");
    let common =
        ["--topic", &topic, "--poison", "0.01", "--poison-kinds", "all", "--zipf", "1", "--seed", "4"];
    let more = ["-n", "20000", "--rate", "10000", "--partitions", "3", "--acked", list, "--report", "json"];
    let hdr = ["--hdr", prefix.to_str().unwrap()];
    let output = loadgen(&[&common[..], &more, &hdr].concat()).output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    let loaded = report(&output);
    assert_eq!((loaded["records"].as_u64(), loaded["acked"].as_u64()), (Some(20_000), Some(20_000)));
    assert_eq!((&loaded["partitions"], &loaded["ok"]), (&3.into(), &true.into()));
    assert!(loaded["seconds"].as_f64().unwrap() > 1.9, "{loaded}");
    for file in ["run.ack.hgrm", "run.late.hgrm"] {
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(text.contains("Total count    =        20000"), "{text}");
    }

    let nothing_else = ["--source", "none", "--dead-letters", "none"];
    let check = [&["--topic", &topic, "--acked", list][..], &nothing_else].concat();
    let output = verify(&check).output().unwrap();
    let verified = report(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!((&verified["records"], &verified["acked"]), (&20_000.into(), &20_000.into()));
    assert_eq!(verified["duplicates"], loaded["kinds"]["duplicate"]);
    assert_eq!(verified["superseded"], loaded["kinds"]["late-update"]);
    assert_eq!(verified["dead_letters_expected"], loaded["kinds"]["poison"]);

    // A list that claims one record more, and one that claims another value.
    let mut bytes = std::fs::read(list).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bytes.extend([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9]);
    std::fs::write(list, bytes).unwrap();
    let output = verify(&check).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&report(&output)["acked_missing"], &report(&output)["ok"]), (&2.into(), &false.into()));
    let text = errors(&output);
    assert!(text.contains("0/65536: acknowledged, not on the topic"), "{text}");
    assert!(text.contains("another record than the acknowledged one"), "{text}");
}

#[test]
fn ctrl_c_ends_with_everything_acknowledged() {
    let topic = unique("signal");
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("acked");
    let list = list.to_str().unwrap();
    let child = loadgen(&["--topic", &topic, "--rate", "2000", "--seconds", "300", "--acked", list])
        .args(["--report", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let check = ["--topic", &topic, "--source", "none", "--dead-letters", "none"];
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let output = verify(&check).output().unwrap();
        if output.status.success() && report(&output)["records"].as_u64() > Some(1000) {
            break;
        }
        assert!(Instant::now() < deadline, "nothing was written: {}", errors(&output));
    }
    let asked = Instant::now();
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    assert!(asked.elapsed() < Duration::from_secs(5));
    let loaded = report(&output);
    assert_eq!((&loaded["interrupted"], &loaded["acked"]), (&true.into(), &loaded["records"]));
    let output = verify(&[&check[..], &["--acked", list]].concat()).output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(report(&output)["acked"], loaded["records"]);
    assert_eq!(report(&output)["records"], loaded["records"]);
}

#[test]
fn what_can_not_work_is_said_soon() {
    let topic = unique("three");
    let made = loadgen(&["--topic", &topic, "-n", "10", "--partitions", "3"]).output().unwrap();
    assert!(made.status.success(), "{}", errors(&made));
    for (mut command, code, hint) in [
        (loadgen(&["--topic", &topic, "-n", "10", "--partitions", "4"]), 1, "has 3 partitions, not 4"),
        (loadgen(&["--brokers", "127.0.0.1:1", "-n", "10"]), 1, "no broker answered at 127.0.0.1:1"),
        (loadgen(&["-X", "no.such.property=1", "-n", "10"]), 1, "no.such.property"),
        (loadgen(&["--acked", "/no/such/folder/list", "--topic", &topic]), 1, "/no/such/folder/list"),
        (loadgen(&["--updates", "0.9", "--deletes", "0.9"]), 2, "add up to"),
        (loadgen(&["--profile", "sideways"]), 2, "all-out"),
        (verify(&["--topic", "no-such-topic"]), 1, "there is no topic no-such-topic"),
        (verify(&["--topic", &topic, "--alias", "no-such-alias"]), 1, "no-such-alias"),
        (verify(&["--topic", &topic, "--elasticsearch", "http://u:secret@127.0.0.1:1"]), 1, "refresh"),
        (verify(&["--source", "nowhere"]), 2, "stand-in FILE"),
    ] {
        let started = Instant::now();
        let output = command.output().unwrap();
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(code), "{hint}: {text}");
        assert!(text.contains(hint) && !text.contains("secret"), "{hint}: {text}");
        assert!(started.elapsed() < Duration::from_secs(20), "{hint}: {:?}", started.elapsed());
    }
}

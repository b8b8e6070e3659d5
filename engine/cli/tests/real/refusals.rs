//! What can't be: a clear word and an exit code, within seconds.

use std::time::{Duration, Instant};

use crate::command::{command, run};
use crate::topics::{Scene, letter};

/// Whoever does not answer is given five seconds; the rest is for a loaded machine.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_command_line_or_setting_that_can_not_be_is_named() {
    for (line, said) in [
        ("dlq list", "--topic TOPIC"),
        (
            "dlq replay --topic x.dlq --brokers nowhere",
            "kafka.brokers = \"nowhere\" (--set): must be HOST:PORT",
        ),
        ("dlq replay --topic x.dlq --set kafka.broker=x:1", "kafka.broker (--set): there is no such key"),
        ("dlq list --topic x.dlq --settings /nowhere/at-all.toml", "/nowhere/at-all.toml"),
        ("dlq list --topic x.dlq --since soon", "how long ago as 2h"),
        ("dlq show --topic x.dlq here", "must be PARTITION/OFFSET"),
        ("dlq replay --topic x.dlq --rate none", "--rate"),
    ] {
        let ended = run(line);
        assert_eq!(ended.code, Some(2), "{line}: {ended:?}");
        assert!(ended.errors.contains(said), "{line}: {ended:?}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_named_soon() {
    for line in ["dlq list", "dlq show 0/0", "dlq replay", "dlq replay --dry-run"] {
        let begun = Instant::now();
        let mut command = command(&format!("{line} --topic x.dlq --set kafka.sasl.mechanism=PLAIN"));
        command.args(["--set", "kafka.sasl.user=u", "--set", "kafka.sasl.password=hunter2"]);
        let ended = command.env("KAFKA_BROKERS", "127.0.0.1:1").output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{line}: {errors}");
        assert!(errors.contains("no Kafka broker answers at 127.0.0.1:1"), "{line}: {errors}");
        assert!(!errors.contains("hunter2"));
        assert!(begun.elapsed() < SOON, "{line}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_topic_or_reason_that_is_not_there_is_named_with_what_is() {
    let scene = Scene::new("reasons", 2);
    scene.write(&[letter(0, 0, "a", "even"), letter(1, 1, "b", "odd"), letter(1, 2, "b", "odd")]);
    for command in ["list", "replay", "replay --dry-run"] {
        let ended = run(&scene.line(command, "--reason od,odd"));
        assert_eq!(ended.code, Some(2), "{command}: {ended:?}");
        let said = "--reason od: there is no dead letter of that reason; there are: even (1), odd (2)";
        assert!(ended.errors.contains(said), "{command}: {ended:?}");
    }
    assert_eq!(scene.ends(&scene.topic), 0, "nothing was written");
    let missing = run(&format!("dlq replay --brokers {} --topic there-is-none.dlq", scene.brokers));
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.errors.contains("the topic there-is-none.dlq does not exist"), "{missing:?}");
    let missing = scene.replay("--to there-is-none");
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.errors.contains("the topic there-is-none does not exist"), "{missing:?}");
    let own = scene.replay(&format!("--to {}", scene.letters()));
    assert_eq!(own.code, Some(2), "{own:?}");
    assert_eq!(scene.replay("").number("replayed"), 3, "all of it was before anything was written");
}

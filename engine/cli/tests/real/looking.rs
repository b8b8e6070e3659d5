//! `list` and `show`.

use crate::command::{command, run};
use crate::topics::{Scene, letter};

#[test]
fn a_table_of_what_matches_and_the_counts() {
    let scene = Scene::new("list", 2);
    let mut hostile = letter(1, 7, "\u{1b}[31mred", "odd");
    hostile.own.push(("x".into(), "y".into()));
    scene.write(&[letter(0, 0, "a", "even"), letter(1, 1, "b", "odd"), hostile]);
    let listed = run(&scene.line("list", ""));
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let lines: Vec<_> = listed.output.lines().collect();
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        columns(lines[0]),
        ["LETTER", "RECORD", "FAILED", "KEY", "REASON", "STAGE", "REPLAYS", "MESSAGE"]
    );
    let time = "1970-01-01T00:16:40Z";
    let row = ["0/0", &scene.topic[..29.min(scene.topic.len())], "0/0", time, "a", "even", "index", "0"];
    assert_eq!(columns(lines[1])[0], row[0]);
    assert_eq!(&columns(lines[1])[2..8], &row[2..]);
    assert!(lines[3].contains("\\u{1b}[31mred"), "{listed:?}");
    assert!(!listed.output.contains('\u{1b}'));
    assert!(listed.output.contains("3 of 3 dead letters of"), "{listed:?}");
    assert!(listed.output.contains("2  odd"), "{listed:?}");

    let one = run(&scene.line("list", "--reason odd --limit 1"));
    assert!(
        one.output.contains("2 of 3 dead letters of") && one.output.contains("the newest 1 are above"),
        "{one:?}"
    );
    assert_eq!(one.output.lines().filter(|line| line.starts_with("1/")).count(), 1);
}

#[test]
fn as_json_a_line_for_each_and_the_counts() {
    let scene = Scene::new("list-json", 2);
    scene.write(&[letter(0, 0, "a", "even"), letter(1, 1, "b\u{202e}", "odd")]);
    let listed = run(&scene.line("list --report json", "--key b\u{202e}"));
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(!listed.output.contains('\u{202e}'), "spelled out");
    let lines = listed.json();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["key"], &lines[0]["letter"]), (&"b\u{202e}".into(), &"1/0".into()));
    assert_eq!((&lines[0]["offset"], &lines[0]["whole"]), (&1.into(), &true.into()));
    assert_eq!((&lines[1]["matching"], &lines[1]["letters"]), (&1.into(), &2.into()));
}

#[test]
fn one_letter_in_full() {
    let scene = Scene::new("show", 1);
    let mut large = letter(0, 3, "a", "even");
    large.value = Some("line\n".repeat(2_000));
    scene.write(&[large]);
    let shown = run(&scene.line("show 0/0", ""));
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for line in ["letter         0/0", "reason         even", "header         message-id: e0-3", "| line"] {
        assert!(shown.output.lines().any(|found| found == line), "{line}: {shown:?}");
    }
    assert!(shown.output.ends_with("(all of it with --full)\n"));
    let all = run(&scene.line("show 0/0", "--full"));
    assert_eq!(all.output.matches("| line\n").count(), 2_000);
    let json = run(&scene.line("show 0/0 --report json", "--full"));
    assert_eq!(json.json()[0]["value"].as_str().unwrap().len(), 10_000);
    for (place, said) in [("0/1", "there is no letter 0/1: partition 0 of"), ("7/0", "and no 7")] {
        let missing = run(&scene.line(&format!("show {place}"), ""));
        assert_eq!(missing.code, Some(2), "{missing:?}");
        assert!(missing.errors.contains(said), "{missing:?}");
    }
}

#[test]
fn a_flows_settings_file_says_where() {
    let scene = Scene::new("settings", 1);
    scene.write(&[letter(0, 0, "a", "even")]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flow.toml");
    let text = format!(
        "[source]\ntopic = \"{}\"\n[elasticsearch]\nalias = \"x\"\n[dedupe]\nwindow = 5\n",
        scene.topic
    );
    std::fs::write(&file, text).unwrap();
    let ended = command(&format!("dlq list --settings {}", file.display()))
        .env("KAFKA_BROKERS", &scene.brokers)
        .output()
        .unwrap();
    let output = String::from_utf8(ended.stdout).unwrap();
    assert!(output.contains("1 of 1 dead letters of"), "{output} {}", String::from_utf8_lossy(&ended.stderr));
}

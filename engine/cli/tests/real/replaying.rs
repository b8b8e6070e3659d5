//! What is replayed, where to, in which order, how often.

use crate::command::run;
use crate::topics::{Found, Letter, Scene, letter};

/// Letters of six keys in three partitions, of two reasons by turns.
fn letters(count: i64) -> Vec<Letter> {
    (0..count)
        .map(|offset| {
            let reason = if offset % 2 == 0 { "even" } else { "odd" };
            letter((offset % 3) as i32, offset, &format!("k{}", offset % 6), reason)
        })
        .collect()
}

fn values(found: &[Found], key: &str) -> Vec<String> {
    let of_key = found.iter().filter(|record| record.key.as_deref() == Some(key));
    of_key.map(|record| record.value.clone().unwrap()).collect()
}

#[test]
fn records_come_back_as_they_were_with_a_count() {
    let scene = Scene::new("as-they-were", 3);
    let mut written = letters(60);
    written[7].own = vec![("a".into(), "1".into()), ("dlq.reason".into(), "my own".into())];
    written[8].own.insert(0, ("dlq.replay_count".into(), "1".into()));
    written[9].value = None;
    written[10].key = None;
    scene.write(&written);
    let ended = scene.replay("");
    assert_eq!((ended.code, ended.number("replayed")), (Some(0), 60), "{ended:?}");
    let found = scene.read(&scene.topic);
    assert_eq!(found.len(), 60);
    for wanted in &written {
        let count = if wanted.offset == 8 { "2" } else { "1" };
        let own = wanted.own.iter().filter(|(name, _)| name != "dlq.replay_count").cloned();
        let mut headers: Vec<_> = own.map(|(name, value)| (name, Some(value))).collect();
        headers.push(("dlq.replay_count".to_owned(), Some(count.to_owned())));
        let is = |record: &&Found| {
            record.partition == wanted.partition
                && (&record.key, &record.value) == (&wanted.key, &wanted.value)
                && record.headers == headers
        };
        assert_eq!(found.iter().filter(is).count(), 1, "{wanted:?} in {found:?}");
    }
    for key in 0..6 {
        let key = format!("k{key}");
        let of_key = written.iter().filter(|letter| letter.key.as_ref() == Some(&key));
        let wanted: Vec<_> = of_key.filter_map(|letter| letter.value.clone()).collect();
        let found: Vec<_> = found.iter().filter(|record| record.key.as_ref() == Some(&key)).collect();
        let found: Vec<_> = found.iter().filter_map(|record| record.value.clone()).collect();
        assert_eq!(found, wanted, "the order of {key}");
    }
}

#[test]
fn each_is_replayed_once_whatever_filters_choose_it() {
    let scene = Scene::new("filters", 3);
    scene.write(&letters(60));
    for (filter, replayed, before) in [
        ("--key k1", 10, 0),
        ("--reason odd", 20, 10),
        ("--original 0/6", 1, 0),
        ("--original 1 --since 1970-01-01T00:17:00Z", 0, 0),
        ("--until 1970-01-01T00:16:40.010Z", 4, 6),
        ("--key k1 --reason odd", 0, 10),
        ("--flow search --stage index", 25, 35),
        ("", 0, 60),
    ] {
        let dry = scene.replay(&format!("{filter} --dry-run"));
        assert_eq!((dry.number("chosen"), dry.number("replayed")), (replayed, 0), "{filter}: {dry:?}");
        let ended = scene.replay(filter);
        assert_eq!(ended.code, Some(0), "{filter}: {ended:?}");
        assert_eq!(
            (ended.number("replayed"), ended.number("replayed_before")),
            (replayed, before),
            "{filter}"
        );
    }
    let found = scene.read(&scene.topic);
    let mut ids: Vec<_> = found.iter().map(|record| record.header("message-id").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((found.len(), ids.len()), (60, 60));
    // What comes later is replayed by the same filter.
    scene.write(&[letter(1, 61, "k1", "odd")]);
    assert_eq!(scene.replay("--key k1").number("replayed"), 1);
}

#[test]
fn a_dry_run_writes_nothing_and_remembers_nothing() {
    let scene = Scene::new("dry", 3);
    scene.write(&letters(30));
    let dry = run(&scene.line("replay", "--dry-run --reason odd"));
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.output.contains("15 dead letters of"), "{dry:?}");
    assert!(
        dry.output.contains("would be replayed") && dry.output.contains("nothing was written"),
        "{dry:?}"
    );
    assert!(dry.output.contains("remembered no earlier replay"), "{dry:?}");
    assert_eq!(scene.ends(&scene.topic), 0, "not even a marker");
    assert_eq!(scene.replay("").number("replayed"), 30);
}

#[test]
fn what_fails_again_and_again_is_left_alone_in_the_end() {
    let scene = Scene::new("loop", 1);
    let mut again = letter(0, 0, "k", "stubborn");
    scene.write(&[again.clone()]);
    for count in 1..=3 {
        assert_eq!(scene.replay("").number("replayed"), 1, "{count}");
        let replayed = scene.read(&scene.topic).pop().unwrap();
        assert_eq!(replayed.header("dlq.replay_count"), Some(count.to_string().as_str()));
        // It fails again, as what it is now.
        again.own = vec![("dlq.replay_count".into(), count.to_string())];
        again.offset = 1_000 + replayed.offset;
        scene.write(&[again.clone()]);
    }
    let ended = scene.replay("");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!((ended.number("replayed"), ended.number("replayed_too_often")), (0, 1));
    let said = run(&scene.line("replay", ""));
    assert!(said.output.contains("1 were replayed 3 times or more: see --max-replays"), "{said:?}");
    assert_eq!(scene.replay("--max-replays 4").number("replayed"), 1);
}

#[test]
fn letters_without_their_value_are_counted_and_stay() {
    let scene = Scene::new("valueless", 1);
    let mut large = letter(0, 1, "k", "too_large");
    large.value = None;
    large.beyond = vec![("dlq.value.length", "2000000"), ("dlq.value.xxh3", "00ff")];
    scene.write(&[letter(0, 0, "k", "other"), large, letter(0, 2, "k", "other")]);
    let ended = scene.replay("");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert_eq!((ended.number("replayed"), ended.number("incomplete")), (2, 1));
    assert_eq!(values(&scene.read(&scene.topic), "k"), ["value 0", "value 2"]);
    let again = run(&scene.line("replay", ""));
    assert!(again.output.contains("1 can't be replayed: their value was left out for its size"), "{again:?}");
}

#[test]
fn a_letter_that_a_crash_has_written_twice_is_replayed_once() {
    let scene = Scene::new("twice", 1);
    let [one, two] = [letter(0, 0, "k", "a"), letter(0, 1, "k", "a")];
    scene.write(&[one.clone(), two.clone(), one, two]);
    let ended = scene.replay("");
    assert_eq!((ended.code, ended.number("replayed"), ended.number("written_twice")), (Some(0), 2, 2));
    let again = scene.replay("");
    assert_eq!((again.number("replayed"), again.number("replayed_before")), (0, 4));
    assert_eq!(
        (&ended.json()[0]["remembered"], &again.json()[0]["remembered"]),
        (&false.into(), &true.into())
    );
    assert_eq!(values(&scene.read(&scene.topic), "k"), ["value 0", "value 1"]);
}

#[test]
fn another_topic_gets_them_by_partition_or_by_key() {
    let scene = Scene::new("to", 3);
    scene.write(&letters(30));
    scene.create(&scene.other(), 5, &[]);
    let to = format!("--to {}", scene.other());
    assert_eq!(scene.replay(&to).number("replayed"), 30);
    let found = scene.read(&scene.other());
    for key in 0..6 {
        let key = format!("k{key}");
        let homes: std::collections::BTreeSet<_> = found
            .iter()
            .filter(|record| record.key.as_ref() == Some(&key))
            .map(|record| record.partition)
            .collect();
        assert_eq!(homes.len(), 1, "{key} lies in one partition");
        let wanted = (0..30).filter(|offset| format!("k{}", offset % 6) == key);
        assert_eq!(values(&found, &key), wanted.map(|offset| format!("value {offset}")).collect::<Vec<_>>());
    }
    // What another topic got, the own one has not.
    assert_eq!(scene.replay("").number("replayed"), 30);
    assert_eq!(scene.replay(&to).number("replayed"), 0);
}

#[test]
fn what_the_target_refuses_holds_up_nothing_else() {
    let scene = Scene::new("refused", 1);
    let mut large = letter(0, 1, "k", "a");
    // Nothing that compression makes smaller.
    large.value =
        Some((0..2_000u64).map(|n| format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect());
    scene.write(&[letter(0, 0, "k", "a"), large, letter(0, 2, "k", "a")]);
    scene.create(&scene.other(), 1, &[("max.message.bytes", "2000")]);
    let ended = scene.replay(&format!("--to {}", scene.other()));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.errors.contains("letter 0/1"), "{ended:?}");
    assert_eq!(values(&scene.read(&scene.other()), "k"), ["value 0", "value 2"]);
}

#[test]
fn records_of_strangers_are_left_alone() {
    let scene = Scene::new("strangers", 1);
    let mut stranger = letter(0, 0, "k", "a");
    stranger.beyond = vec![("added", "by somebody")];
    scene.write(&[stranger, letter(0, 1, "k", "a")]);
    let ended = scene.replay("");
    assert_eq!((ended.number("replayed"), ended.number("no_letters")), (1, 1), "{ended:?}");
}

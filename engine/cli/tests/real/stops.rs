//! Replays that do not reach their end, and two at once.

use rustix::process::Signal;

use crate::command::{Running, until};
use crate::topics::{Letter, Scene, letter};

const LETTERS: usize = 600;

fn letters() -> Vec<Letter> {
    let offsets = 0..LETTERS as i64;
    offsets.map(|offset| letter((offset % 3) as i32, offset, &format!("k{}", offset % 30), "a")).collect()
}

/// A replay that takes a while, and has begun to write.
fn slow_replay(scene: &Scene) -> Running {
    let running = Running::start(&scene.line("replay --report json", "--rate 60"));
    until("the replay has begun to write", || scene.ends(&scene.topic) > 60);
    running
}

fn each_is_there_once(scene: &Scene) {
    let found = scene.read(&scene.topic);
    let mut ids: Vec<_> = found.iter().map(|record| record.header("message-id").unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((found.len(), ids.len()), (LETTERS, LETTERS));
}

#[test]
fn asked_to_stop_it_ends_with_a_summary_and_goes_on_later_to_the_same_end() {
    let scene = Scene::new("ctrl-c", 3);
    scene.write(&letters());
    let running = slow_replay(&scene);
    running.signal(Signal::INT);
    let stopped = running.ended();
    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    let replayed = stopped.number("replayed");
    assert!(replayed > 0 && replayed < LETTERS as u64, "{stopped:?}");
    assert_eq!(stopped.json()[0]["interrupted"], true);
    assert_eq!(scene.read(&scene.topic).len() as u64, replayed, "what it says is what is there");
    // A letter that has come meanwhile is not this replay's.
    scene.write(&[letter(0, 10_000, "k0", "a")]);
    let rest = scene.replay("");
    assert_eq!(rest.code, Some(0), "{rest:?}");
    assert_eq!(rest.json()[0]["resumed"], true);
    assert_eq!(rest.number("replayed") + replayed, LETTERS as u64);
    each_is_there_once(&scene);
    let next = scene.replay("");
    assert_eq!((next.number("replayed"), &next.json()[0]["resumed"]), (1, &false.into()));
}

#[test]
fn killed_it_goes_on_where_it_ended() {
    let scene = Scene::new("killed", 3);
    scene.write(&letters());
    let running = slow_replay(&scene);
    running.signal(Signal::KILL);
    drop(running);
    let rest = scene.replay("");
    assert_eq!(rest.code, Some(0), "{rest:?}");
    assert_eq!(rest.number("replayed") + rest.number("replayed_before"), LETTERS as u64);
    assert!(rest.number("replayed") > 0 && rest.number("replayed_before") > 0, "{rest:?}");
    each_is_there_once(&scene);
}

#[test]
fn another_filter_after_an_interruption_replays_nothing_twice() {
    let scene = Scene::new("other-filter", 3);
    scene.write(&letters());
    let running = slow_replay(&scene);
    running.signal(Signal::KILL);
    drop(running);
    let key = scene.replay("--key k3");
    assert_eq!(key.code, Some(0), "{key:?}");
    assert_eq!(key.number("replayed") + key.number("replayed_before"), 20);
    assert_eq!(scene.replay("").code, Some(0));
    each_is_there_once(&scene);
}

#[test]
fn of_two_at_once_the_second_goes_on() {
    let scene = Scene::new("two", 3);
    scene.write(&letters());
    let first = slow_replay(&scene);
    let second = scene.replay("");
    assert_eq!(second.code, Some(0), "{second:?}");
    let first = first.ended();
    assert_eq!(first.code, Some(1), "{first:?}");
    assert!(first.errors.contains("another replay with the group"), "{first:?}");
    assert_eq!(first.number("replayed") + second.number("replayed"), LETTERS as u64);
    each_is_there_once(&scene);
}

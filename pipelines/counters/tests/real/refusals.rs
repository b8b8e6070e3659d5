//! Requests that can't be.

use thalweg::commands::TokenKey;
use thalweg::kafka::Secret;
use thalweg_testbed::instance::until;

use crate::client::{User, now_ms, send, token};
use crate::scene::{SECRET, Scene, command};
use crate::topics;

#[test]
fn who_does_not_say_who_they_are_is_refused() {
    let scene = Scene::new("tokens", 1);
    let mut instance = scene.start_ready(&[]);
    let ann = User::new("ann", &instance.address(""));
    let path = "/counters/c";
    let missing = send(ann.plain("POST", path).body("{\"by\":1}"));
    missing.assert_problem(401, "unauthorized");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    let other = TokenKey::new(&Secret::new("x".repeat(32))).unwrap();
    let expired =
        TokenKey::new(&Secret::new(SECRET)).unwrap().issue("ann", now_ms() - 60_000, 59_000).unwrap();
    let wrong = [
        other.issue("ann", now_ms(), 60_000).unwrap(),
        expired,
        token("ann") + "x",
        "not-a-token".to_owned(),
        // {"alg":"none"} and {"sub":"ann","exp":99999999999}
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTk5fQ.".to_owned(),
    ];
    for token in wrong {
        for (method, path) in [("POST", path), ("GET", "/me"), ("GET", "/limits")] {
            let answer = send(ann.plain(method, path).bearer_auth(&token).body("{\"by\":1}"));
            answer.assert_problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""), "{token}");
            assert!(!answer.body.to_string().contains(&token));
        }
    }
    let basic = send(ann.plain("GET", "/me").header("Authorization", "Basic YW5uOng="));
    basic.assert_problem(401, "unauthorized");
    assert_eq!(send(ann.request("GET", "/me")).body, "ann");
    assert_eq!(send(ann.plain("GET", "/limits")).body["by_max"], 1_000);
    assert_eq!(ann.raise("c", 1, None).body.as_u64(), Some(1), "nothing of all that was applied");
    assert!(!instance.log().contains(SECRET) && !instance.log().contains(&token("ann")));
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let scene = Scene::new("malformed", 1);
    let mut instance = scene.start_ready(&["commands.body_bytes_max=100"]);
    let ann = User::new("ann", &instance.address(""));
    for body in ["", "{", "[]", "{\"by\":-1}", "{\"by\":1,\"and\":2}", "{\"by\":\"1\"}", "\u{0}"] {
        send(ann.request("POST", "/counters/c").body(body)).assert_problem(400, "malformed-body");
    }
    ann.raise("c", 0, None).assert_problem(422, "out-of-range");
    ann.raise(&"n".repeat(65), 1, None).assert_problem(400, "bad-request");
    ann.raise("%ff", 1, None).assert_problem(400, "bad-request");
    ann.raise("c", 1, Some(&"k".repeat(129))).assert_problem(400, "malformed-idempotency-key");
    ann.raise("c", 1, Some("")).assert_problem(400, "malformed-idempotency-key");
    let large = format!("{{\"by\":1{}}}", " ".repeat(100));
    send(ann.request("POST", "/counters/c").body(large)).assert_problem(413, "body-too-large");
    for (method, path) in [("GET", "/nothing"), ("POST", "/"), ("GET", "/counter"), ("POST", "/counters/a/b")]
    {
        send(ann.request(method, path)).assert_problem(404, "not-found");
    }
    for (method, path, allowed) in [
        ("PUT", "/counters/c", "POST,GET,HEAD"),
        ("POST", "/counters", "GET,HEAD"),
        ("POST", "/me", "GET,HEAD"),
    ] {
        let answer = send(ann.request(method, path));
        answer.assert_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    // A name with all that a path and a record's key can be.
    let odd = "a%20%C3%A4%2F%00b";
    assert_eq!(ann.raise(odd, 2, None).body.as_u64(), Some(2));
    assert_eq!(ann.raise(odd, 2, None).body.as_u64(), Some(4));
    assert_eq!(ann.raise("c", 1, None).body.as_u64(), Some(1), "nothing of all that was applied");
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_record_that_nobody_waits_for_is_set_aside_and_harms_nobody() {
    let scene = Scene::new("foreign", 1);
    let mut instance = scene.start_ready(&[]);
    topics::write(&scene.brokers, &scene.source, "c", "{\"by\":1}");
    let ann = User::new("ann", &instance.address(""));
    assert_eq!(ann.raise("c", 1, None).body.as_u64(), Some(1));
    // What is shown lags behind what is done by a tenth of a second.
    until("it is counted", || instance.metric("thalweg_records_total", "dead_lettered") == 1.0);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn settings_that_can_not_be_are_refused_and_secrets_are_not_shown() {
    for (setting, said) in [
        ("commands.token_secret=too-short-secret", "commands.token_secret"),
        ("commands.listen=localhost:80", "commands.listen"),
        ("commands.answer_deadline_ms=1", "must be from 1000"),
        ("commands.waiting_max=100000", "engine.memory_bytes"),
    ] {
        let ended = command().args(["--set", setting]).output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{setting}: {text}");
        assert!(text.contains(said) && !text.contains("too-short"), "{setting}: {text}");
    }
    let without = command().env_remove("TOKEN_SECRET").output().unwrap();
    let text = String::from_utf8(without.stderr).unwrap();
    assert!(without.status.code() == Some(2) && text.contains("openssl rand"), "{text}");
    let printed = command().arg("--print-settings").output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("token_secret = \"***\"") && !text.contains(SECRET), "{text}");
}

//! The provider as a program, asked over HTTP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

struct Provider {
    child: Child,
    url: String,
}

impl Provider {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ticketing-provider"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit_once(' ').unwrap().1.to_owned();
        Self { child, url }
    }

    fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Option<u16> {
        self.post_within(Duration::from_secs(2), path, key, body)
    }

    fn post_within(&self, limit: Duration, path: &str, key: Option<&str>, body: &Value) -> Option<u16> {
        let client = reqwest::blocking::Client::builder().timeout(limit).build().unwrap();
        let mut request = client.post(format!("{}{path}", self.url)).body(body.to_string());
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        request.send().ok().map(|answer| answer.status().as_u16())
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::blocking::get(format!("{}{path}", self.url)).unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    }

    fn entries(&self) -> usize {
        self.get("/ledger").1.lines().count()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn order(token: &str) -> Value {
    json!({ "orderId": "o1", "amount": 5, "token": token })
}

#[test]
fn it_charges_declines_refunds_and_says_so() {
    let provider = Provider::start(&["--deduplicate"]);
    let refund = json!({ "orderId": "o1", "amount": 5 });
    assert_eq!(provider.get("/charges/c").0, 404);
    assert_eq!(provider.post("/refunds", Some("r"), &refund), Some(404));
    assert_eq!(provider.post("/charges", Some("d"), &order("declined")), Some(402));
    for _ in 0..2 {
        assert_eq!(provider.post("/charges", Some("c"), &order("x")), Some(201));
        assert_eq!(provider.post("/refunds", Some("r"), &refund), Some(201));
    }
    assert_eq!(provider.post("/charges", Some("c"), &json!({ "orderId": "o2", "amount": 5 })), Some(422));
    assert_eq!(provider.post("/charges", None, &json!({ "order": "o2" })), Some(400));
    let (status, found) = provider.get("/charges/c");
    assert_eq!((status, found.contains("\"charge\"")), (200, true));
    assert_eq!(provider.entries(), 3);
}

#[test]
fn on_a_bad_day_it_does_not_answer_and_only_the_ledger_knows() {
    let provider = Provider::start(&["--losing-share", "1"]);
    for times in 1..=2 {
        assert_eq!(provider.post("/charges", Some("c"), &order("x")), None);
        assert_eq!(provider.entries(), times, "it does not deduplicate unless it is told to");
    }
    assert_eq!(provider.get("/charges/c").0, 200);
    let failing = Provider::start(&["--failing-share", "1"]);
    assert_eq!(failing.post("/charges", Some("c"), &order("x")), Some(503));
    assert_eq!(failing.entries(), 0);
    let slow = Provider::start(&["--slow-share", "1", "--slow-ms", "60000"]);
    assert_eq!(slow.post("/charges", Some("c"), &order("x")), None);
    assert_eq!(slow.entries(), 0);
}

#[test]
fn what_it_can_not_do_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    std::fs::write(&ledger, "x\n").unwrap();
    let ledger = ledger.to_str().unwrap().to_owned();
    for (arguments, said) in [
        (["--slow-share", "2"], "slow-share 2"),
        (["--ledger", ledger.as_str()], "line 1"),
        (["--ledger", "/"], "the ledger's file"),
        (["--listen", "192.0.2.1:80"], "can't listen on 192.0.2.1:80"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ticketing-provider")).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
}

#[test]
fn who_hangs_up_is_charged_all_the_same() {
    let provider = Provider::start(&["--slow-share", "1", "--slow-ms", "1000"]);
    let answer = provider.post_within(Duration::from_millis(200), "/charges", Some("k"), &order("card"));
    assert_eq!((answer, provider.entries()), (None, 0), "nobody waited for it");
    let begun = std::time::Instant::now();
    while provider.entries() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it was never done");
        std::thread::sleep(Duration::from_millis(20));
    }
}

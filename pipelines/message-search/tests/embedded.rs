//! `--embedded --demo`, as somebody starts it who has nothing installed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// Starts it; the page takes any port.
fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_message-indexer"))
        .args(["--embedded", "--set", "engine.admin_listen=127.0.0.1:0"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for its end; answers exit code, report and what is left of its log.
fn finish(mut child: Child, log: &mut dyn BufRead) -> (i32, Value, String) {
    let (mut out, mut rest) = (String::new(), String::new());
    log.read_to_string(&mut rest).unwrap();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let code = child.wait().unwrap().code().unwrap();
    let report = out.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (code, report.unwrap_or_else(|| panic!("no report: {out}{rest}")), rest)
}

const DEMO: [&str; 7] = ["--demo", "--seconds", "3", "--rate", "2000", "--report", "json"];

#[test]
fn the_demo_ends_by_itself_and_the_verifier_is_content() {
    let mut child = start(&DEMO);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let (code, report, log) = finish(child, &mut log);
    assert_eq!(code, 0, "{report} {log}");
    assert!(log.contains("live page: http://127.0.0.1:"), "{log}");
    assert!(log.contains("nothing is kept"), "{log}");
    let of = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    assert_eq!((of("records"), of("written")), (6_000, 6_000));
    assert_eq!(of("delivered") + of("duplicates"), 6_000, "{report}");
    assert!(of("duplicates") > 0 && of("documents") > 4_000, "{report}");
    assert_eq!((of("lost"), of("reordered"), of("wrong_documents"), of("dead_lettered")), (0, 0, 0, 0));
    assert!(report["end_to_end_ms"]["p99"].is_u64(), "{report}");
    assert!(report["engine_cpu_seconds_per_million"].as_f64().unwrap() > 0.0, "{report}");
}

#[test]
fn the_verifier_finds_what_the_engine_does_not_know() {
    let mut child = start(&DEMO);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut url = String::new();
    for line in log.by_ref().lines() {
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once("index_url=\"") {
            url = rest.split('"').next().unwrap().to_owned();
        }
        // Now the index is there.
        if line.contains("first effect is durable") {
            break;
        }
    }
    // Somebody else writes into the index.
    let client = reqwest::blocking::Client::new();
    let action = json!({"index": {"_id": "demo/nowhere/m-0", "version": 1, "version_type": "external"}});
    let body = format!("{action}\n{}\n", json!({"id": "m-0", "content": "not from the log"}));
    let bulk = client
        .post(format!("{url}/messages/_bulk"))
        .header("content-type", "application/x-ndjson")
        .body(body);
    let answer: Value = bulk.send().unwrap().json().unwrap();
    assert_eq!(answer["errors"], false, "{answer}");
    let (code, report, rest) = finish(child, &mut log);
    assert_eq!((code, &report["wrong_documents"], &report["lost"]), (1, &json!(1), &json!(0)), "{rest}");
    assert!(rest.contains("demo/nowhere/m-0: no event ever created it"), "{rest}");
}

#[test]
fn an_endless_demo_ends_on_ctrl_c_with_a_report_for_people() {
    let mut child = start(&["--demo", "--rate", "200"]);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let durable = log.by_ref().lines().any(|line| line.unwrap().contains("first effect is durable"));
    assert!(durable);
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{out}{rest}");
    assert!(out.contains("records read") && !out.contains("ADD UP"), "{out}");
}

#[test]
fn what_belongs_to_the_demo_needs_it() {
    for arguments in [&["--rate", "5"][..], &["--seconds", "5"], &["--demo", "--rate", "0"]] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_message-indexer")).arg("--embedded").args(arguments).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("--demo") || error.contains("--rate"), "{error}");
    }
}

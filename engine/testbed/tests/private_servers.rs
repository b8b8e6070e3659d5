//! Private servers start, survive what is done to them, and leave nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use thalweg_testbed::private;
use thalweg_testbed::process::{ServerProcess, wait_until};
use thalweg_testbed::recipe::port_answers;

/// The body of `METHOD path`, over plain HTTP.
fn http(port: u16, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_private_kafka_survives_kill_and_stop_and_goes_with_its_owner() {
    let kafka = private::Kafka::start(&["num.partitions=3"]).unwrap();
    assert!(port_answers(kafka.ports.plain) && port_answers(kafka.ports.proxied));
    let first = kafka.process().unwrap();

    kafka.kill().unwrap();
    assert!(!port_answers(kafka.ports.plain), "killed, yet it answers");
    let second = kafka.start().unwrap();
    assert_ne!(first, second);
    assert!(port_answers(kafka.ports.plain));

    kafka.suspend();
    let state = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(wait_until(Duration::from_secs(5), || state(second.pid()).contains(") T ")), "not suspended");
    kafka.resume();
    assert!(wait_until(Duration::from_secs(5), || !state(second.pid()).contains(") T ")), "not resumed");

    kafka.stop().unwrap();
    assert_eq!(kafka.process(), None);
    let third = kafka.start().unwrap();
    let folder = kafka.folder.clone();
    drop(kafka);
    assert!(!third.is_alive(), "it outlives its owner");
    assert!(!folder.exists(), "it leaves its folder behind");
}

#[test]
fn a_private_elasticsearch_with_a_tiny_queue_refuses_part_of_a_bulk() {
    let node = private::Elasticsearch::start(private::Elasticsearch::TINY_QUEUE).unwrap();
    let made = http(node.port, "PUT /two", r#"{"settings":{"number_of_shards":2,"number_of_replicas":0}}"#);
    assert!(made.starts_with("HTTP/1.1 200"), "{made}");
    let lines: String =
        (0..200).map(|id| format!("{{\"index\":{{\"_id\":\"{id}\"}}}}\n{{\"n\":{id}}}\n")).collect();
    let refused = wait_until(Duration::from_secs(30), || {
        let answer = http(node.port, "POST /two/_bulk", &lines);
        answer.starts_with("HTTP/1.1 200")
            && answer.contains("\"status\":429")
            && answer.contains("\"status\":20")
    });
    assert!(refused, "no bulk was refused in part");

    let process = node.process().unwrap();
    node.kill().unwrap();
    assert!(!port_answers(node.port));
    node.start().unwrap();
    assert!(http(node.port, "GET /two/_count", "").contains("\"count\":"), "data gone after a crash");
    drop(node);
    assert!(!process.is_alive());
}

#[test]
fn a_private_server_goes_when_its_owner_is_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_thalweg-testbed"))
        .args(["private", "kafka"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (address, folder) = (lines.next().unwrap(), PathBuf::from(lines.next().unwrap()));
    let server = ServerProcess::remembered(&folder.join("pid")).unwrap();
    assert!(TcpStream::connect(address).is_ok());
    // Suspended, so that nothing but SIGKILL can end it.
    server.signal(Signal::STOP);
    owner.kill().unwrap();
    owner.wait().unwrap();
    let gone = wait_until(Duration::from_secs(20), || !server.is_alive() && !folder.exists());
    if !gone {
        server.kill().unwrap();
    }
    assert!(gone, "{} outlived its owner", folder.display());
}

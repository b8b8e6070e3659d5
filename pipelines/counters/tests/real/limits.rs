//! Clients that are slow, send too much, hang up, or are too many.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use thalweg_testbed::instance::{PATIENCE, until};

use crate::client::{User, token};
use crate::scene::Scene;

/// Who stands still keeps its partition for so long.
const PATIENT: &str = "kafka.group.session_timeout_ms=60000";

/// Sends bytes as they are; what comes back until the server ends the connection.
fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may refuse before it has taken everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the connection stays open"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks on and on, and reads nothing, until the server ends the connection.
fn takes_no_answers(address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let requests = "GET /limits HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    until("it is cut off", || match stream.write_all(requests.as_bytes()) {
        Ok(()) => false,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    });
}

fn head(length: usize) -> String {
    format!(
        "POST /counters/c HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n",
        token("ann")
    )
}

#[test]
fn slow_and_greedy_clients_are_cut_off() {
    let scene = Scene::new("slow", 1);
    let mut instance = scene.start_ready(&["commands.client_timeout_ms=700", "commands.connections_max=3"]);
    let address = instance.address("");
    assert_eq!(raw(&address, b""), "", "a connection on which nothing comes");
    assert_eq!(raw(&address, head(8).as_bytes()), "", "a head without an end");
    let half = raw(&address, format!("{}\r\n{{\"b", head(8)).as_bytes());
    assert!(half.starts_with("HTTP/1.1 408") && half.contains("urn:problem:slow-request"), "{half}");
    let announced = raw(&address, format!("{}Connection: close\r\n\r\n", head(1 << 30)).as_bytes());
    assert!(announced.starts_with("HTTP/1.1 413") && announced.contains("body-too-large"), "{announced}");
    let long = raw(&address, format!("{}X-Long: {}\r\n\r\n", head(0), "x".repeat(64 << 10)).as_bytes());
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431"), "{long}");
    let many = raw(&address, format!("{}{}\r\n", head(0), "X: y\r\n".repeat(100)).as_bytes());
    assert!(many.is_empty() || many.starts_with("HTTP/1.1 431"), "{many}");
    let no_http = raw(&address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    assert!(no_http.is_empty() || no_http.starts_with("HTTP/1.1 400"), "{no_http}");
    takes_no_answers(&address);
    // Three that say nothing have all places, until their time is over.
    let silent: Vec<_> = (0..3).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(User::new("ann", &address).raise("c", 1, None).body.as_u64(), Some(1));
    drop(silent);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn who_hangs_up_is_not_waited_for_and_their_command_is_applied() {
    let scene = Scene::new("hang-up", 1);
    // The one that has the partition; it will stand still.
    let working = scene.start_ready(&[PATIENT]);
    let mut asked = scene.start(&[PATIENT, "commands.answer_deadline_ms=100000"]);
    let address = asked.address("");
    asked.wait_log("admin page: ");
    working.signal(rustix::process::Signal::STOP);
    let mut stream = TcpStream::connect(&address).unwrap();
    let key = "Idempotency-Key: k\r\n";
    stream.write_all(format!("{}{key}\r\n{{\"by\":7}}", head(8)).as_bytes()).unwrap();
    until("it waits", || asked.metric("thalweg_commands_waiting", "") == 1.0);
    drop(stream);
    until("nobody waits", || asked.metric("thalweg_commands_waiting", "") == 0.0);
    assert_eq!(asked.metric("thalweg_command_hang_ups_total", ""), 1.0);
    working.signal(rustix::process::Signal::CONT);
    let again = User::new("ann", &address).raise("c", 7, Some("k"));
    assert_eq!((again.status, again.body.as_u64()), (200, Some(7)), "applied once");
    drop(working);
    assert_eq!(asked.stop().code, 0);
}

#[test]
fn more_than_may_wait_are_refused_at_once_and_those_who_wait_are_answered() {
    let scene = Scene::new("busy", 1);
    let working = scene.start_ready(&[PATIENT]);
    let mut asked = scene.start(&[PATIENT, "commands.answer_deadline_ms=100000", "commands.waiting_max=2"]);
    let address = asked.address("");
    asked.wait_log("admin page: ");
    working.signal(rustix::process::Signal::STOP);
    std::thread::scope(|scope| {
        let raise = || User::new("ann", &address).raise("c", 1, None).status;
        let waiting = [scope.spawn(raise), scope.spawn(raise)];
        until("both wait", || asked.metric("thalweg_commands_waiting", "") == 2.0);
        let begun = Instant::now();
        let third = User::new("ann", &address).raise("c", 1, None);
        third.assert_problem(503, "busy");
        assert_eq!(third.header("retry-after"), Some("1"));
        assert!(begun.elapsed() < Duration::from_secs(30), "it was not refused before others were answered");
        working.signal(rustix::process::Signal::CONT);
        for waits in waiting {
            assert_eq!(waits.join().unwrap(), 200);
        }
    });
    drop(working);
    assert_eq!(asked.stop().code, 0);
}

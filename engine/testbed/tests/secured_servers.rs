//! Secured private servers speak TLS, with a certificate that the given CA signed, and know one user.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use thalweg_testbed::private;
use thalweg_testbed::tls::Certificates;

/// What the server at `address` says to `request`, if the TLS handshake succeeds for a client that trusts `ca` only.
fn ask(address: &str, ca: &Path, request: &str) -> Option<String> {
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-verify_ip",
            "127.0.0.1",
            "-connect",
            address,
            "-CAfile",
        ])
        .arg(ca)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A client whose handshake failed does not read.
    let _ = client.stdin.take().unwrap().write_all(request.as_bytes());
    let output = client.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn kafka_has_a_listener_with_tls() {
    let kafka = private::Kafka::start_secured(&[]).unwrap();
    let (address, Certificates { ca, other_ca, .. }) = kafka.secured.as_ref().unwrap();
    // Not Kafka's protocol: the broker hangs up after the handshake.
    assert!(ask(address, ca, "hello\n").is_some(), "its own CA is refused");
    assert!(ask(address, other_ca, "hello\n").is_none(), "a foreign CA is accepted");
}

#[test]
fn elasticsearch_speaks_https_to_its_user_only() {
    let node = private::Elasticsearch::start_secured(&[]).unwrap();
    let address = node.url().strip_prefix("https://").unwrap().to_owned();
    let Certificates { ca, other_ca, .. } = node.certificates.as_ref().unwrap();
    let health = |more: &str| {
        format!("GET /_cluster/health HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n")
    };
    assert!(ask(&address, other_ca, &health("")).is_none(), "a foreign CA is accepted");
    let stranger = ask(&address, ca, &health("")).unwrap();
    assert!(stranger.starts_with("HTTP/1.1 401"), "{stranger}");
    // thalweg:only-for-tests
    let user =
        ask(&address, ca, &health("Authorization: Basic dGhhbHdlZzpvbmx5LWZvci10ZXN0cw==\r\n")).unwrap();
    assert!(user.starts_with("HTTP/1.1 200"), "{user}");
}

//! The proxies before the real shared servers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::blocking::Client;
use serde_json::{Value, json};
use thalweg_testbed::proxy::{HttpProxy, Rule, TcpProxy, Traffic};
use thalweg_testbed::servers;

#[test]
fn part_of_a_bulk_is_refused_and_the_rest_reaches_elasticsearch() {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let index = format!("{}/testbed-{}", proxy.url(), std::process::id());
    let made = client.put(&index).json(&json!({"settings": {"number_of_replicas": 0}})).send().unwrap();
    assert_eq!(made.status(), 200);

    proxy.add(Rule::items(503, |id| id == "b"));
    let lines: String = ["a", "b", "c"]
        .iter()
        .map(|id| format!("{{\"index\":{{\"_id\":\"{id}\",\"version\":3,\"version_type\":\"external\"}}}}\n{{\"n\":1}}\n"))
        .collect();
    let bulk = || {
        let request =
            client.post(format!("{index}/_bulk?refresh=true")).header("content-type", "application/x-ndjson");
        let answer: Value = request.body(lines.clone()).send().unwrap().json().unwrap();
        let items = answer["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["index"]["status"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(bulk(), [201, 503, 201]);
    let count = || {
        let answer: Value = client.get(format!("{index}/_count")).send().unwrap().json().unwrap();
        answer["count"].as_u64().unwrap()
    };
    assert_eq!(count(), 2);
    proxy.heal();
    assert_eq!(bulk(), [409, 201, 409]);
    assert_eq!(count(), 3);
    assert_eq!(client.delete(&index).send().unwrap().status(), 200);
}

/// Asks a broker which versions of its protocol it speaks (API key 18, version 0) and returns the bytes it answers.
fn ask_versions(address: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // Length, API key, version, correlation id, no client id.
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff])?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn kafka_answers_through_the_proxy_unless_told_otherwise() {
    let proxy = TcpProxy::before_shared_kafka().unwrap();
    assert_eq!(proxy.address(), servers::kafka_proxied().0);
    let direct = ask_versions(&servers::kafka()).unwrap();
    assert_eq!(&direct[..6], [0, 0, 0, 7, 0, 0], "correlation id 7, no error");
    assert_eq!(ask_versions(&proxy.address()).unwrap(), direct);
    proxy.set(Traffic::Refuse);
    assert!(ask_versions(&proxy.address()).is_err());
    assert_eq!(ask_versions(&servers::kafka()).unwrap(), direct);
}

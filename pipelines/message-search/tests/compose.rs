//! What can be said of the users' compose file without starting it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboards"))
}

fn services() -> Map<String, Value> {
    let text = std::fs::read_to_string(folder().join("compose.yaml")).unwrap();
    let mut compose: Value = serde_saphyr::from_str(&text).unwrap();
    let Value::Object(services) = compose["services"].take() else { panic!("no services") };
    services
}

fn strings<'v>(service: &'v Value, member: &str) -> Vec<&'v str> {
    let list = service[member].as_array().into_iter().flatten();
    list.map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn ports_are_open_to_this_machine_only() {
    let services = services();
    let ports: Vec<_> = services.values().flat_map(|service| strings(service, "ports")).collect();
    assert_eq!(ports.len(), 5);
    for port in ports {
        assert!(port.starts_with("127.0.0.1:"), "{port}");
    }
}

#[test]
fn what_it_mounts_and_builds_from_is_there() {
    let mut mounted = 0;
    for (name, service) in &services() {
        for volume in strings(service, "volumes").into_iter().filter(|volume| volume.starts_with('.')) {
            let (ours, _) = volume.split_once(':').unwrap();
            assert!(folder().join(ours).exists(), "{name}: {ours}");
            assert!(volume.ends_with(":ro"), "{name}: {volume} can be written to");
            mounted += 1;
        }
        if let Some(build) = service["build"].as_object() {
            let context = folder().join(build["context"].as_str().unwrap());
            assert!(context.join(build["dockerfile"].as_str().unwrap()).is_file(), "{name}");
            assert!(context.join("Cargo.lock").is_file(), "{name}");
        }
    }
    assert_eq!(mounted, 4);
}

#[test]
fn versions_of_images_are_pinned() {
    let dockerfile = std::fs::read_to_string(folder().join("indexer.Dockerfile")).unwrap();
    let built = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).map(str::to_owned);
    let run = services()
        .values()
        .filter_map(|service| Some(service["image"].as_str()?.to_owned()))
        .collect::<Vec<_>>();
    for image in built.chain(run) {
        let tag = image.split_whitespace().next().unwrap().rsplit_once(':').unwrap_or_default().1;
        assert!(tag.contains(|letter: char| letter.is_ascii_digit()) && tag.contains('.'), "{image}");
    }
    assert!(dockerfile.contains("\nUSER "), "it must not run as root");
}

#[test]
fn the_indexer_takes_its_settings() {
    let services = services();
    let mut indexer = Command::new(env!("CARGO_BIN_EXE_message-indexer"));
    indexer.env_clear().arg("--print-settings");
    for (name, value) in services["indexer"]["environment"].as_object().unwrap() {
        indexer.env(name, value.as_str().unwrap());
    }
    let output = indexer.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let settings = String::from_utf8(output.stdout).unwrap();
    for line in ["admin_listen = \"0.0.0.0:9600\"", "brokers = \"kafka:19092\"", "replicas = 0"] {
        assert!(settings.contains(line), "{line}:\n{settings}");
    }
}

//! What can be checked of the house's rules by reading its files (see engine/ARCHITECTURE.md).
#![allow(clippy::expect_used, clippy::panic, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crate lies two folders below the workspace").to_path_buf()
}

/// Every Rust file of the workspace, with its path below the root and its text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("the file is UTF-8");
                let below = path.strip_prefix(root()).expect("it lies below the root").display().to_string();
                found.push((below, text));
            }
        }
    }
    assert!(found.len() > 50, "the walk found only {} files", found.len());
    found.sort();
    found
}

fn complain(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long = |text: &str| text.lines().count() > 500;
    let offenders: Vec<_> =
        sources().into_iter().filter(|(_, text)| long(text)).map(|(path, _)| path).collect();
    complain("one concept, one file; 500 lines at most", &offenders);
}

#[test]
fn half_of_the_files_are_below_200_lines() {
    let mut lines: Vec<usize> = sources().iter().map(|(_, text)| text.lines().count()).collect();
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median < 200, "the median file has {median} lines");
}

#[test]
fn rooms_are_named_after_what_is_in_them() {
    const VAGUE: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers"];
    let vague = |path: &str| {
        path.trim_end_matches(".rs")
            .split('/')
            .any(|part| VAGUE.contains(&part) || part.ends_with("_manager"))
    };
    let offenders: Vec<_> = sources().into_iter().map(|(path, _)| path).filter(|path| vague(path)).collect();
    complain("a name that says nothing", &offenders);
}

#[test]
fn core_names_no_clock_socket_thread_or_runtime() {
    const OUTSIDE: [&str; 10] = [
        "std::net",
        "std::fs",
        "std::process",
        "std::thread::s",
        "Instant::now",
        "SystemTime",
        "tokio",
        "rdkafka",
        "async fn",
        "std::env",
    ];
    let mut offenders = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("engine/core/src/")) {
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            offenders.extend(
                OUTSIDE
                    .iter()
                    .filter(|name| line.contains(**name))
                    .map(|name| format!("{path}:{}: {name}", number + 1)),
            );
        }
    }
    complain("core decides, it does no I/O", &offenders);
}

#[test]
fn pure_halves_name_no_client() {
    // The I/O halves are the files behind a feature; the sink, its requests and its answers are pure.
    const PURE: [&str; 9] = [
        "sink.rs",
        "call.rs",
        "produce.rs",
        "dead_letter.rs",
        "document.rs",
        "bulk.rs",
        "judge.rs",
        "merge.rs",
        "answer.rs",
    ];
    let mut offenders = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("engine/connectors/src/")) {
        if PURE.iter().any(|name| path.ends_with(&format!("/{name}"))) {
            let names = ["tokio::", "rdkafka::", "elasticsearch::http", "reqwest::", "std::net"];
            offenders.extend(
                names.iter().filter(|name| text.contains(**name)).map(|name| format!("{path}: {name}")),
            );
        }
    }
    complain("the pure half of a connector does no I/O", &offenders);
}

#[test]
fn unsafe_lives_in_the_batch_read_and_the_bare_loops_only() {
    let allowed =
        |path: &str| path == "engine/connectors/src/kafka/librdkafka/mod.rs" || path.starts_with("benches/");
    let attribute = concat!("allow(", "unsafe_code");
    let offenders: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| !allowed(path) && text.contains(attribute))
        .map(|(path, _)| path)
        .collect();
    complain("`unsafe` outside its room", &offenders);
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME")];
    // A test that another test starts as a child, to see it fail, is run; it says by whom.
    let (ignored, run_by) = (concat!("#[", "ignore"), "= \"run by ");
    let mut offenders = Vec::new();
    for (path, text) in sources() {
        offenders
            .extend(marks.iter().filter(|mark| text.contains(**mark)).map(|mark| format!("{path}: {mark}")));
        let skipped = text.lines().filter(|line| line.contains(ignored) && !line.contains(run_by));
        offenders.extend(skipped.map(|line| format!("{path}: {line}")));
    }
    complain("a stub or an ignored test", &offenders);
}

#[test]
fn pipelines_and_the_command_see_only_the_public_api() {
    let mut offenders = Vec::new();
    let outside = |path: &str| path.starts_with("pipelines/") || path.starts_with("engine/cli/");
    for (path, text) in sources().iter().filter(|(path, _)| outside(path)) {
        for name in ["thalweg_core", "thalweg_connectors"] {
            if text.contains(name) {
                offenders.push(format!("{path}: {name}"));
            }
        }
    }
    complain("pipelines depend on `thalweg` alone", &offenders);
}

#[test]
fn the_architecture_page_names_rooms_that_exist() {
    let page = std::fs::read_to_string(root().join("engine/ARCHITECTURE.md")).expect("the page is there");
    let mut offenders = Vec::new();
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.starts_with("core/src/")) {
        let path = root().join("engine").join(name.trim_end_matches('/'));
        if !path.exists() {
            offenders.push(name.to_owned());
        }
    }
    complain("named in ARCHITECTURE.md, and not there", &offenders);
}

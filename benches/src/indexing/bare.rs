//! The bare client: bulk requests that lie ready in memory, on as many connections as the sink has lanes. Writes of one
//! document go over one connection, in their order.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::blocking::Client;
use serde::Deserialize;

use super::documents::Write;

/// As many as the sink's lanes and flights.
const CONNECTIONS: usize = 8;

const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The requests of each connection, in their order.
pub(super) type Requests = Vec<Vec<Vec<u8>>>;

/// Frames the writes, so many to a request.
pub(super) fn requests(writes: &[Write], per_request: usize) -> Result<Requests> {
    let mut of_connection: Vec<Vec<&Write>> = vec![Vec::new(); CONNECTIONS];
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for write in writes {
        let number = hasher.hash_one(&write.id) as usize % CONNECTIONS;
        of_connection.get_mut(number).context("there are that many")?.push(write);
    }
    let frame = |writes: &[&Write]| -> Result<Vec<u8>> {
        let mut body = Vec::new();
        for Write { id, version, source, .. } in writes {
            body.extend_from_slice(br#"{"index":{"_id":"#);
            serde_json::to_writer(&mut body, id)?;
            writeln!(body, r#","version":{version},"version_type":"external"}}}}"#)?;
            writeln!(body, "{source}")?;
        }
        Ok(body)
    };
    of_connection.iter().map(|writes| writes.chunks(per_request.max(1)).map(frame).collect()).collect()
}

#[derive(Deserialize)]
struct Answer {
    errors: bool,
}

/// Sends all of them; answers how long that took.
pub(super) fn send(url: &str, requests: Requests) -> Result<Duration> {
    let client = Client::builder().timeout(ANSWER_WITHIN).build()?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .into_iter()
            .map(|requests| {
                let client = client.clone();
                scope.spawn(move || requests.into_iter().try_for_each(|body| post(&client, url, body)))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(sent) => sent,
            Err(_) => bail!("a connection's thread panicked"),
        })
    })?;
    Ok(begun.elapsed())
}

fn post(client: &Client, url: &str, body: Vec<u8>) -> Result<()> {
    let request = client.post(url).header("content-type", "application/x-ndjson").body(body);
    let answer = request.send()?.error_for_status()?.bytes()?;
    let Answer { errors } = serde_json::from_slice(&answer)?;
    if errors {
        bail!("writes failed: {}", String::from_utf8_lossy(answer.get(..500).unwrap_or(&answer)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_of_a_document_stay_in_order_on_one_connection() {
        let write = |number: u64| {
            let (id, version) = (number % 7, number + 1);
            let line =
                format!(r#"{{"op":"index","id":"t/{id}","version":{version},"source":{{"n":{number}}}}}"#);
            serde_json::from_str::<Write>(&line).unwrap()
        };
        let writes: Vec<_> = (0..100).map(write).collect();
        let requests = requests(&writes, 3).unwrap();
        let lines = |request: &Vec<u8>| String::from_utf8(request.clone()).unwrap();
        let all: Vec<String> = requests.iter().map(|of| of.iter().map(lines).collect()).collect();
        assert_eq!(all.iter().map(|text| text.lines().count()).sum::<usize>(), 200);
        for id in 0..7 {
            let action = |version: u64| {
                format!(r#"{{"index":{{"_id":"t/{id}","version":{version},"version_type":"external"}}}}"#)
            };
            let places: Vec<_> = (0..100)
                .filter(|n| n % 7 == id)
                .map(|n| {
                    let found =
                        all.iter().enumerate().find_map(|(c, text)| Some((c, text.find(&action(n + 1))?)));
                    found.unwrap()
                })
                .collect();
            assert!(places.is_sorted() && places.iter().all(|place| place.0 == places[0].0), "{places:?}");
        }
        assert!(requests.iter().flatten().all(|request| lines(request).lines().count() <= 6));
    }
}

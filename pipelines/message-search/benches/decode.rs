//! What it costs to read an event: nanoseconds for each, the median of many rounds. Run with
//! `cargo bench -p message-search --bench decode`.

use std::hint::black_box;
use std::time::Instant;

use message_search::event::decode;

const ROUNDS: usize = 51;
const EVENTS: u32 = 20_000;

#[expect(clippy::print_stdout, reason = "its answer")]
fn main() {
    let content = "Hello, world! This is a message of some length, as people write them. ";
    let ids = r#""id":"123e4567-e89b-12d3-a456-426614174000","tenantId":"tenant-123""#;
    let created = format!(
        r#"{{"type":"message.created","payload":{{{ids},"conversationId":"123e4567-e89b-12d3-a456-426614174001","senderId":"u-17","content":"{content}","timestamp":"2023-08-15T10:30:00Z","metadata":{{"key1":"value1"}}}}}}"#
    );
    let updated = format!(
        r#"{{"type":"message.updated","payload":{{{ids},"content":"{content}","metadata":{{"edited":true}}}}}}"#
    );
    let deleted = format!(r#"{{"type":"message.deleted","payload":{{{ids}}}}}"#);
    for (name, value) in [("created", created), ("updated", updated), ("deleted", deleted)] {
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(value.as_bytes())).collect();
        rounds.sort_by(f64::total_cmp);
        let (least, median) = (rounds[0], rounds[ROUNDS / 2]);
        println!("{name}: {} bytes, median {median:.0} ns, least {least:.0} ns", value.len());
    }
}

fn round(value: &[u8]) -> f64 {
    let begun = Instant::now();
    for _ in 0..EVENTS {
        assert!(decode(black_box(value)).is_ok());
    }
    begun.elapsed().as_nanos() as f64 / f64::from(EVENTS)
}

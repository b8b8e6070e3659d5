//! Request bodies, framed by hand: this is the straight line, and a serializer costs ten times as much.

use super::json;

/// What a bulk line takes besides id, version and document.
const FRAME_BYTES: usize = 64 + 20;

/// Appends one write: the document at `version`, unless something at least as new is there. Without a version
/// (sabotage only) it overwrites whatever is there.
pub(super) fn push_index(into: &mut Vec<u8>, id: &[u8], version: Option<u64>, document: &[u8]) {
    into.reserve(id.len() + document.len() + FRAME_BYTES);
    push_action(into, br#"{"index":{"_id":""#, id, version);
    into.extend_from_slice(document);
    into.push(b'\n');
}

/// Appends a removal without a tombstone (sabotage only: Elasticsearch forgets it).
pub(super) fn push_delete(into: &mut Vec<u8>, id: &[u8], version: Option<u64>) {
    push_action(into, br#"{"delete":{"_id":""#, id, version);
}

fn push_action(into: &mut Vec<u8>, action: &[u8], id: &[u8], version: Option<u64>) {
    into.extend_from_slice(action);
    json::push_escaped(into, id);
    if let Some(version) = version {
        into.extend_from_slice(br#"","version":"#);
        into.extend_from_slice(itoa::Buffer::new().format(version).as_bytes());
        into.extend_from_slice(b",\"version_type\":\"external\"}}\n");
    } else {
        into.extend_from_slice(b"\"}}\n");
    }
}

/// Bytes that [`push_index`] appends at most, unless the id has characters to escape.
pub(super) fn index_bytes(id: &[u8], document: &[u8]) -> usize {
    id.len() + document.len() + FRAME_BYTES
}

/// Appends a removal, to be done only if the document is still the one that was found.
pub(super) fn push_guarded_delete(into: &mut Vec<u8>, id: &str, seq_no: u64, primary_term: u64) {
    into.extend_from_slice(br#"{"delete":{"_id":""#);
    json::push_escaped(into, id.as_bytes());
    into.extend_from_slice(br#"","if_seq_no":"#);
    into.extend_from_slice(itoa::Buffer::new().format(seq_no).as_bytes());
    into.extend_from_slice(br#","if_primary_term":"#);
    into.extend_from_slice(itoa::Buffer::new().format(primary_term).as_bytes());
    into.extend_from_slice(b"}}\n");
}

/// The body of a multi-get of these documents.
pub(super) fn multi_get<'i>(ids: impl Iterator<Item = &'i [u8]>) -> Vec<u8> {
    let mut body = br#"{"ids":["#.to_vec();
    for (index, id) in ids.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.push(b'"');
        json::push_escaped(&mut body, id);
        body.push(b'"');
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_framed_as_elasticsearch_wants_them() {
        let mut body = Vec::new();
        push_index(&mut body, b"t/k\"/1", Some(281_474_976_710_656), b"{}");
        assert!(body.len() <= index_bytes(b"t/k\"/1", b"{}"));
        push_guarded_delete(&mut body, "t/k/2", 7, 1);
        let wanted = concat!(
            r#"{"index":{"_id":"t/k\"/1","version":281474976710656,"version_type":"external"}}"#,
            "\n{}\n",
            r#"{"delete":{"_id":"t/k/2","if_seq_no":7,"if_primary_term":1}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), wanted);
        assert_eq!(multi_get([b"a".as_slice(), b"b\n"].into_iter()), br#"{"ids":["a","b\u000a"]}"#);
    }
}

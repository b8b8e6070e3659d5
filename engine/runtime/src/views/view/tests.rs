//! Batches in, pages out.

use thalweg_core::position::{Epoch, PartitionId};

use super::*;

#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
struct Thing {
    owner: String,
}

fn view(page_items_max: u32) -> View<Thing> {
    View::json("things", &ViewSettings { page_items_max, ..ViewSettings::default() })
}

/// A record: key and value.
type Written<'w> = (Option<&'w [u8]>, Option<&'w [u8]>);

/// Takes records of one partition in.
fn take_in<V: Send + Sync + 'static>(view: &View<V>, records: &[Written<'_>]) {
    let mut batch = Batch::new(PartitionId(0), Epoch(0));
    for (offset, (key, value)) in (0..).zip(records) {
        batch.push(offset, 0, *key, *value, &[]);
    }
    view.erased().apply(&batch).unwrap();
}

fn thing(owner: &str) -> Vec<u8> {
    format!("{{\"owner\":\"{owner}\",\"more\":[1, 2]}}").into_bytes()
}

#[test]
fn a_thing_is_shown_as_it_was_written() {
    let view = view(10);
    take_in(&view, &[(Some(b"a"), Some(&thing("ann"))), (Some(b"a"), Some(&thing("bob")))]);
    let found = view.get("a").unwrap();
    assert_eq!((found.value.owner.as_str(), &found.bytes[..]), ("bob", &thing("bob")[..]));
    assert_eq!(view.get("b"), None);
    take_in(&view, &[(Some(b"a"), None)]);
    assert_eq!(view.get("a"), None);
}

#[test]
fn what_can_not_be_read_is_counted_and_others_go_on() {
    let view = view(10);
    let (ann, deep) = (thing("ann"), "[".repeat(100_000).into_bytes());
    take_in(
        &view,
        &[
            (Some(b"a"), Some(&ann)),
            (Some(b"b"), Some(&ann)),
            (Some(b"b"), Some(b"{\"owner\":1}")),
            (Some(b"c"), Some(&deep)),
            (Some(b"\xFF"), Some(&ann)),
            (None, Some(&ann)),
            (Some(b"d"), Some(&ann)),
        ],
    );
    let there: Vec<_> = ["a", "b", "c", "d"].into_iter().filter(|key| view.get(key).is_some()).collect();
    assert_eq!(there, ["a", "d"], "what is there is not what it was before");
    let ViewCounted { records, undecodable, ready, .. } = view.erased().counted();
    assert_eq!((records, undecodable, ready), (2, 4, false));
}

#[test]
fn bytes_are_taken_as_they_are() {
    let view = View::bytes("things", &ViewSettings::default());
    take_in(&view, &[(Some(b"a"), Some(b"\xFF"))]);
    assert_eq!(&view.get("a").unwrap().bytes[..], b"\xFF");
}

#[test]
fn pages_lead_through_everything_that_is_wanted() {
    let view = view(3);
    let (ann, bob) = (thing("ann"), thing("bob"));
    let keys: Vec<_> = (0..3_000).map(|number| format!("{number:04}")).collect();
    let is_anns = |number: usize| number.is_multiple_of(500);
    let records: Vec<Written<'_>> = (0..)
        .zip(&keys)
        .map(|(number, key)| {
            let value = if is_anns(number) { &ann } else { &bob };
            (Some(key.as_bytes()), Some(&value[..]))
        })
        .collect();
    take_in(&view, &records);
    let (mut asked, mut sizes, mut found) = (PageRequest::default(), Vec::new(), 0);
    loop {
        let page = view.page(&asked, |_, thing| thing.owner == "ann");
        assert!(page.items.iter().all(|item| item.value.owner == "ann"));
        sizes.push(page.items.len());
        found += page.items.len();
        match page.next {
            Some(next) => asked.after = Some(next),
            None => break,
        }
    }
    assert_eq!((found, &sizes[..2]), (6, &[3, 3][..]));
    let page = view.page(&PageRequest { after: None, limit: Some(1_000) }, |_, _| true);
    assert_eq!((page.items.len(), page.next.as_deref()), (3, Some("0002")), "the settings are a limit");
    let page = view.page(&PageRequest { after: Some("2998".to_owned()), limit: None }, |_, _| true);
    assert_eq!((page.items.len(), page.next), (1, None));
}

#[test]
fn a_request_looks_at_a_part_of_a_large_view_only() {
    let view = View::bytes("things", &ViewSettings::default());
    let keys: Vec<_> = (0..PAGE_LOOKS_MAX + 5).map(|number| format!("{number:05}")).collect();
    let records: Vec<Written<'_>> = keys.iter().map(|key| (Some(key.as_bytes()), Some(&b"1"[..]))).collect();
    take_in(&view, &records);
    let page = view.page(&PageRequest::default(), |key, ()| key == "10003");
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("09999")));
    let page = view.page(&PageRequest { after: page.next, limit: None }, |key, ()| key == "10003");
    assert_eq!((page.items.len(), page.next), (1, None));
}

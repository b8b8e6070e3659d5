//! What the client knows of itself, and what its lists hold.

use std::ptr::addr_of;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};

use super::{slice_of, text_of};

/// One partition's committed offset, as the broker told it.
pub(in crate::kafka) struct Committed {
    pub(in crate::kafka) topic: String,
    pub(in crate::kafka) partition: i32,
    /// Negative: none.
    pub(in crate::kafka) offset: i64,
    /// What was committed with it; bytes that are not UTF-8 replaced.
    pub(in crate::kafka) metadata: String,
    /// 0: fine.
    pub(in crate::kafka) error_code: i32,
}

/// The elements of a list, with metadata that need not be UTF-8 (the wrapper's getter panics on such).
pub(in crate::kafka) fn committed_of(list: &TopicPartitionList) -> Vec<Committed> {
    let list = list.ptr();
    // SAFETY: the list lives while borrowed, and holds `cnt` elements; texts and metadata live with it. The error is
    // read as the C int that it is.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count)
            .map(|index| {
                let element = (*list).elems.add(index);
                let metadata =
                    slice_of(addr_of!((*element).metadata).read(), addr_of!((*element).metadata_size).read());
                Committed {
                    topic: text_of((*element).topic),
                    partition: (*element).partition,
                    offset: (*element).offset,
                    metadata: String::from_utf8_lossy(metadata.unwrap_or_default()).into_owned(),
                    error_code: addr_of!((*element).err).cast::<i32>().read(),
                }
            })
            .collect()
    }
}

/// Where the consumer would read each partition of the list on, in its order; -1: nothing was read yet. The wrapper's own
/// call asks the client's main thread for the assignment before.
pub(in crate::kafka) fn positions<C: ClientContext>(
    client: &Client<C>,
    list: &mut TopicPartitionList,
) -> Vec<i64> {
    // SAFETY: client and list live; the call fills the list's elements in.
    unsafe { ffi::rd_kafka_position(client.native_ptr(), list.ptr()) };
    committed_of(list).into_iter().map(|element| element.offset.max(-1)).collect()
}

/// The id that the group knows this member by; `None` before it has joined and after it has left.
pub(in crate::kafka) fn member_id<C: ClientContext>(client: &Client<C>) -> Option<String> {
    let client = client.native_ptr();
    // SAFETY: the client lives; the text is ours to free.
    unsafe {
        let id = ffi::rd_kafka_memberid(client);
        let text = text_of(id);
        if !id.is_null() {
            ffi::rd_kafka_mem_free(client, id.cast());
        }
        (!text.is_empty()).then_some(text)
    }
}

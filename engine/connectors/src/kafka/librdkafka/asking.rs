//! Questions to brokers, and what the client knows of itself.

use std::ffi::{CString, c_int};
use std::ops::Range;
use std::ptr::{self, addr_of};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};
use rdkafka::topic_partition_list::Offset;

use super::{Failed, Owned, slice_of, text_of};

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

/// A topic as its broker describes it: id (most significant half first) and number of partitions.
pub(in crate::kafka) type Described = ([i64; 2], usize);

/// Asks that broker about a topic; waits for `timeout` at most.
pub(in crate::kafka) fn describe_topic<C: ClientContext>(
    client: &Client<C>,
    broker: i32,
    topic: &str,
    timeout: Duration,
) -> Result<Described, Failed> {
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    let topic = CString::new(topic).map_err(|error| (0, error.to_string()))?;
    let native = client.native_ptr();
    // SAFETY: the client lives; every argument is made above the call that uses it and destroyed after; the request
    // copies the names. What the result points to lives as long as the event.
    unsafe {
        let queue = Owned::new(ffi::rd_kafka_queue_new(native), ffi::rd_kafka_queue_destroy)?;
        let mut name = topic.as_ptr();
        let names = ffi::rd_kafka_TopicCollection_of_topic_names(&raw mut name, 1);
        let names = Owned::new(names, ffi::rd_kafka_TopicCollection_destroy)?;
        let kind = ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options =
            Owned::new(ffi::rd_kafka_AdminOptions_new(native, kind), ffi::rd_kafka_AdminOptions_destroy)?;
        // Every kind of request has these two.
        ffi::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), timeout_ms, ptr::null_mut(), 0);
        ffi::rd_kafka_AdminOptions_set_broker(options.ptr(), broker, ptr::null_mut(), 0);
        ffi::rd_kafka_DescribeTopics(native, names.ptr(), options.ptr(), queue.ptr());
        // The request times out by itself; a second more for its answer to arrive here.
        let event = ffi::rd_kafka_queue_poll(queue.ptr(), timeout_ms.saturating_add(1_000));
        let event = Owned::new(event, ffi::rd_kafka_event_destroy)?;
        let code = ffi::rd_kafka_event_error(event.ptr()) as i32;
        if code != 0 {
            return Err((code, text_of(ffi::rd_kafka_event_error_string(event.ptr()))));
        }
        first_description(event.ptr())
    }
}

/// # Safety
/// `event` must be the live answer to a topic description.
unsafe fn first_description(event: *mut ffi::rd_kafka_event_t) -> Result<Described, Failed> {
    // SAFETY: the caller's promise; counts and pointers are set together, and all lives as long as the event.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let topics = ffi::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count == 0 {
            return Err((0, "the broker's answer names no topic".to_owned()));
        }
        let topic = *topics;
        let error = ffi::rd_kafka_TopicDescription_error(topic);
        let code = ffi::rd_kafka_error_code(error) as i32;
        if code != 0 {
            return Err((code, text_of(ffi::rd_kafka_error_string(error))));
        }
        let mut partitions = 0;
        ffi::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let id = ffi::rd_kafka_TopicDescription_topic_id(topic);
        let halves =
            [ffi::rd_kafka_Uuid_most_significant_bits(id), ffi::rd_kafka_Uuid_least_significant_bits(id)];
        Ok((halves, partitions))
    }
}

/// One above the newest record of the partition, committed or not: what readers of what is committed are told by
/// `rd_kafka_query_watermark_offsets` is the last stable offset (librdkafka asks with the client's isolation level).
pub(in crate::kafka) fn high_watermark<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<i64, Failed> {
    let found = high_watermarks(client, topic, partition..partition.saturating_add(1), timeout)?;
    found.first().copied().ok_or_else(|| (0, "the broker's answer names no partition".to_owned()))
}

/// As [`high_watermark`], of each of those partitions in their order, with one request to each leader.
pub(in crate::kafka) fn high_watermarks<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partitions: Range<i32>,
    timeout: Duration,
) -> Result<Vec<i64>, Failed> {
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions.clone() {
        list.add_partition_offset(topic, partition, Offset::End).map_err(|error| (0, error.to_string()))?;
    }
    let native = client.native_ptr();
    // SAFETY: the client lives; every argument is made above the call that uses it and destroyed after; the request
    // copies the list. What the result points to lives as long as the event, and there are as many infos as it says.
    unsafe {
        let queue = Owned::new(ffi::rd_kafka_queue_new(native), ffi::rd_kafka_queue_destroy)?;
        let kind = ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        let options =
            Owned::new(ffi::rd_kafka_AdminOptions_new(native, kind), ffi::rd_kafka_AdminOptions_destroy)?;
        ffi::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), timeout_ms, ptr::null_mut(), 0);
        let all = ffi::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
        // The level is one that there is.
        let refused = ffi::rd_kafka_AdminOptions_set_isolation_level(options.ptr(), all);
        assert!(refused.is_null(), "listing offsets takes an isolation level");
        ffi::rd_kafka_ListOffsets(native, list.ptr(), options.ptr(), queue.ptr());
        let event = ffi::rd_kafka_queue_poll(queue.ptr(), timeout_ms.saturating_add(1_000));
        let event = Owned::new(event, ffi::rd_kafka_event_destroy)?;
        let code = ffi::rd_kafka_event_error(event.ptr()) as i32;
        if code != 0 {
            return Err((code, text_of(ffi::rd_kafka_event_error_string(event.ptr()))));
        }
        let mut count = 0;
        let infos = ffi::rd_kafka_ListOffsets_result_infos(
            ffi::rd_kafka_event_ListOffsets_result(event.ptr()),
            &raw mut count,
        );
        let count = if infos.is_null() { 0 } else { count };
        let found =
            (0..count).map(|index| ffi::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index)));
        let found: Vec<(i32, i64, i32)> = found
            .map(|one| ((*one).partition, (*one).offset, addr_of!((*one).err).cast::<i32>().read()))
            .collect();
        in_order(topic, partitions, &found)
    }
}

/// The offsets of those partitions, of what was found: partition, offset, error code.
fn in_order(topic: &str, partitions: Range<i32>, found: &[(i32, i64, i32)]) -> Result<Vec<i64>, Failed> {
    partitions
        .map(|partition| match found.iter().find(|(number, ..)| *number == partition) {
            Some((_, offset, 0)) => Ok(*offset),
            Some((.., code)) => Err((*code, format!("the end of {topic}/{partition} can't be asked for"))),
            None => Err((0, format!("the broker's answer does not name {topic}/{partition}"))),
        })
        .collect()
}

//! Questions that go to brokers as admin requests: what a topic, its ends, or a group is like.

use std::ffi::{CString, c_int};
use std::ops::Range;
use std::ptr::{self, addr_of};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as ffi;
use rdkafka::client::{Client, ClientContext};
use rdkafka::topic_partition_list::Offset;

use super::{Failed, Owned, text_of};

/// Sends a request and waits for its answer, which `send` has come to the queue.
///
/// # Safety
/// `native` must be a live client, `kind` and the options that `set` sets must fit the request that `send` sends, and that
/// request must copy what it is handed.
unsafe fn answer_of(
    native: *mut ffi::rd_kafka_t,
    kind: ffi::rd_kafka_admin_op_t,
    timeout: Duration,
    set: impl FnOnce(*mut ffi::rd_kafka_AdminOptions_t),
    send: impl FnOnce(*mut ffi::rd_kafka_AdminOptions_t, *mut ffi::rd_kafka_queue_t),
) -> Result<Owned<ffi::rd_kafka_event_t>, Failed> {
    let timeout_ms = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the caller's promise; what is made here is destroyed after the answer has come.
    unsafe {
        let queue = Owned::new(ffi::rd_kafka_queue_new(native), ffi::rd_kafka_queue_destroy)?;
        let options =
            Owned::new(ffi::rd_kafka_AdminOptions_new(native, kind), ffi::rd_kafka_AdminOptions_destroy)?;
        // Every kind of request has this one.
        ffi::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), timeout_ms, ptr::null_mut(), 0);
        set(options.ptr());
        send(options.ptr(), queue.ptr());
        // The request times out by itself; a second more for its answer to arrive here.
        let event = ffi::rd_kafka_queue_poll(queue.ptr(), timeout_ms.saturating_add(1_000));
        let event = Owned::new(event, ffi::rd_kafka_event_destroy)?;
        let code = ffi::rd_kafka_event_error(event.ptr()) as i32;
        if code == 0 {
            Ok(event)
        } else {
            Err((code, text_of(ffi::rd_kafka_event_error_string(event.ptr()))))
        }
    }
}

/// # Safety
/// `error` must be null or live.
unsafe fn check(error: *const ffi::rd_kafka_error_t) -> Result<(), Failed> {
    // SAFETY: the caller's promise; null is no error to both.
    unsafe {
        let code = ffi::rd_kafka_error_code(error) as i32;
        if code == 0 { Ok(()) } else { Err((code, text_of(ffi::rd_kafka_error_string(error)))) }
    }
}

fn c_text(text: &str) -> Result<CString, Failed> {
    CString::new(text).map_err(|error| (0, error.to_string()))
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
    let topic = c_text(topic)?;
    let native = client.native_ptr();
    // SAFETY: the client lives; the names live until the request was sent, which copies them. What the result points to
    // lives as long as the event.
    unsafe {
        let mut name = topic.as_ptr();
        let names = ffi::rd_kafka_TopicCollection_of_topic_names(&raw mut name, 1);
        let names = Owned::new(names, ffi::rd_kafka_TopicCollection_destroy)?;
        let event = answer_of(
            native,
            ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            timeout,
            |options| {
                ffi::rd_kafka_AdminOptions_set_broker(options, broker, ptr::null_mut(), 0);
            },
            |options, queue| ffi::rd_kafka_DescribeTopics(native, names.ptr(), options, queue),
        )?;
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
        check(ffi::rd_kafka_TopicDescription_error(topic))?;
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
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions.clone() {
        list.add_partition_offset(topic, partition, Offset::End).map_err(|error| (0, error.to_string()))?;
    }
    let native = client.native_ptr();
    // SAFETY: the client lives; the request copies the list. What the result points to lives as long as the event, and
    // there are as many infos as it says.
    unsafe {
        let event = answer_of(
            native,
            ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
            timeout,
            |options| {
                let all = ffi::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
                // The level is one that there is.
                let refused = ffi::rd_kafka_AdminOptions_set_isolation_level(options, all);
                assert!(refused.is_null(), "listing offsets takes an isolation level");
            },
            |options, queue| ffi::rd_kafka_ListOffsets(native, list.ptr(), options, queue),
        )?;
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

/// What the members of a group of the classic protocol have, as its coordinator tells it; `None` while the group
/// is between two generations.
pub(in crate::kafka) fn assigned_in_group<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    timeout: Duration,
) -> Result<Option<Vec<(String, i32)>>, Failed> {
    let group = c_text(group)?;
    let native = client.native_ptr();
    // SAFETY: the client lives; the request copies the name. The answer is one to this request.
    unsafe {
        let mut name = group.as_ptr();
        let event = answer_of(
            native,
            ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
            timeout,
            |_| {},
            |options, queue| ffi::rd_kafka_DescribeConsumerGroups(native, &raw mut name, 1, options, queue),
        )?;
        members_have(event.ptr())
    }
}

/// # Safety
/// `event` must be the live answer to a group description.
unsafe fn members_have(event: *mut ffi::rd_kafka_event_t) -> Result<Option<Vec<(String, i32)>>, Failed> {
    use ffi::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE as STABLE;
    // SAFETY: the caller's promise; members are asked for below their count, and all lives as long as the event.
    unsafe {
        let result = ffi::rd_kafka_event_DescribeConsumerGroups_result(event);
        let mut count = 0;
        let groups = ffi::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if groups.is_null() || count == 0 {
            return Err((0, "the broker's answer names no group".to_owned()));
        }
        let group = *groups;
        check(ffi::rd_kafka_ConsumerGroupDescription_error(group))?;
        if ffi::rd_kafka_ConsumerGroupDescription_state(group) != STABLE {
            return Ok(None);
        }
        let members = 0..ffi::rd_kafka_ConsumerGroupDescription_member_count(group);
        let have = members.flat_map(|index| {
            let member = ffi::rd_kafka_ConsumerGroupDescription_member(group, index);
            let assignment = ffi::rd_kafka_MemberDescription_assignment(member);
            let list = ffi::rd_kafka_MemberAssignment_partitions(assignment);
            let elements = if list.is_null() { 0 } else { usize::try_from((*list).cnt).unwrap_or(0) };
            (0..elements).map(move |index| {
                let element = (*list).elems.add(index);
                (text_of((*element).topic), (*element).partition)
            })
        });
        Ok(Some(have.collect()))
    }
}

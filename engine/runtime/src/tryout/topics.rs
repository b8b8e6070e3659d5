//! The topics of flows: clients can't make topics on the embedded broker, so all of them must be there before.

use std::collections::BTreeMap;

use crate::commands::Commands;
use crate::flow::{Flow, MissingTopic};

/// Of a topic whose number of partitions nobody says: enough that partitions matter, few enough to be shown.
const PARTITIONS: u32 = 8;

/// Names of all topics that the flows read or write, and how many partitions each is to have.
pub(super) fn of(flows: &[Flow]) -> BTreeMap<String, u32> {
    let mut topics = BTreeMap::new();
    for flow in flows {
        topics.extend(flow.missing_topics.iter().map(MissingTopic::shape));
        topics.extend(flow.commands.iter().map(Commands::replies));
    }
    for flow in flows {
        let source = &flow.source.topic;
        let partitions = *topics.entry(source.clone()).or_insert(PARTITIONS);
        let mut beside = vec![flow.dead_letters.topic_for(source)];
        beside.extend(flow.commands.iter().flat_map(Commands::view_topics));
        beside.extend(flow.work.topics(flow));
        // A changelog must be as wide as its source, and the others may well be.
        for topic in beside {
            topics.entry(topic).or_insert(partitions);
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::CommandSettings;
    use crate::flow::{DeadLetters, ExactlyOnce, OutputTopics, Source};
    use crate::settings::{StateSettings, TransactionSettings};
    use crate::views::{View, ViewSettings};
    use crate::{DueNow, Record, Run, StatefulOperator, Step};

    struct Nothing;

    impl StatefulOperator for Nothing {
        fn process(&mut self, _record: &Record<'_>, _run: &mut Run<'_>) -> Step {
            Step::Done
        }

        fn due(&mut self, _timer: DueNow<'_>, _run: &mut Run<'_>) {}
    }

    #[test]
    fn every_topic_of_a_flow_is_there_and_as_wide_as_it_must_be() {
        let view = View::<()>::bytes("seen", &ViewSettings::default());
        let settings = CommandSettings { replies_partitions: 5, ..CommandSettings::default() };
        let commands = Commands::with(&settings)
            .get_open_from(&view, "/", |_view, _request| crate::commands::Answer::json("nothing"));
        let state = StateSettings { changelog_topic: "log".to_owned(), ..StateSettings::default() };
        let flow = Flow::named("count")
            .source(Source::topic("in").group("group", "counts"))
            .stateful("nothing", |_topics: &OutputTopics| Nothing)
            .topic("out", "out")
            .topic("replies", "command-replies")
            .state(&state)
            .dead_letters(DeadLetters::beside_the_topic())
            .guarantee(ExactlyOnce::with(&TransactionSettings::default()))
            .make_missing([MissingTopic::keeping("in", 3, 1_000)])
            .commands(commands);
        let expected =
            [("command-replies", 5), ("in", 3), ("in.dlq", 3), ("log", 3), ("out", 3), ("seen", 3)];
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(topic, partitions)| (topic.to_owned(), partitions)).collect();
        assert_eq!(of(&[flow]), expected);
    }
}

//! The flows of one program.

use super::Flow;
use crate::settings::{EngineSettings, FlowSettings, SettingError};

/// What a program runs: one flow or several, of whatever guarantees. What the program shows of itself first is of the
/// first one.
pub struct Flows(pub(crate) Vec<Flow>);

impl From<Flow> for Flows {
    fn from(flow: Flow) -> Self {
        Self(vec![flow])
    }
}

impl From<Vec<Flow>> for Flows {
    /// # Panics
    /// Without a flow, or with two of one name: mistakes in the program, which show as soon as it is started.
    fn from(flows: Vec<Flow>) -> Self {
        assert!(!flows.is_empty(), "a program has at least one flow");
        for (index, flow) in flows.iter().enumerate() {
            let twice = flows[..index].iter().any(|before| before.name == flow.name);
            assert!(!twice, "two flows are named {:?}", flow.name);
        }
        Self(flows)
    }
}

/// What a flow has for itself instead of what `[engine]` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// Where it stands among the program's settings.
    pub(crate) section: String,
    pub(crate) settings: FlowSettings,
}

impl Flow {
    /// Runs it as `settings` say where they differ from `[engine]`. `section` is where they stand among the program's
    /// settings, as in `flows.audit`, for errors.
    #[must_use]
    pub fn own_settings(mut self, section: &str, settings: &FlowSettings) -> Self {
        self.own = Own { section: section.to_owned(), settings: settings.clone() };
        self
    }

    /// What no other flow may have: where it is set, and its value.
    fn claims(&self) -> Vec<(String, String)> {
        let source = &self.source;
        let mut claims = vec![(source.group_key().to_owned(), source.settings.group.id.clone())];
        claims.extend(self.work.claims(self).into_iter().map(|(key, value)| (key.to_owned(), value)));
        claims
    }
}

/// Checks what flows have for themselves, and that none has what is another's; nothing connects.
///
/// # Errors
/// The first setting that can't be.
pub(crate) fn check(flows: &[Flow], engine: &EngineSettings) -> Result<(), SettingError> {
    for flow in flows {
        let Own { section, settings } = &flow.own;
        settings.over(engine).check_flow(section)?;
    }
    for (index, flow) in flows.iter().enumerate() {
        let claims = flow.claims();
        for before in &flows[..index] {
            let theirs = before.claims();
            let Some((key, value)) =
                claims.iter().find(|(_, value)| theirs.iter().any(|(_, one)| one == value))
            else {
                continue;
            };
            let (name, other) = (flow.name, before.name);
            let allowed = format!("is what the flow {other} has; the flow {name} must have another");
            return Err(SettingError::new(key, format!("{value:?}"), allowed));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{DeadLetters, ExactlyOnce, Guarantee, OutputTopics, Source};
    use crate::kafka::KafkaSettings;
    use crate::settings::{StateSettings, TransactionSettings};
    use crate::{DueNow, Output, Record, Run, StatefulOperator, Step};

    struct Nothing;

    impl StatefulOperator for Nothing {
        fn process(&mut self, _record: &Record<'_>, _run: &mut Run<'_>) -> Step {
            Step::Done
        }

        fn due(&mut self, _timer: DueNow<'_>, _run: &mut Run<'_>) {}
    }

    fn plain(name: &'static str, group: &str) -> Flow {
        let source = Source::topic("orders").settings(&KafkaSettings::default());
        Flow::named(name)
            .source(source.group(&format!("groups.{name}"), group))
            .operator("nothing", |_sinks| |_record: &Record<'_>, _out: &mut Output<'_>| Step::Filtered("all"))
            .dead_letters(DeadLetters::beside_the_topic())
            .guarantee(Guarantee::AtLeastOnce)
    }

    fn stateful(name: &'static str, transactions: &TransactionSettings, state: &StateSettings) -> Flow {
        Flow::named(name)
            .source(Source::topic("orders").group("group", name))
            .stateful("nothing", |_topics: &OutputTopics| Nothing)
            .state(state)
            .dead_letters(DeadLetters::beside_the_topic())
            .guarantee(ExactlyOnce::with(transactions))
    }

    fn refused(flows: Vec<Flow>) -> String {
        check(&Flows::from(flows).0, &EngineSettings::default()).unwrap_err().to_string()
    }

    #[test]
    fn flows_of_both_guarantees_may_read_one_topic() {
        let (transactions, state) = (TransactionSettings::default(), StateSettings::default());
        let flows = vec![
            plain("audit", "audits"),
            stateful("count", &transactions, &state),
            stateful("sum", &transactions, &state),
        ];
        assert_eq!(check(&Flows::from(flows).0, &EngineSettings::default()), Ok(()));
    }

    #[test]
    fn what_belongs_to_one_flow_is_no_other_flows() {
        let said = refused(vec![plain("audit", "one"), plain("again", "one")]);
        assert!(said.contains("groups.again = \"one\"") && said.contains("the flow audit has"), "{said}");
        let named = TransactionSettings {
            id_prefix: "same".to_owned(),
            instance: Some("here".to_owned()),
            ..TransactionSettings::default()
        };
        let state = StateSettings::default();
        let said = refused(vec![stateful("count", &named, &state), stateful("sum", &named, &state)]);
        assert!(said.contains("transactions.id_prefix") && said.contains("same-here-0"), "{said}");
        let shared = StateSettings { changelog_topic: "log".to_owned(), ..StateSettings::default() };
        let transactions = TransactionSettings::default();
        let said =
            refused(vec![stateful("count", &transactions, &shared), stateful("sum", &transactions, &shared)]);
        assert!(said.contains("state.changelog_topic = \"log\""), "{said}");
    }

    #[test]
    fn a_flows_own_setting_is_checked_and_named() {
        let own = FlowSettings { workers: Some(0), ..FlowSettings::default() };
        let said = refused(vec![plain("audit", "audits").own_settings("flows.audit", &own)]);
        assert!(said.starts_with("flows.audit.workers = 0"), "{said}");
    }

    #[test]
    #[should_panic(expected = "two flows are named \"audit\"")]
    fn names_tell_flows_apart() {
        drop(Flows::from(vec![plain("audit", "one"), plain("audit", "two")]));
    }
}

//! What is said of the demo at its end: how much happened, and what the auditor finds, who knows nothing of the services.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use thalweg::demo::Told;
use ticketing_audit::{Entry, History, Record, Report, Sent, audit};

use super::scene::Counts;

/// The provider is in this process.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A line of the provider's ledger, as its documentation has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    kind: Kind,
    order_id: String,
    amount: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Charge,
    Decline,
    Refund,
}

/// Asks the auditor.
///
/// # Errors
/// When the provider does not show its ledger.
pub(super) fn judge(records: Vec<Record>, provider_url: &str, commands: Vec<Sent>) -> Result<Report, String> {
    let ledger = ledger(provider_url).map_err(|error| format!("the provider's ledger: {error}"))?;
    Ok(audit(&History { records, ledger, commands }))
}

fn ledger(provider_url: &str) -> Result<Vec<Entry>, String> {
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
    let asked = client.and_then(|client| client.get(format!("{provider_url}/ledger")).send()?.text());
    let lines = asked.map_err(|error| error.to_string())?;
    let entry = |line: &str| -> Result<Option<Entry>, String> {
        let Line { kind, order_id, amount } =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        Ok(match kind {
            Kind::Charge => Some(Entry::Charge { order_id, amount }),
            Kind::Refund => Some(Entry::Refund { order_id, amount }),
            Kind::Decline => None,
        })
    };
    lines.lines().filter_map(|line| entry(line).transpose()).collect()
}

/// In words, and as an object; `report` is the auditor's, if he was asked.
pub(super) fn told(counts: Counts, report: Option<Report>) -> Told {
    let Counts { tickets, orders, paid, expired, cancelled, failed, refused } = counts;
    let mut text = format!(
        "demo: {tickets} tickets, {orders} orders: {paid} paid, {expired} expired, {cancelled} given up, {failed} \
         declined; {refused} wishes refused\n"
    );
    let mut json = json!({
        "tickets": tickets, "sold": paid, "orders": orders, "paid": paid, "expired": expired,
        "cancelled": cancelled, "failed": failed, "refused": refused, "rules_hold": Value::Null,
    });
    let mut wrong = None;
    if let Some(Report { broken, problems, counts }) = report {
        json["rules_hold"] = json!(broken.is_empty());
        json["broken"] = json!(broken);
        json["charges"] = json!(counts.charges);
        if broken.is_empty() {
            text.push_str("auditor: every rule holds\n");
        } else {
            let examples: Vec<_> =
                problems.iter().map(|problem| format!("\n  {:?}: {}", problem.rule, problem.what)).collect();
            wrong = Some(format!(
                "rules were broken (the embedded broker's transactions don't isolate: if one was aborted, that \
                 can be why):{}",
                examples.concat()
            ));
        }
    }
    Told { text, json, wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_rule_is_told_by_name_and_nobody_is_told_what_was_not_looked_at() {
        let counts = Counts { tickets: 3, paid: 1, ..Counts::default() };
        let unjudged = told(counts, None);
        assert!(unjudged.json["rules_hold"].is_null() && unjudged.wrong.is_none());
        let clean = told(counts, Some(Report::default()));
        assert_eq!((&clean.json["rules_hold"], &clean.json["sold"]), (&json!(true), &json!(1)));
        assert!(clean.wrong.is_none() && clean.text.ends_with("every rule holds\n"));
        let record = Record { timestamp_ms: 1, key: "k".to_owned(), value: "no event".to_owned() };
        let report = audit(&History { records: vec![record], ..History::default() });
        let broken = told(counts, Some(report));
        assert_eq!(
            (&broken.json["rules_hold"], &broken.json["broken"]["readable"]),
            (&json!(false), &json!(1))
        );
        assert!(broken.wrong.is_some_and(|wrong| wrong.contains("Readable")));
    }
}

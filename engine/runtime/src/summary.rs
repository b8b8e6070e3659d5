//! The summary at the end: where every record went.

use thalweg_core::outcome::Outcome;

use crate::admin::View;

/// Prints it to standard output.
#[expect(clippy::print_stdout, reason = "the answer to whoever stopped the flow")]
pub(crate) fn print(flow: &str, view: &View) {
    print!("{}", text(flow, view));
}

fn text(flow: &str, view: &View) -> String {
    let accounts = view.accounts();
    let mut lines = vec![format!("{flow}: {} records read", accounts.read)];
    let mut line = |count: u64, what: &str| lines.push(format!("{count:>14} {what}"));
    for outcome in Outcome::ALL.into_iter().rev() {
        line(accounts.of(outcome), outcome.name());
    }
    line(accounts.given_up, "left to the next owner of their partition");
    line(accounts.open(), "unfinished");
    lines.push(format!(
        "beside them, after restarts: {} read again for dedupe, {} passed over as finished before",
        accounts.rewound, accounts.finished_before
    ));
    lines.join("\n") + "\n"
}

//! As much of PromQL as tells which series a query asks for. Whether it is right otherwise, Prometheus says.

/// Followed by labels in parentheses.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words between operands.
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// Series by name and labels.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// The metric, with its `_bucket` and the like.
    pub(crate) name: String,
    /// The labels that are compared.
    pub(crate) labels: Vec<String>,
    /// The whole of it, as a query of its own.
    pub(crate) text: String,
}

/// What was found in a query.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) selectors: Vec<Selector>,
    /// Labels that are grouped by or matched on.
    pub(crate) grouped_by: Vec<String>,
}

/// Reads a query.
pub(crate) fn read(query: &str) -> Read {
    let mut found = Read::default();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '[' {
            rest = enclosed(rest, if first == '"' { '"' } else { ']' }).1;
            continue;
        }
        let (word, after) = rest.split_at(rest.find(|letter| !in_name(letter)).unwrap_or(rest.len()));
        if word.is_empty() || first.is_ascii_digit() {
            rest = &rest[word.len().max(first.len_utf8())..];
            continue;
        }
        rest = after.trim_start();
        if GROUPING.contains(&word) {
            let (labels, after) = enclosed(rest, ')');
            found.grouped_by.extend(names(labels));
            rest = after;
        } else if !OPERATORS.contains(&word) && !is_function(rest) {
            let (matchers, after) = if rest.starts_with('{') { enclosed(rest, '}') } else { ("", rest) };
            let (labels, text) = (names(matchers), format!("{word}{matchers}"));
            found.selectors.push(Selector { name: word.to_owned(), labels, text });
            rest = after;
        }
    }
    found
}

fn in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

/// Whether what stands before this is a function or an aggregation.
fn is_function(after: &str) -> bool {
    let next = after.split(|letter| !in_name(letter)).next();
    after.starts_with('(') || matches!(next, Some("by" | "without"))
}

/// Splits behind `end`, which counts only outside of strings; the first letter is the beginning.
fn enclosed(text: &str, end: char) -> (&str, &str) {
    let (mut inside, mut escaped) = (false, false);
    for (at, letter) in text.char_indices().skip(1) {
        if !inside && letter == end && !escaped {
            return text.split_at(at + letter.len_utf8());
        }
        inside ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
    }
    (text, "")
}

/// The names in a list, without the strings that they are compared with.
fn names(list: &str) -> Vec<String> {
    let plain: String = list.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    plain.split(|letter| !in_name(letter)).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_series_of_a_query_is_found() {
    let query = "histogram_quantile(0.99, sum by (le, flow) (rate(a_bucket{x=\"b{c}\", y=~\".+\"}[5m]))) > 1e3 \
                 and on (z) topk(10, c - d{}) or vector(0) unless up == bool 1";
    let read = read(query);
    let texts: Vec<_> = read.selectors.iter().map(|selector| selector.text.as_str()).collect();
    assert_eq!(texts, ["a_bucket{x=\"b{c}\", y=~\".+\"}", "c", "d{}", "up"]);
    assert_eq!(read.selectors[0].labels, ["x", "y"]);
    assert_eq!(read.grouped_by, ["le", "flow", "z"]);
}

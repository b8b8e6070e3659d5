//! `filter_path`: which fields of a bulk item the client wants to see.

/// The fields of an item's answer that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of named fields")]
pub(super) struct AnswerFields {
    pub(super) took: bool,
    pub(super) index: bool,
    pub(super) id: bool,
    pub(super) version: bool,
    pub(super) result: bool,
    pub(super) shards: bool,
    pub(super) sequence: bool,
    pub(super) status: bool,
    pub(super) error: bool,
}

impl AnswerFields {
    /// What the request's query asks for; everything without a `filter_path`.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        let filter =
            query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("filter_path=")));
        let filter = filter.map(|filter| filter.replace("%2C", ",").replace("%2A", "*"));
        let wants_top = |field: &str| {
            filter.as_deref().is_none_or(|filter| filter.split(',').any(|path| path == field || path == "*"))
        };
        let wants = |field: &str| {
            filter.as_deref().is_none_or(|filter| filter.split(',').any(|path| item_path_has(path, field)))
        };
        Self {
            took: wants_top("took"),
            index: wants("_index"),
            id: wants("_id"),
            version: wants("_version"),
            result: wants("result"),
            shards: wants("_shards"),
            sequence: wants("_seq_no"),
            status: wants("status"),
            error: wants("error"),
        }
    }
}

/// Whether a path such as `items.*.status` or `items` has `field` of an item.
fn item_path_has(path: &str, field: &str) -> bool {
    let mut steps = path.split('.');
    match steps.next() {
        Some("**") => steps.next().is_none_or(|step| step == field || step == "*"),
        Some("items" | "*") => match (steps.next(), steps.next()) {
            (None | Some(_), None) => true,
            (_, Some(step)) => step == field || step == "*",
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_filter_names_is_sent() {
        let all = AnswerFields::of_query(Some("timeout=1m"));
        assert!(all.took && all.index && all.shards && all.error);
        let some = AnswerFields::of_query(Some("filter_path=errors,items.*.status,items.*.error.type"));
        assert!(some.status && some.error);
        assert!(!some.took && !some.index && !some.id && !some.version && !some.shards && !some.result);
        assert!(AnswerFields::of_query(Some("filter_path=items")).id);
    }
}

//! What can be asked for, before it is a record.

use serde::{Deserialize, Serialize};
use thalweg::commands::{Answer, NewCommand, Problem, Request};
use thalweg::views::{PageRequest, View};

use crate::counter::Standing;

/// What a request may ask for.
#[derive(Debug, Serialize)]
pub(crate) struct Limits {
    name_bytes_max: usize,
    by_max: u64,
}

/// What all requests may ask for.
pub(crate) const LIMITS: Limits = Limits { name_bytes_max: 64, by_max: 1_000 };

/// The body of a request, and the value of its record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raise {
    pub(crate) by: u64,
}

/// `POST /counters/{name}` with `{"by": 1}`.
pub(crate) fn raise(request: &Request<'_>) -> Result<NewCommand, Problem> {
    let Limits { name_bytes_max, by_max } = LIMITS;
    let name = request.parameter("name");
    if name.is_empty() || name.len() > name_bytes_max {
        return Err(Problem::bad_request(format!("a counter's name has 1 to {name_bytes_max} bytes")));
    }
    let Raise { by } = request.json()?;
    if !(1..=by_max).contains(&by) {
        return Err(Problem::new(422, "out-of-range", format!("a counter is raised by 1 to {by_max}")));
    }
    Ok(NewCommand { key: name.as_bytes().to_vec(), value: request.body.to_vec() })
}

/// `GET /counters/{name}`.
pub(crate) fn counter(counters: &View<Standing>, request: &Request<'_>) -> Result<Answer, Problem> {
    let found = counters.get(request.parameter("name"));
    let found = found.ok_or_else(|| Problem::new(404, "no-such-counter", "it was never raised"))?;
    Ok(found.answer())
}

/// What a list may be narrowed to.
#[derive(Debug, Deserialize)]
struct Narrowed {
    at_least: Option<u64>,
}

/// `GET /counters?at_least=10&after=NAME&limit=100`.
pub(crate) fn counters(counters: &View<Standing>, request: &Request<'_>) -> Result<Answer, Problem> {
    let Narrowed { at_least } = request.query_as()?;
    let page = PageRequest::of(request)?;
    Ok(counters.page(&page, |_name, standing| at_least.is_none_or(|least| standing.count >= least)).answer())
}

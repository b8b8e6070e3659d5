//! What can be asked for, before it is a record.

use serde::{Deserialize, Serialize};
use thalweg::commands::{NewCommand, Problem, Request};

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

//! Answering `_mget`.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;

use super::indices::Indices;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    docs: Vec<Wanted<'a>>,
    #[serde(borrow, default)]
    ids: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Wanted<'a> {
    #[serde(borrow, rename = "_index")]
    index: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "_id")]
    id: Cow<'a, str>,
}

/// The documents asked for, whole (source filters are not understood), in the order asked.
pub(super) fn answer(
    body: &[u8],
    default_index: Option<&str>,
    indices: &mut Indices,
) -> Result<Vec<u8>, String> {
    let request: Request = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let by_id = request.ids.into_iter().map(|id| Wanted { index: None, id });
    let mut out = b"{\"docs\":[".to_vec();
    for (position, wanted) in request.docs.into_iter().chain(by_id).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        let index = wanted.index.as_deref().or(default_index).ok_or("a document names no index")?;
        put(&mut out, index, &wanted.id, indices).map_err(|error| error.to_string())?;
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn put(out: &mut Vec<u8>, index: &str, id: &str, indices: &mut Indices) -> std::io::Result<()> {
    let (index, documents) = indices.documents(index);
    out.extend_from_slice(b"{\"_index\":");
    serde_json::to_writer(&mut *out, index)?;
    out.extend_from_slice(b",\"_id\":");
    serde_json::to_writer(&mut *out, id)?;
    match documents.get(id) {
        Some((version, source)) => {
            write!(
                out,
                ",\"_version\":{version},\"_seq_no\":0,\"_primary_term\":1,\"found\":true,\"_source\":"
            )?;
            out.extend_from_slice(source);
        }
        None => out.extend_from_slice(b",\"found\":false"),
    }
    out.push(b'}');
    Ok(())
}

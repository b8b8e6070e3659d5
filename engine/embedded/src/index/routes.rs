//! Which request is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::routing::{get, post, put};
use serde_json::{Map, Value, json};

use super::action::{About, Action, Verb};
use super::answer::{self, Answer};
use super::asked::{Asked, BODY_BYTES_MAX};
use super::bulk::{self, BulkOptions};
use super::documents::Condition;
use super::gate::{self, Gate};
use super::indices::{Index, Indices};
use super::points_in_time::PointsInTime;
use super::refusal::Refusal;
use super::search_body::SearchBody;
use super::writes::Writes;
use super::{aliases, filter_path, reads, search};

/// Everything that requests are answered from.
pub(super) struct Cluster {
    pub(super) indices: Indices,
    pub(super) points: PointsInTime,
}

type Shared = State<Arc<Cluster>>;
type Name = Path<String>;
type NameAndId = Path<(String, String)>;

/// The version whose answers these are modelled on.
const VERSION: &str = "8.19.0";

pub(super) fn router(cluster: Arc<Cluster>, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/", get(info))
        .route("/_cluster/health", get(health))
        .route("/_aliases", post(change_aliases))
        .route("/_alias/{alias}", get(alias))
        .route("/_bulk", post(bulk_anywhere).put(bulk_anywhere))
        .route("/_search", get(search_point).post(search_point))
        .route("/_pit", axum::routing::delete(close_point))
        .route("/{name}", get(described).put(create).delete(remove_index))
        .route("/{name}/_alias/{alias}", put(put_alias).post(put_alias))
        .route("/{name}/_mapping", get(mapping).put(put_mapping).post(put_mapping))
        .route("/{name}/_settings", get(settings).put(put_settings))
        .route("/{name}/_bulk", post(bulk).put(bulk))
        .route("/{name}/_mget", get(multi_get).post(multi_get))
        .route("/{name}/_doc", post(post_document))
        .route(
            "/{name}/_doc/{id}",
            get(document).put(put_document).post(put_document).delete(delete_document),
        )
        .route("/{name}/_search", get(search_index).post(search_index))
        .route("/{name}/_count", get(count).post(count))
        .route("/{name}/_refresh", get(refresh).post(refresh))
        .route("/{name}/_pit", post(open_point))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(gate, gate::pass))
        .with_state(cluster)
}

async fn unknown(method: Method, uri: Uri) -> Refusal {
    Refusal::unsupported(format_args!("{method} {}", uri.path()))
}

async fn info() -> Answer {
    answer::fine(&json!({
        "name": "thalweg-embedded", "cluster_name": "thalweg-embedded", "tagline": "For trying out, not for keeping data",
        "version": {"number": VERSION, "build_flavor": "default"},
    }))
}

async fn health(asked: Asked) -> Answer {
    let health = json!({"cluster_name": "thalweg-embedded", "status": "green", "timed_out": false, "number_of_nodes": 1});
    answer::fine(
        &asked
            .parameter("filter_path")
            .map_or_else(|| health.clone(), |paths| filter_path::filtered(&health, paths)),
    )
}

async fn change_aliases(State(cluster): Shared, asked: Asked) -> Answer {
    aliases::change(&cluster.indices, &asked.json()?)
}

async fn alias(State(cluster): Shared, Path(alias): Name) -> Answer {
    aliases::described(&cluster.indices, &alias)
}

async fn put_alias(State(cluster): Shared, Path((name, alias)): NameAndId, asked: Asked) -> Answer {
    aliases::put(&cluster.indices, &name, &alias, &asked.json()?)?;
    answer::acknowledged()
}

async fn described(State(cluster): Shared, Path(name): Name) -> Answer {
    each(&cluster, &name, Index::described)
}

async fn mapping(State(cluster): Shared, Path(name): Name) -> Answer {
    each(&cluster, &name, |index| json!({"mappings": index.state().mapping.body()}))
}

async fn settings(State(cluster): Shared, Path(name): Name) -> Answer {
    each(&cluster, &name, |index| json!({"settings": index.state().settings.as_json()}))
}

/// Every index that goes by that name.
fn each(cluster: &Cluster, name: &str, describe: impl Fn(&Index) -> Value) -> Answer {
    let indices = cluster.indices.behind(name);
    if indices.is_empty() {
        return Err(Refusal::missing(name));
    }
    let all: Map<_, _> = indices.iter().map(|index| (index.name.clone(), describe(index))).collect();
    answer::fine(&Value::Object(all))
}

async fn create(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    let body = match asked.json()? {
        Value::Object(body) => body,
        Value::Null => Map::new(),
        _ => return Err(Refusal::new(400, "x_content_parse_exception", "the index is not an object")),
    };
    cluster.indices.create(&name, &body)?;
    answer::fine(&json!({"acknowledged": true, "shards_acknowledged": true, "index": name}))
}

async fn remove_index(State(cluster): Shared, Path(name): Name) -> Answer {
    cluster.indices.delete(&name)?;
    answer::acknowledged()
}

async fn put_mapping(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    let target = cluster.indices.target(&name)?;
    let Value::Object(change) = asked.json()? else {
        return Err(Refusal::new(400, "x_content_parse_exception", "the mapping is not an object"));
    };
    target.index.update_mapping(&change)?;
    answer::acknowledged()
}

async fn put_settings(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    let index = cluster.indices.target(&name)?.index;
    let changed = index.state().settings.changed(&asked.json()?)?;
    index.set(changed);
    answer::acknowledged()
}

async fn bulk(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    bulk_at(&cluster, Some(&name), &asked).await
}

async fn bulk_anywhere(State(cluster): Shared, asked: Asked) -> Answer {
    bulk_at(&cluster, None, &asked).await
}

async fn bulk_at(cluster: &Cluster, name: Option<&str>, asked: &Asked) -> Answer {
    let (requires_alias, filter_path) = (asked.is_set("require_alias"), asked.parameter("filter_path"));
    let answered =
        bulk::apply(&cluster.indices, &asked.body, &BulkOptions { name, requires_alias, filter_path })?;
    if asked.refreshes() {
        for index in &answered.indices {
            index.full_text.refresh().await?;
        }
    }
    Ok(answer::json(StatusCode::OK, answered.body))
}

async fn multi_get(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    reads::multi_get(&cluster.indices, &name, &asked.body)
}

async fn document(State(cluster): Shared, Path((name, id)): NameAndId) -> Answer {
    reads::get(&cluster.indices, &name, &id)
}

async fn post_document(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    write_one(&cluster, &name, None, Verb::Index, &asked).await
}

async fn put_document(State(cluster): Shared, Path((name, id)): NameAndId, asked: Asked) -> Answer {
    write_one(&cluster, &name, Some(id), Verb::Index, &asked).await
}

async fn delete_document(State(cluster): Shared, Path((name, id)): NameAndId, asked: Asked) -> Answer {
    write_one(&cluster, &name, Some(id), Verb::Delete, &asked).await
}

/// A write of one document: answered as an item of a bulk request.
async fn write_one(cluster: &Cluster, name: &str, id: Option<String>, verb: Verb, asked: &Asked) -> Answer {
    cluster.indices.has_room(asked.body.len() as u64)?;
    let index = cluster.indices.target(name)?.index;
    index.full_text.ready()?;
    let condition = condition_of(id.as_deref(), verb, asked)?;
    let id = id.map(Into::into);
    let action = Action { verb, index: None, id, condition, requires_alias: false, document: &asked.body };
    let written = Writes::to(&index).apply(&action);
    let status = StatusCode::from_u16(written.status()).unwrap_or(StatusCode::OK);
    let item = bulk::item(&index.name, &written);
    written.outcome?;
    if asked.refreshes() {
        index.full_text.refresh().await?;
    }
    Ok(answer::json(status, item.to_string()))
}

fn condition_of(id: Option<&str>, verb: Verb, asked: &Asked) -> Result<Condition, Refusal> {
    let number = |name: &str| asked.parameter(name).map(str::parse::<i64>).transpose();
    let numbers = || Ok((number("version")?, number("if_seq_no")?, number("if_primary_term")?));
    let (version, seq_no, term) =
        numbers().map_err(|error: std::num::ParseIntError| Refusal::illegal(error.to_string()))?;
    let unsigned = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let version_type = asked.parameter("version_type").map(Into::into);
    About::new(id, version, version_type, unsigned(seq_no).zip(unsigned(term))).condition(verb)
}

async fn search_index(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    let body = SearchBody::read(&asked.body)?;
    if body.point_in_time.is_some() || body.after.is_some() {
        return Err(Refusal::illegal("[pit] and [search_after] go to /_search, without an index"));
    }
    let target = cluster.indices.target(&name)?;
    let answered = aside(move || search::search(&target, &body)).await?;
    match asked.parameter("filter_path") {
        None => Ok(answer::json(StatusCode::OK, answered)),
        Some(paths) => {
            let answered: Value = serde_json::from_str(&answered).map_err(|error| {
                Refusal::new(500, "exception", format!("an answer that is no JSON: {error}"))
            })?;
            answer::fine(&filter_path::filtered(&answered, paths))
        }
    }
}

async fn search_point(State(cluster): Shared, asked: Asked) -> Answer {
    let body = SearchBody::read(&asked.body)?;
    let Some(point) = &body.point_in_time else {
        return Err(Refusal::unsupported("searches of all indices: name one"));
    };
    cluster.points.page(&body, point).map(|page| answer::json(StatusCode::OK, page))
}

async fn count(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    let body = asked.json()?;
    if let Some(other) = body.as_object().and_then(|body| body.keys().find(|key| *key != "query")) {
        return Err(Refusal::unsupported(format_args!("[{other}] of [count]")));
    }
    let target = cluster.indices.target(&name)?;
    answer::fine(&aside(move || search::count(&target, body.get("query"))).await?)
}

/// Runs what may take long beside the other requests.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal::new(500, "exception", error.to_string())))
}

async fn refresh(State(cluster): Shared, Path(name): Name) -> Answer {
    let indices = if name == "_all" { cluster.indices.all() } else { cluster.indices.behind(&name) };
    if indices.is_empty() && name != "_all" {
        return Err(Refusal::missing(&name));
    }
    for index in indices {
        index.full_text.refresh().await?;
    }
    answer::fine(&json!({"_shards": {"total": 1, "successful": 1, "failed": 0}}))
}

async fn open_point(State(cluster): Shared, Path(name): Name, asked: Asked) -> Answer {
    let keep_alive =
        asked.parameter("keep_alive").ok_or_else(|| Refusal::illegal("[keep_alive] is missing"))?.to_owned();
    let target = cluster.indices.target(&name)?;
    let id = aside(move || cluster.points.open(&target, &keep_alive)).await?;
    answer::fine(&json!({"id": id}))
}

async fn close_point(State(cluster): Shared, asked: Asked) -> Answer {
    let body = asked.json()?;
    let closed = cluster.points.close(body["id"].as_str().unwrap_or_default());
    let status = if closed { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok(answer::json(status, json!({"succeeded": true, "num_freed": u32::from(closed)}).to_string()))
}

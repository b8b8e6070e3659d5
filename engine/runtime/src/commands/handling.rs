//! One request: who sends it, what it asks for, what it gets.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;

use super::counts::CommandCounts;
use super::envelope::{CommandHeaders, ReplyAddress};
use super::inbox::{Fate, Inbox};
use super::problem::{Answer, PROBLEM_JSON, Problem};
use super::request::{NewCommand, Request, idempotency_key};
use super::routes::{Accept, Does};
use super::settings::CommandSettings;
use super::showing;
use super::token::{TokenError, TokenKey};
use super::waiting::{Reply, Waiting};
use crate::clock;

/// What all requests are handled with.
pub(super) struct Handling {
    pub(super) settings: CommandSettings,
    pub(super) key: TokenKey,
    pub(super) counts: Arc<CommandCounts>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) inbox: Inbox,
    /// Of the topic of replies, which this instance reads.
    pub(super) partition: i32,
}

/// A problem, and what its answer's head says beside it.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Problem,
    header: Option<Header>,
}

/// What the head of an answer says beside a problem.
#[derive(Debug, Clone, Copy)]
enum Header {
    /// How a client can say who it is.
    Challenge(&'static str),
    /// So many seconds later it may be otherwise.
    RetryAfter(&'static str),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, header: None }
    }
}

impl Refused {
    fn unauthorized(error: Option<TokenError>) -> Self {
        // RFC 6750, section 3: without a token nothing is said of errors.
        let (detail, challenge) = match error {
            None => ("send a token: Authorization: Bearer ...".to_owned(), "Bearer"),
            Some(error) => (error.to_string(), "Bearer error=\"invalid_token\""),
        };
        let problem = Problem::new(401, "unauthorized", detail);
        Self { problem, header: Some(Header::Challenge(challenge)) }
    }

    pub(super) fn unavailable(name: &str, detail: &str) -> Self {
        let problem = Problem::new(503, name, detail);
        Self { problem, header: Some(Header::RetryAfter("1")) }
    }
}

impl Handling {
    /// The answer to a request that came by a route.
    pub(super) async fn answer(
        &self,
        does: &Does,
        parameters: &[(String, String)],
        request: axum::extract::Request,
    ) -> Response {
        let (head, body) = request.into_parts();
        let answered = match does {
            Does::Tells { to_anybody, tell } => self.user_of(&head, *to_anybody).and_then(|user| {
                let request =
                    Request { user: &user, idempotency_key: None, body: &[], head: &head, parameters };
                Ok(respond(tell(&request)?))
            }),
            Does::Shows { to_anybody, view, tell } => match self.user_of(&head, *to_anybody) {
                Ok(user) => {
                    let request =
                        Request { user: &user, idempotency_key: None, body: &[], head: &head, parameters };
                    showing::show(&**view, &**tell, &request).await.map(respond)
                }
                Err(refused) => Err(refused),
            },
            Does::Commands(accept) => self.command(&**accept, &head, parameters, body).await,
        };
        answered.unwrap_or_else(refuse)
    }

    /// Who sends it; empty: nobody says so, which is allowed.
    fn user_of(&self, head: &Parts, may_be_anybody: bool) -> Result<String, Refused> {
        let Some(given) = head.headers.get(AUTHORIZATION) else {
            return if may_be_anybody { Ok(String::new()) } else { Err(Refused::unauthorized(None)) };
        };
        let bearer = given.to_str().ok().and_then(|given| given.split_once(' '));
        let token =
            bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| Refused::unauthorized(None))?;
        self.key.user_of(token, clock::now().unix_ms).map_err(|error| Refused::unauthorized(Some(error)))
    }

    async fn command(
        &self,
        accept: &Accept,
        head: &Parts,
        parameters: &[(String, String)],
        body: Body,
    ) -> Result<Response, Refused> {
        let user = self.user_of(head, false)?;
        let idempotency_key = idempotency_key(head)?;
        let waits = self.counts.begin_wait(self.settings.waiting_max);
        let _waits = waits.ok_or_else(|| {
            Refused::unavailable(
                "busy",
                "too many requests are waiting for their answers; not accepted, try again soon",
            )
        })?;
        let body = self.read(body).await?;
        let request = Request { user: &user, idempotency_key, body: &body, head, parameters };
        let (command, request_hash) = (accept(&request)?, request.hash());
        self.send(&command, (&user, idempotency_key), request_hash).await
    }

    /// All of a request's body.
    async fn read(&self, body: Body) -> Result<Bytes, Refused> {
        let bytes_max = self.settings.body_bytes_max;
        let patience = Duration::from_millis(self.settings.client_timeout_ms);
        let too_large = || {
            let detail = format!("the body must have at most {bytes_max} bytes");
            Err(Problem::new(413, "body-too-large", detail).into())
        };
        // What is announced need not be waited for.
        if body.size_hint().lower() > bytes_max.into() {
            return too_large();
        }
        let all = Limited::new(body, bytes_max as usize).collect();
        match tokio::time::timeout(patience, all).await {
            Ok(Ok(all)) => Ok(all.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
            Ok(Err(_)) => Err(Problem::bad_request("the body can't be read to its end").into()),
            Err(_) => Err(Problem::new(408, "slow-request", "the body did not come in time").into()),
        }
    }

    /// Writes a command and waits for its reply.
    async fn send(
        &self,
        command: &NewCommand,
        (user, idempotency_key): (&str, Option<&str>),
        request_hash: [u8; 16],
    ) -> Result<Response, Refused> {
        let mut wait = self.waiting.begin();
        let address = ReplyAddress { correlation_id: wait.id, partition: self.partition };
        let headers = CommandHeaders { address, user, idempotency_key, request_hash };
        let write = self.inbox.write(command, &headers);
        tokio::pin!(write);
        let mut fate = None;
        let replied = async {
            loop {
                tokio::select! {
                    // A reply may be here before it is known that its command was written.
                    biased;
                    reply = &mut wait.reply => return reply.ok(),
                    found = &mut write, if fate.is_none() => {
                        let is_over = matches!(found, Fate::NotWritten(_) | Fate::TooLarge);
                        fate = Some(found);
                        if is_over {
                            return None;
                        }
                    }
                }
            }
        };
        let deadline = Duration::from_millis(self.settings.answer_deadline_ms);
        let reply = tokio::time::timeout(deadline, replied).await.ok().flatten();
        match reply {
            Some(reply) => Ok(of_reply(reply)),
            None => Err(self.unanswered(fate, idempotency_key.is_some())),
        }
    }

    fn unanswered(&self, fate: Option<Fate>, has_key: bool) -> Refused {
        match fate {
            Some(Fate::TooLarge) => {
                return Problem::new(413, "command-too-large", "no broker takes it").into();
            }
            Some(Fate::NotWritten(why)) => {
                tracing::warn!("a command could not be written: {why}");
                return Refused::unavailable(
                    "not-accepted",
                    "the request was not accepted; nothing will come of it",
                );
            }
            Some(Fate::Unknown(why)) => tracing::warn!("a command may have been written or not: {why}"),
            Some(Fate::Written) | None => {}
        }
        self.counts.timed_out();
        let what_to_do = if has_key {
            "send it again with the same Idempotency-Key: it is applied once"
        } else {
            "it had no Idempotency-Key, so sending it again may apply it twice"
        };
        let waited_ms = self.settings.answer_deadline_ms;
        let detail = format!(
            "no answer within {waited_ms} ms; the request may have been applied or not; {what_to_do}"
        );
        Problem::new(504, "no-answer", detail).into()
    }
}

/// A request that no route takes.
pub(super) fn refuse_path() -> Response {
    refuse(Problem::new(404, "not-found", "there is nothing at this path").into())
}

/// A method that no route of the path takes. The head says which there are.
pub(super) fn refuse_method() -> Response {
    refuse(Problem::new(405, "method-not-allowed", "the header Allow says which methods there are").into())
}

/// A path whose parameters are no text.
pub(super) fn refuse_parameters() -> Response {
    refuse(Problem::bad_request("a part of the path is not percent-encoded UTF-8").into())
}

fn of_reply(Reply { status, repeated, body }: Reply) -> Response {
    let content_type = if status < 400 { "application/json" } else { PROBLEM_JSON };
    let mut response = respond(Answer { status, content_type, body });
    if repeated {
        let name = HeaderName::from_static("idempotency-replayed");
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    response
}

fn refuse(Refused { problem, header }: Refused) -> Response {
    let body = Bytes::from(problem.to_json());
    let mut response = respond(Answer { status: problem.status, content_type: PROBLEM_JSON, body });
    let header = header.map(|header| match header {
        Header::Challenge(how) => (WWW_AUTHENTICATE, how),
        Header::RetryAfter(seconds) => (RETRY_AFTER, seconds),
    });
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn respond(Answer { status, content_type, body }: Answer) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

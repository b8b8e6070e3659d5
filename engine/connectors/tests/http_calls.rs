//! The HTTP connector as a whole, both halves, against servers that answer in every way.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on must fail")]

mod http_server;

use std::net::TcpListener;
use std::time::Duration;

use http_server::{Does, Server, answer};
use thalweg_connectors::http::settings::HttpSettings;
use thalweg_connectors::http::{Call, Conclusion, Conflict, Ended, HttpClient, HttpSink, Method};
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::secret::Secret;
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_core::failure::{Reason, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::headers::{Headers, encode_headers};
use thalweg_core::sink::{FollowUp, LaneId, Next, Sink as _, SinkHandle, SinkMachine as _};

/// Both halves, and a flow that makes a record of each answer: `STATUS BODY` under the call's note.
struct Caller {
    client: HttpClient,
    sink: HttpSink,
}

impl Caller {
    fn new(url: &str, change: impl FnOnce(&mut HttpSettings)) -> Self {
        let url = format!("{url}/v1");
        let mut settings = HttpSettings { url, request_timeout_ms: 5_000, ..HttpSettings::default() };
        change(&mut settings);
        let client = HttpClient::new(&settings).unwrap();
        Self { client, sink: HttpSink::new(settings.limits(Some(1)), Box::new(concludes)) }
    }

    fn to(server: &Server) -> Self {
        Self::new(&server.url, |_| {})
    }

    /// Makes the call, once.
    async fn call(&mut self, call: Call<'_>) -> Verdict {
        self.call_of(call, None).await
    }

    /// Makes a call, once, that another worker may have made until so long ago.
    async fn call_of(&mut self, call: Call<'_>, ours_for_ms: Option<u64>) -> Verdict {
        let mut effect = Vec::new();
        let domain = HttpSink::encode(call, &mut effect);
        let mut flight = Flight::of_effects([(7, domain, &effect[..])]);
        if let Some(ours_for_ms) = ours_for_ms {
            flight.set_ours_for_ms(ours_for_ms);
        }
        let mut next = self.sink.begin(LaneId(0), &mut flight);
        while let Next::Send(request) = next {
            let reply = self.client.send(request).await;
            next = self.sink.resume(LaneId(0), &mut flight, reply);
        }
        assert!(matches!(next, Next::Settled), "{next:?}");
        flight.verdicts()[0].clone().unwrap()
    }

    async fn charge(&mut self) -> Verdict {
        self.call(charge()).await
    }
}

fn charge() -> Call<'static> {
    Call {
        method: Method::Post,
        path: "/charges?x=1",
        headers: Headers::default(),
        body: b"{\"amount\":3}",
        idempotency_key: "order-1",
        note: b"o1",
        lookup: None,
    }
}

fn concludes(call: &Call<'_>, ended: Ended<'_>) -> Conclusion {
    let told = match ended {
        Ended::Done { body: b"nonsense", .. } | Ended::Found { body: b"nonsense" } => {
            return Conclusion::Unreadable("not what was agreed".to_owned());
        }
        Ended::Refused { status: 422, .. } => return Conclusion::Nothing,
        Ended::Done { status, body } => format!("done {status} {}", String::from_utf8_lossy(body)),
        Ended::Refused { status, body } => format!("refused {status} {}", String::from_utf8_lossy(body)),
        Ended::Found { body } => format!("found {}", String::from_utf8_lossy(body)),
        Ended::GaveUp { attempts, reason } => format!("gave up after {attempts}: {}", reason.class),
    };
    let (key, value) = (Some(call.note), Some(told.as_bytes()));
    let record = Produce { topic: "t", partition: None, key, value, headers: Headers::default() };
    Conclusion::FollowUp(FollowUp::new(SinkHandle::<KafkaSink>::new(1), record))
}

/// The record that follows.
fn followed(verdict: &Verdict) -> String {
    let Verdict::Answered(follow_up) = verdict else { panic!("{verdict:?}") };
    record(follow_up)
}

fn record(follow_up: &FollowUp) -> String {
    let mut rest = follow_up.effect();
    let record = Produce::decode(&mut rest).unwrap();
    assert_eq!(record.key, Some(&b"o1"[..]));
    String::from_utf8_lossy(record.value.unwrap()).into_owned()
}

#[tokio::test]
async fn a_call_is_sent_as_it_was_asked_for_and_its_answer_becomes_a_record() {
    let server = Server::new(|_, _| answer(201, "", "charge 5"));
    let mut caller = Caller::new(&server.url, |settings| settings.bearer_token = Some(Secret::new("geheim")));
    let mut headers = Vec::new();
    let pairs = [(&b"content-type"[..], Some(&b"application/json"[..])), (b"x-a", Some(b"\xC3\xA4"))];
    encode_headers(pairs.into_iter(), &mut headers);
    let verdict = caller.call(Call { headers: Headers::new(&headers), ..charge() }).await;
    assert_eq!(followed(&verdict), "done 201 charge 5");
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /v1/charges?x=1");
    assert_eq!(asked.body, charge().body);
    for (name, value) in [
        ("idempotency-key", "order-1"),
        ("content-type", "application/json"),
        ("authorization", "Bearer geheim"),
    ] {
        assert_eq!(asked.header(name), Some(value));
    }
    assert!(!asked.headers.iter().any(|(_, value)| value.contains("o1")), "the note stays here: {asked:?}");
    for method in [Method::Get, Method::Put, Method::Patch, Method::Delete] {
        caller.call(Call { method, body: b"", ..charge() }).await;
        assert_eq!(server.asked().last().unwrap().line, format!("{} /v1/charges?x=1", method.name()));
    }
}

#[tokio::test]
async fn statuses_are_judged_by_the_table() {
    let server = Server::new(|_, asked| {
        answer(asked.body[..3].escape_ascii().to_string().parse().unwrap(), "", "why")
    });
    let mut caller = Caller::to(&server);
    for (status, wanted) in [
        ("200", "done 200 why"),
        ("202", "done 202 why"),
        ("402", "refused 402 why"),
        ("404", "refused 404 why"),
    ] {
        assert_eq!(followed(&caller.call(Call { body: status.as_bytes(), ..charge() }).await), wanted);
    }
    for (status, wanted) in [
        ("422", Verdict::Refused(Reason::new("call_refused", "422: why"))),
        ("401", Verdict::SinkDown(Reason::new("http_state", "401: why"))),
        ("500", Verdict::SinkDown(Reason::new("http_state", "500: why"))),
        ("503", Verdict::SinkDown(Reason::new("http_state", "503: why"))),
        ("408", Verdict::Unknown(Reason::new("http_unknown", "408: why"))),
        ("409", Verdict::Unknown(Reason::new("http_unknown", "409: why"))),
        ("429", Verdict::ComeBack { after_ms: 0 }),
        ("302", Verdict::Unclear(Reason::new("http_unclear", "302: why"))),
    ] {
        assert_eq!(caller.call(Call { body: status.as_bytes(), ..charge() }).await, wanted);
    }
    for (conflict, wanted) in [(Conflict::Applied, "done 409 why"), (Conflict::Refused, "refused 409 why")] {
        let mut caller = Caller::new(&server.url, |settings| settings.conflict = conflict);
        assert_eq!(followed(&caller.call(Call { body: b"409", ..charge() }).await), wanted);
    }
}

#[tokio::test]
async fn who_is_asked_to_wait_waits() {
    let server = Server::new(|number, _| match number {
        0 => answer(429, "Retry-After: 7\r\n", ""),
        _ => answer(429, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", ""),
    });
    let mut caller = Caller::to(&server);
    assert_eq!(caller.charge().await, Verdict::ComeBack { after_ms: 7_000 });
    assert_eq!(caller.charge().await, Verdict::ComeBack { after_ms: 0 });
}

#[tokio::test]
async fn an_answer_that_was_lost_leaves_the_outcome_unknown_and_the_repeat_has_the_same_key() {
    let server = Server::new(|number, _| match number {
        // Processed, and gone.
        0 => Does::SaysAndCloses(Vec::new()),
        1 => Does::SaysAndCloses(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec()),
        2 => Does::Waits(Duration::from_secs(60)),
        _ => answer(200, "", "charge 1"),
    });
    let mut caller = Caller::new(&server.url, |settings| settings.request_timeout_ms = 300);
    for _ in 0..3 {
        let verdict = caller.charge().await;
        assert!(
            matches!(&verdict, Verdict::Unknown(reason) if reason.class == "http_unknown"),
            "{verdict:?}"
        );
    }
    assert_eq!(followed(&caller.charge().await), "done 200 charge 1");
    let asked = server.asked();
    assert_eq!(asked.len(), 4, "nothing is asked again but by the engine");
    assert!(asked.iter().all(|asked| asked.header("idempotency-key") == Some("order-1")));
}

/// A call that is looked up before it is made.
fn looked_up() -> Call<'static> {
    Call { lookup: Some("/charges/order-1"), ..charge() }
}

/// A server that answers lookups and calls so.
fn ledger(lookup: Does, call: Does) -> Server {
    Server::new(move |_, asked| if asked.line.starts_with("GET") { lookup.clone() } else { call.clone() })
}

fn lines(server: &Server) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.line).collect()
}

const LOOKUP: &str = "GET /v1/charges/order-1";
const CHARGE: &str = "POST /v1/charges?x=1";

#[tokio::test]
async fn a_call_is_made_when_the_lookup_knows_nothing_of_it() {
    let server = ledger(answer(404, "", "?"), answer(201, "", "charge 1"));
    let verdict = Caller::to(&server).call(looked_up()).await;
    assert_eq!(followed(&verdict), "done 201 charge 1");
    assert_eq!(lines(&server), [LOOKUP, CHARGE]);
    let [asked, made] = &server.asked()[..] else { panic!("two requests") };
    assert_eq!((asked.body.len(), made.body.as_slice()), (0, charge().body));
    assert_eq!(made.header("idempotency-key"), Some("order-1"));
}

#[tokio::test]
async fn what_the_lookup_knows_is_not_made_again() {
    let server = ledger(answer(200, "", "charge 1"), answer(201, "", "charge 2"));
    for ours_for_ms in [None, Some(0)] {
        let verdict = Caller::to(&server).call_of(looked_up(), ours_for_ms).await;
        assert_eq!(followed(&verdict), "found charge 1");
    }
    assert_eq!(lines(&server), [LOOKUP, LOOKUP]);
}

#[tokio::test]
async fn a_call_that_another_may_have_made_just_now_is_made_when_that_is_settled() {
    let server = ledger(answer(404, "", "?"), answer(201, "", "charge 1"));
    // The other one waits for five seconds for its answer, and twenty later its call has had its effect.
    for (ours_for_ms, rest_ms) in [(0, 25_000), (24_999, 1)] {
        let verdict = Caller::to(&server).call_of(looked_up(), Some(ours_for_ms)).await;
        let Verdict::NotYet { reason, after_ms } = verdict else { panic!("{verdict:?}") };
        assert_eq!((reason.class, after_ms), ("call_unsettled", rest_ms));
    }
    assert_eq!(lines(&server), [LOOKUP, LOOKUP]);
    let verdict = Caller::to(&server).call_of(looked_up(), Some(25_000)).await;
    assert_eq!(followed(&verdict), "done 201 charge 1");
}

#[tokio::test]
async fn a_lookup_that_fails_leaves_the_call_unmade() {
    let lookups = [
        (answer(503, "", ""), "SinkDown"),
        (answer(401, "", ""), "SinkDown"),
        (answer(302, "", ""), "Unclear"),
        (answer(200, "", "nonsense"), "Unclear"),
        (answer(429, "", ""), "ComeBack"),
        (Does::SaysAndCloses(Vec::new()), "SinkDown"),
    ];
    for (lookup, wanted) in lookups {
        let server = ledger(lookup, answer(201, "", "charge 1"));
        let verdict = Caller::to(&server).call(looked_up()).await;
        assert!(format!("{verdict:?}").starts_with(wanted), "{verdict:?}");
        assert_eq!(lines(&server), [LOOKUP]);
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_made_is_left_alone_until_it_is_settled() {
    let open = [
        Does::SaysAndCloses(Vec::new()),
        answer(500, "", ""),
        answer(503, "", ""),
        answer(408, "", ""),
        answer(409, "", ""),
        answer(302, "", ""),
        answer(200, "", "nonsense"),
    ];
    for call in open {
        let server = ledger(answer(404, "", ""), call);
        let verdict = Caller::to(&server).call(looked_up()).await;
        assert!(matches!(verdict, Verdict::Unsettled { after_ms: 20_000, .. }), "{verdict:?}");
        assert_eq!(lines(&server), [LOOKUP, CHARGE]);
    }
    for (status, wanted) in [(401, "SinkDown"), (429, "ComeBack"), (402, "Answered")] {
        let server = ledger(answer(404, "", ""), answer(status, "", "no"));
        let verdict = Caller::to(&server).call(looked_up()).await;
        assert!(format!("{verdict:?}").starts_with(wanted), "{status}: {verdict:?}");
    }
}

#[tokio::test]
async fn slow_answers_in_time_are_answers() {
    let server = Server::new(|_, _| {
        // The server is slow, not the test.
        std::thread::sleep(Duration::from_millis(400));
        answer(200, "", "late")
    });
    assert_eq!(followed(&Caller::to(&server).charge().await), "done 200 late");
}

#[tokio::test]
async fn a_refused_connection_was_surely_no_call() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let verdict = Caller::new(&format!("http://{closed}"), |_| {}).charge().await;
    assert!(
        matches!(&verdict, Verdict::SinkDown(reason) if reason.class == "http_unreachable"),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn what_is_no_http_leaves_the_outcome_unknown() {
    let server = Server::new(|_, _| Does::SaysAndCloses(b"220 mail.example ESMTP\r\n".to_vec()));
    let verdict = Caller::to(&server).charge().await;
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
}

#[tokio::test]
async fn answers_that_make_no_sense_are_asked_for_again_and_given_up() {
    let huge = "x".repeat(3_000_000);
    let server = Server::new(move |number, _| match number {
        0 => answer(200, "", "nonsense"),
        1 => answer(200, "", &huge),
        // No length: the body ends with the connection.
        _ => Does::SaysAndCloses(format!("HTTP/1.1 200 OK\r\n\r\n{huge}").into_bytes()),
    });
    let mut caller = Caller::new(&server.url, |settings| settings.answer_bytes_max = 10_000);
    for class in ["answer_unreadable", "answer_too_long", "answer_too_long"] {
        let verdict = caller.charge().await;
        assert!(matches!(&verdict, Verdict::Unclear(reason) if reason.class == class), "{verdict:?}");
    }
    let mut effect = Vec::new();
    charge().encode(&mut effect);
    let given_up = caller.sink.gave_up(&effect, &Reason::new("answer_too_long", ""), 10);
    assert_eq!(given_up.as_ref().map(record).as_deref(), Some("gave up after 10: answer_too_long"));
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let elsewhere = Server::new(|_, _| answer(200, "", "here"));
    let location = format!("Location: {}/charges\r\n", elsewhere.url);
    let server = Server::new(move |_, _| answer(307, &location, ""));
    assert!(matches!(Caller::to(&server).charge().await, Verdict::Unclear(_)));
    assert_eq!(elsewhere.asked(), []);
}

#[tokio::test]
async fn what_can_not_be_called_or_followed_is_a_dead_letter() {
    let server = Server::new(|_, _| answer(200, "", &"y".repeat(5_000)));
    let mut caller = Caller::new(&server.url, |settings| settings.follow_up_bytes_max = 1_000);
    for bad in [Call { path: "/../admin", ..charge() }, Call { idempotency_key: "a\r\nb", ..charge() }] {
        let verdict = caller.call(bad).await;
        assert!(
            matches!(&verdict, Verdict::Refused(reason) if reason.class == "call_invalid"),
            "{verdict:?}"
        );
    }
    assert_eq!(server.asked(), []);
    let verdict = caller.charge().await;
    assert!(
        matches!(&verdict, Verdict::Refused(reason) if reason.class == "follow_up_too_large"),
        "{verdict:?}"
    );
}

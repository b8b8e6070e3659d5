//! The live page, looked at with a browser while the flow runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod browser;
mod indexer;

use std::time::Duration;

use browser::Browser;
use indexer::records::{created, history, keyed};
use indexer::{Scene, index};
use reqwest::blocking::Client;
use thalweg_testbed::instance::{Instance, until};
use thalweg_testbed::process::wait_until;
use thalweg_testbed::proxy::HttpProxy;
use thirtyfour::Key;

/// What the design promises between a message that can be searched and the page that shows it.
const SOON: Duration = Duration::from_secs(2);

fn open(indexer: &Instance) -> Browser {
    let browser = Browser::open();
    browser.emulate(1_400, "light");
    browser.go(&indexer.page());
    browser.wait_text("#flow", |text| text == "message-search");
    browser
}

fn find(browser: &Browser, words: &str) {
    browser.run("document.getElementById('query').value = ''; document.getElementById('query').focus()");
    browser.press(words);
}

fn hits(browser: &Browser) -> String {
    browser.text("#hits")
}

#[test]
fn shows_rates_outcomes_and_dead_letters_without_an_error_on_the_console() {
    let scene = Scene::new("page", 3);
    let indexer = scene.start(&[]);
    let browser = open(&indexer);
    browser.wait_text("#sentence", |text| text.starts_with("Idle: everything on the topic is done"));
    scene.write(&history("page", 2_000));
    scene.write(&[keyed("poisoned", "{\"type\": \"secret")]);
    browser.wait_text("#in", |text| text.starts_with(|digit: char| ('1'..='9').contains(&digit)));
    browser.wait_text("#outcome-sum", |text| text.contains("2,001") && text.contains("adds up"));
    until("the chart has lines", || {
        let line =
            browser.run("return document.querySelector('#rate-chart .plot path.line.out').getAttribute('d')");
        line.as_str().is_some_and(|line| line.matches('L').count() > 2)
    });
    let letter = browser.wait_text("#letters tr", |text| text.contains("undecodable"));
    assert!(letter.contains("poisoned") && !letter.contains("secret"), "{letter}");
    assert_eq!(browser.run("return document.querySelectorAll('#partitions tr').length"), 3);
    browser.wait_text("#sinks .state", |text| text == "taking what it is sent");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    scene.finish(indexer);
}

#[test]
fn payloads_are_shown_only_when_a_setting_allows_it() {
    let scene = Scene::new("page-payloads", 1);
    let indexer = scene.start(&["engine.show_payloads=true"]);
    let browser = open(&indexer);
    scene.write(&[keyed("poisoned", "<script>document.title = 'harmed'</script>")]);
    browser.wait_text("#letters tr", |text| text.contains("payload"));
    let payload = browser.run("return document.querySelector('#letters pre').textContent");
    assert_eq!(payload, "<script>document.title = 'harmed'</script>");
    assert_eq!(browser.run("return document.title"), "message-search · Thalweg");
    scene.finish(indexer);
}

#[test]
fn a_message_is_found_soon_and_is_text_whatever_it_says() {
    let scene = Scene::new("page-search", 2);
    let indexer = scene.start(&[]);
    let browser = open(&indexer);
    // One of several: a machine may be busy once.
    let soon = (0..5).any(|attempt| {
        let word = format!("zebra{attempt}");
        find(&browser, &word);
        scene.write(&[created(&format!("m-{attempt}"), "c-1", &format!("a {word} at the river"))]);
        let path = format!("{}/_search?q=content:{word}", scene.alias);
        until("the message can be searched", || {
            let (_, found) = index::ask(&scene.elasticsearch, "GET", &path, "");
            found["hits"]["hits"].as_array().is_some_and(|hits| !hits.is_empty())
        });
        wait_until(SOON, || hits(&browser).contains(&word))
    });
    assert!(soon, "not once within {SOON:?}: {}", browser.text("#search-state"));

    let hostile = "<img src=x onerror=\"document.title='harmed'\"> <b>hostile</b> \"}}";
    scene.write(&[created("m-h", "c-1", hostile)]);
    find(&browser, "hostile");
    until("the hostile message is found", || hits(&browser).contains(hostile));
    assert_eq!(
        browser.run("return document.querySelectorAll('#hits img, #hits b.x, #hits script').length"),
        0
    );
    assert_eq!(browser.run("return document.title"), "message-search · Thalweg");
    for nonsense in ["\"}}], \"size\": 9999", "((\"", "* -", "\\"] {
        find(&browser, nonsense);
        browser
            .wait_text("#search-state", |text| text.ends_with("found") || text.starts_with("Nothing found"));
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    scene.finish(indexer);
}

#[test]
fn tells_in_words_that_elasticsearch_is_away_that_it_is_back_and_that_the_flow_has_ended() {
    let scene = Scene::new("page-down", 1);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let mut indexer = scene.start(&[&format!("elasticsearch.nodes=[\"{}\"]", proxy.url())]);
    let browser = open(&indexer);
    proxy.refuse();
    scene.write(&history("down", 50));
    let text = browser.wait_text("#sentence", |text| text.starts_with("Elasticsearch has been down for"));
    assert!(text.contains("; nothing is lost."), "{text}");
    assert!(!text.contains("os error"), "{text}");
    assert_eq!(browser.run("return document.getElementById('situation').dataset.tone"), "bad");
    browser.wait_text("#sinks .state", |text| text.starts_with("down for"));
    browser.wait_text("#sinks .error", |text| text.starts_with("Last error, first seen"));
    browser.wait_text("#announcement", |text| text.starts_with("Elasticsearch has been down"));
    proxy.heal();
    browser.wait_text("#sentence", |text| text.starts_with("Keeping up") || text.starts_with("Idle"));
    browser.wait_text("#sinks .state", |text| text == "taking what it is sent");
    scene.wait_finished(&mut indexer);
    assert_eq!(indexer.stop().code, 0);
    browser.wait_text("#sentence", |text| text.starts_with("The flow does not answer"));
}

#[test]
fn is_usable_by_keyboard_on_a_phone_and_in_the_dark() {
    let scene = Scene::new("page-use", 2);
    let indexer = scene.start(&[]);
    scene.write(&history("use", 300));
    let browser = open(&indexer);
    browser.wait_text("#outcome-sum", |text| text.contains("adds up"));
    let ground = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let light = ground();
    for width in [360, 390, 768, 1_400] {
        for scheme in ["light", "dark"] {
            browser.emulate(width, scheme);
            let overflow = browser.run("return document.documentElement.scrollWidth - window.innerWidth");
            assert!(overflow.as_i64().is_some_and(|pixels| pixels <= 0), "{width} {scheme}: {overflow}");
        }
    }
    let dark = ground();
    assert_ne!(light, dark);
    // The button goes from the system's colours to light ones, whatever the system's are.
    browser.run("document.getElementById('theme').focus()");
    browser.press(Key::Enter + "");
    assert_eq!((ground(), browser.text("#theme").as_str()), (light, "Theme: light"));
    browser.go(&indexer.page());
    assert_eq!(browser.text("#theme"), "Theme: light", "it is kept");

    let focused = || browser.run("return document.activeElement.id || document.activeElement.className");
    browser.press(Key::Tab + "");
    assert_eq!(focused(), "skip", "the first stop is the way to the content");
    let reached = (0..20).any(|_| {
        browser.press(Key::Tab + "");
        focused() == "query"
    });
    assert!(reached, "the search box is no stop of the tabulator");
    browser.press("text");
    until("hits by keyboard alone", || hits(&browser).contains("text"));
    scene.finish(indexer);
}

#[test]
fn answers_only_what_is_meant_for_it() {
    let scene = Scene::new("page-guard", 1);
    let indexer = scene.start(&[]);
    let (page, client) = (indexer.page(), Client::new());
    let status = |path: &str, host: &str| {
        client.get(format!("{page}{path}")).header("host", host).send().unwrap().status().as_u16()
    };
    for path in ["", "page.js", "api/status", "api/search?q=x"] {
        assert_eq!([status(path, "localhost:1"), status(path, "evil.example")], [200, 421], "{path}");
    }
    assert_eq!(status(&format!("api/search?q={}", "x".repeat(201)), "localhost"), 400);
    assert_eq!(status("api/search?q=", "localhost"), 400);
    assert_eq!(client.post(format!("{page}api/status")).send().unwrap().status().as_u16(), 405);
    let answer = client.get(&page).send().unwrap();
    let policy = answer.headers().get("content-security-policy").unwrap().to_str().unwrap();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let html = answer.text().unwrap();
    assert!(!html.contains("://"), "nothing comes from elsewhere");
    scene.finish(indexer);
}

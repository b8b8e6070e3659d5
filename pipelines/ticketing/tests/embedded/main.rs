//! `--embedded --demo`, as somebody starts it who has nothing installed, and looks at its page.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

#[path = "../../../message-search/tests/browser/mod.rs"]
mod browser;
mod demo;

use browser::Browser;
use demo::{Demo, until};
use serde_json::Value;
use thirtyfour::Key;

fn count(shown: &Value, name: &str) -> u64 {
    shown["counts"][name].as_u64().unwrap_or_else(|| panic!("{name} in {shown}"))
}

#[test]
fn people_sell_order_pay_and_forget_and_the_page_says_who_got_what() {
    let mut demo = Demo::start(&["--rate", "5"], &["orders.expire_after_ms=3000"]);
    let mut shown = Value::Null;
    until("an order was paid and another has expired", || {
        assert!(demo.ended().is_none(), "{}", demo.log());
        shown = demo.shown();
        count(&shown, "paid") > 0 && count(&shown, "expired") > 0
    });
    let news = shown["news"].as_array().unwrap();
    let of = |stand: &str| news.iter().find(|news| news["stand"] == stand).unwrap();
    for stand in ["paid", "expired"] {
        let news = of(stand);
        assert!(news["user"].as_str().is_some_and(|name| !name.is_empty()), "{news}");
        assert!(news["title"].as_str().is_some_and(|title| title.contains("row")), "{news}");
        assert!(news["price"].as_u64().is_some_and(|price| price > 0), "{news}");
    }
    let tickets = shown["tickets"].as_array().unwrap();
    assert!(tickets.len() > 5, "{shown}");
    for ticket in tickets {
        let is_free = ticket["state"] == "free";
        assert_eq!(is_free, ticket["holder"].is_null(), "{ticket}");
        assert!(ticket["seller"] != ticket["holder"], "{ticket}");
    }
    until("an order is counted down", || {
        let shown = demo.shown();
        let now = shown["now_unix_ms"].as_i64().unwrap();
        shown["orders"].as_array().unwrap().iter().any(|order| {
            let left = order["expires_unix_ms"].as_i64().unwrap() - now;
            order["stand"] == "waiting" && (1..=3_000).contains(&left)
        })
    });
    let text = shown.to_string();
    for hidden in ["card-", "declined-", "eyJ"] {
        assert!(!text.contains(hidden), "a token on the page: {text}");
    }
    let (code, out) = demo.interrupt();
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(" tickets, ") && !out.contains("auditor"), "{out}");
}

#[test]
fn a_demo_with_an_end_ends_by_itself_and_the_auditor_is_content() {
    let arguments = ["--seconds", "6", "--rate", "10", "--report", "json"];
    let demo = Demo::start(&arguments, &["orders.expire_after_ms=3000"]);
    let (code, out) = demo.wait();
    let last = out.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let report = last.unwrap_or_else(|| panic!("no report: {out}"));
    assert_eq!((code, &report["rules_hold"]), (0, &Value::Bool(true)), "{report}");
    let of = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    assert!(of("orders") >= 20 && of("paid") > 0 && of("expired") > 0, "{report}");
    let ended = of("paid") + of("expired") + of("cancelled") + of("failed");
    assert_eq!((of("orders"), of("sold")), (ended, of("paid")), "every order has its end: {report}");
}

#[test]
fn the_page_is_readable_on_a_phone_and_in_the_dark_and_says_what_it_is() {
    let demo = Demo::start(&["--rate", "5"], &["orders.expire_after_ms=3000"]);
    let browser = Browser::open();
    browser.emulate(1_400, "light");
    browser.go(&demo.page);
    // From the live page, by its link.
    browser.wait_text("header a[href='tickets']", |text| text == "Tickets and orders");
    browser.run("document.querySelector(\"header a[href='tickets']\").focus()");
    browser.press(Key::Enter + "");
    browser.wait_text("#news li", |text| !text.is_empty());
    browser.wait_text("#orders [data-expires] .when", |text| text.ends_with("s left"));
    let note = browser.text(".note");
    assert!(note.contains("transactions don't isolate"), "{note}");
    let ground = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let light = ground();
    for width in [360, 768, 1_400] {
        for scheme in ["light", "dark"] {
            browser.emulate(width, scheme);
            let overflow = browser.run("return document.documentElement.scrollWidth - window.innerWidth");
            assert!(overflow.as_i64().is_some_and(|pixels| pixels <= 0), "{width} {scheme}: {overflow}");
        }
    }
    assert_ne!(light, ground());
    browser.go(&format!("{}tickets", demo.page));
    let focused = || browser.run("return document.activeElement.id || document.activeElement.className");
    browser.press(Key::Tab + "");
    assert_eq!(focused(), "skip", "the first stop is the way to the content");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn what_belongs_to_the_demo_needs_it_and_nothing_else_must_be_set() {
    let said = demo::run(&["--embedded", "--seconds", "5"]);
    assert!(said.code == 2 && said.log.contains("--demo"), "{}", said.log);
    // Without people somebody else must be able to sign tokens.
    let said = demo::run(&["--embedded", "--check"]);
    assert!(said.code == 2 && said.log.contains("token_secret"), "{}", said.log);
    let said = demo::run(&["--embedded", "--demo", "--print-settings"]);
    assert_eq!(said.code, 0, "{}", said.log);
    assert!(said.out.contains("token_secret = \"***\""), "{}", said.out);
    let help = demo::run(&["--help"]).out;
    assert!(help.contains("people who sell, order, pay") && help.contains("--rate"), "{help}");
}

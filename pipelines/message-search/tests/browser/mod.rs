//! A headless Chromium of a test's own.
#![allow(dead_code, reason = "every test binary uses some of it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::common::log::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;
use tokio::runtime::Runtime;

/// No page takes longer on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(20);

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Where the machine gives little of it, pages crash.
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
];

/// A browser with one window, and nothing of an earlier one.
pub(crate) struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts it.
    pub(crate) fn open() -> Self {
        let mut process = Command::new("chromedriver")
            .args(["--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a chromedriver can be started: `cargo testbed prepare` installs it");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let (_, rest) = line
                .ok()?
                .split_once("started successfully on port ")
                .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver says its port");
        // What else it writes must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = TempDir::new().unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary("/usr/bin/chromium").unwrap();
        for flag in FLAGS {
            wanted.add_arg(flag).unwrap();
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let driver = runtime.block_on(WebDriver::new(format!("http://127.0.0.1:{port}"), wanted)).unwrap();
        Self { runtime, driver: Some(driver), process, _profile: profile }
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    /// Goes to a page and waits until it is loaded.
    pub(crate) fn go(&self, url: &str) {
        self.runtime.block_on(self.driver().goto(url)).unwrap();
    }

    /// What a function body answers that runs in the page.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.runtime.block_on(self.driver().execute(script, Vec::new())).unwrap().json().clone()
    }

    /// The text of the first element that the selector finds; empty without one.
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({})?.innerText ?? ''", json!(selector)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the element's text is as wanted.
    pub(crate) fn wait_text(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text(selector);
            if wanted(&text) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "the text of {selector} is {text:?}");
            std::thread::sleep(POLL);
        }
    }

    /// Presses keys, wherever the focus is.
    pub(crate) fn press(&self, keys: impl Into<TypingData>) {
        self.runtime.block_on(async {
            let focused = self.driver().active_element().await.unwrap();
            focused.send_keys(keys).await.unwrap();
        });
    }

    /// Makes the window so wide, and the system's colours `light` or `dark`.
    pub(crate) fn emulate(&self, width: u32, scheme: &str) {
        let tools = self.driver().cdp();
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.runtime.block_on(async {
            tools.send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
            tools.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
        });
    }

    /// Errors on the console since it was asked last.
    pub(crate) fn console_errors(&self) -> Vec<String> {
        let entries = self.runtime.block_on(self.driver().browser_log()).unwrap();
        entries.into_iter().filter(|entry| entry.level == "SEVERE").map(|entry| entry.message).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // It ends with its driver at the latest.
            let _ = self.runtime.block_on(driver.quit());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! The stand-in provider, in this process.

use std::thread::JoinHandle;

use serde_json::Value;
use ticketing_provider::{Conduct, Ledger, serve};
use tokio::sync::oneshot;

/// Charges people until it is dropped.
pub(crate) struct Provider {
    pub(crate) url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    pub(crate) fn start(conduct: Conduct) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    ended = serve(listener, Ledger::default(), conduct, 1) => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        };
        Self { url, stop: Some(stop), thread: Some(std::thread::spawn(run)) }
    }

    /// What it has done: (`charge`, `decline` or `refund`, the order).
    pub(crate) fn ledger(&self) -> Vec<(String, String)> {
        let lines = reqwest::blocking::get(format!("{}/ledger", self.url)).unwrap().text().unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.map(|entry| (text(&entry, "kind"), text(&entry, "orderId"))).collect()
    }

    /// What it has done for that order.
    pub(crate) fn of_order(&self, order: &str) -> Vec<String> {
        self.ledger().into_iter().filter(|(_, of)| of == order).map(|(kind, _)| kind).collect()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) {
            // Fails only when it has ended already.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

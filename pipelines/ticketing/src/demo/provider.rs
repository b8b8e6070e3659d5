//! The stand-in for who charges people, in this process.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use ticketing_provider::{Conduct, Ledger, serve};

/// Of charges, so many take longer: long enough to be seen on the page.
const SLOW_SHARE: f64 = 0.6;
const SLOW: Duration = Duration::from_millis(1_800);

/// Starts it on any free port, until the process ends; answers its address. It does not deduplicate: who is charged twice
/// stands twice in its ledger.
pub(super) fn start() -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the provider can't be started: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let conduct = Conduct { slow_share: SLOW_SHARE, slow: SLOW, ..Conduct::default() };
    let run = move || {
        // If it ends before the process, payments wait, and the flow that asks it says so.
        let _ = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            serve(listener, Ledger::default(), conduct, fastrand::u64(..)).await
        });
    };
    std::thread::Builder::new().name("demo-provider".to_owned()).spawn(run).map_err(failed)?;
    Ok(format!("http://{address}"))
}

//! Ctrl-C and SIGTERM: the first asks to end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::{Failure, UNFINISHED};

/// How long a request to end may go unnoticed while there is nothing to do.
const LOOK: Duration = Duration::from_millis(50);

/// Whether somebody has asked to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second signal finds the flag of the first.
            flag::register_conditional_shutdown(signal, i32::from(UNFINISHED), Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// Whether somebody has.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until then, or until somebody asks.
    pub(crate) fn wait_until(&self, then: Instant) {
        while let Some(left) = then.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if self.is_asked() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

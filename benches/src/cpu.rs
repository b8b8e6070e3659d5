//! CPU time of processes: all threads, user and system together.

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds that this process has used since it began, the client library's threads included.
pub(crate) fn of_this_process() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

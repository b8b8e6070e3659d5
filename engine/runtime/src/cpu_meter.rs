//! What the engine's own threads have used of the processors, where broker, index, writer and verifier are threads of
//! the same process.

use std::collections::{HashMap, HashSet};

/// Threads of workers and of their Kafka clients, by the beginning of their names. Linux keeps 15 characters.
const OURS: [&str; 4] = ["worker-", "rdk:", "kafka-offsets", "kafka-close"];

/// The thread of the embedded broker has a client's name.
const BROKER: &str = "rdk:mock";

/// Time between two looks: of a thread that ends, at most that much is missed.
pub(crate) const LOOK_INTERVAL_MS: u64 = 200;

/// Adds up the threads that began after it was made.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    others: HashSet<u32>,
    /// Nanoseconds by thread, as last seen.
    seen: HashMap<u32, u64>,
}

impl CpuMeter {
    /// Whatever runs now does not count.
    pub(crate) fn beside_what_runs() -> Self {
        Self { others: threads().collect(), seen: HashMap::new() }
    }

    /// Looks again; to be called while the threads live.
    pub(crate) fn look(&mut self) {
        for thread in threads().filter(|thread| !self.others.contains(thread)) {
            if let Some(nanoseconds) = used(thread) {
                self.seen.insert(thread, nanoseconds);
            }
        }
    }

    /// Seconds up to the last look.
    pub(crate) fn seconds(&self) -> f64 {
        self.seen.values().sum::<u64>() as f64 / 1e9
    }
}

/// The numbers of this process's threads; none where the system does not tell.
fn threads() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Nanoseconds on a processor, if the thread is ours. Source: the kernel's sched-stats.rst, /proc/PID/schedstat.
fn used(thread: u32) -> Option<u64> {
    let read = |what: &str| std::fs::read_to_string(format!("/proc/self/task/{thread}/{what}")).ok();
    let name = read("comm")?;
    let is_ours = OURS.iter().any(|ours| name.starts_with(ours)) && !name.starts_with(BROKER);
    if !is_ours {
        return None;
    }
    read("schedstat")?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn busy(name: &str, done: mpsc::Receiver<()>) -> std::thread::JoinHandle<u64> {
        let work = move || {
            let mut sum = 0_u64;
            while done.try_recv() == Err(mpsc::TryRecvError::Empty) {
                sum = sum.wrapping_mul(31).wrapping_add(1);
            }
            sum
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(work).unwrap()
    }

    #[test]
    fn only_our_threads_that_began_later_count() {
        let (end_before, before) = mpsc::channel();
        let before = busy("worker-before", before);
        let mut meter = CpuMeter::beside_what_runs();
        let (end_other, other) = mpsc::channel();
        let other = busy("index-writer", other);
        meter.look();
        assert_eq!(meter.seen.len(), 0);
        let (end_ours, ours) = mpsc::channel();
        let ours = busy("worker-7", ours);
        while meter.seconds() == 0.0 {
            meter.look();
        }
        assert_eq!(meter.seen.len(), 1);
        for (end, thread) in [(end_before, before), (end_other, other), (end_ours, ours)] {
            end.send(()).unwrap();
            thread.join().unwrap();
        }
    }
}

//! What processes use: CPU time of all threads, user and system together; memory.

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// CPU seconds that this process has used since it began, the client library's threads included.
#[must_use]
pub fn of_this_process() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// CPU seconds that a process has used since it began, with those of children that it has waited for; the kernel tells
/// in hundredths. Of a process that has ended too, until it is waited for.
///
/// # Errors
/// When there is no such process.
pub fn of_process(pid: u32) -> Result<f64> {
    of_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

/// CPU seconds of a process's threads, by name, largest first; those that have used any.
///
/// # Errors
/// When there is no such process.
pub fn by_thread(pid: u32) -> Result<Vec<(String, f64)>> {
    let mut threads: Vec<(String, f64)> = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = task?.path();
        let name = std::fs::read_to_string(folder.join("comm"))?.trim().to_owned();
        let used = of_stat(&std::fs::read_to_string(folder.join("stat"))?)?;
        match threads.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += used,
            None => threads.push((name, used)),
        }
    }
    threads.retain(|(_, used)| *used > 0.0);
    threads.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(threads)
}

/// The most memory a process ever held.
///
/// # Errors
/// When there is no such process, or it has ended.
pub fn memory_peak_mb(pid: u32) -> Result<u64> {
    memory_mb(pid, "VmHWM:")
}

/// The memory that a process holds.
///
/// # Errors
/// When there is no such process, or it has ended.
pub fn memory_now_mb(pid: u32) -> Result<u64> {
    memory_mb(pid, "VmRSS:")
}

fn memory_mb(pid: u32, field: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
    Ok(kilobytes.with_context(|| format!("the kernel tells {field}"))?.parse::<u64>()? / 1024)
}

/// Fields 14 to 17 of `stat` (man 5 proc): user and system time in ticks, its own and that of children it has waited
/// for (a thread has none). The name before may hold spaces.
fn of_stat(stat: &str) -> Result<f64> {
    let (_, fields) = stat.rsplit_once(')').context("a stat line has a name")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_the_name() {
        let stat = "77 (a (b) c) S 1 77 77 0 -1 4194304 100 0 0 0 250 40 9 1 20 0 1 0 5 0 0";
        let seconds = of_stat(stat).unwrap();
        assert!((seconds - 300.0 / rustix::param::clock_ticks_per_second() as f64).abs() < 1e-9);
    }

    #[test]
    fn this_process_uses_some() {
        assert!(of_this_process() > 0.0);
        assert!(memory_peak_mb(std::process::id()).unwrap() > 0);
    }
}

//! An arm as a process: what it said, and what the kernel says that it used.

use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::Serialize;
use thalweg_benches::cpu;
use thalweg_benches::tally::Finished;

/// Time between two looks at it: each costs some microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Bytes of its log that an error shows.
const LOG_TAIL: usize = 4_000;

/// One run of an arm.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    pub(crate) finished: Finished,
    /// Of the whole process, from its start to its end, that of children it waited for included.
    pub(crate) process_cpu_seconds: f64,
    /// From its start to its end.
    pub(crate) process_seconds: f64,
    /// The most memory it held, in MB.
    pub(crate) memory_peak_mb: u64,
}

impl Run {
    /// From the first record to the last.
    pub(crate) fn records_per_second(&self) -> f64 {
        self.finished.records as f64 / self.finished.seconds
    }

    /// So many CPU seconds, for each million records.
    pub(crate) fn cpu_per_million(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.finished.records as f64
    }
}

/// Runs the command to its end, and reads its report. One that takes longer than `limit` is killed.
pub(crate) fn measure(mut command: Command, limit: Duration) -> Result<Run> {
    let (mut out, mut log) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(log.try_clone()?);
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| format!("{command:?} can't be started"))?;
    let followed = follow(&child, begun + limit);
    let process_seconds = begun.elapsed().as_secs_f64();
    if followed.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let read = |file: &mut std::fs::File| -> Result<String> {
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let run = followed.and_then(|(process_cpu_seconds, memory_peak_mb)| {
        let finished = report(status, &read(&mut out)?)?;
        Ok(Run { finished, process_cpu_seconds, process_seconds, memory_peak_mb })
    });
    run.with_context(|| {
        let text = read(&mut log).unwrap_or_default();
        let tail = text.char_indices().rev().nth(LOG_TAIL).map_or(0, |(index, _)| index);
        format!("{command:?}; the end of its log:\n{}", text.get(tail..).unwrap_or_default())
    })
}

/// Waits until it has ended, and leaves it to be waited for; answers its CPU seconds and the most memory it held.
fn follow(child: &Child, deadline: Instant) -> Result<(f64, u64)> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let mut memory_peak_mb = 0;
    while waitid(WaitId::Pid(Pid::from_child(child)), ended)?.is_none() {
        // Fails in the moment in which it ends.
        memory_peak_mb = cpu::memory_peak_mb(child.id()).unwrap_or(memory_peak_mb);
        if Instant::now() > deadline {
            bail!("it was not done in time, and was killed");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok((cpu::of_process(child.id())?, memory_peak_mb))
}

fn report(status: ExitStatus, out: &str) -> Result<Finished> {
    if !status.success() {
        bail!("it failed: {status}");
    }
    let last = out.lines().next_back().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("its last line is no report: {last:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Run> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        measure(command, limit)
    }

    const MINUTE: Duration = Duration::from_secs(60);
    const LINE: &str = r#"{"records":5,"keys":2,"out_of_order":0,"seconds":1.5,"cpu_seconds":0.5}"#;

    #[test]
    fn the_last_line_is_the_report() {
        let run = shell(&format!("echo starting; echo '{LINE}'"), MINUTE).unwrap();
        assert_eq!((run.finished.records, run.finished.keys), (5, 2));
    }

    #[test]
    fn children_of_an_arm_count() {
        let burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let run = shell(&format!("sh -c '{burn}'; echo '{LINE}'"), MINUTE).unwrap();
        assert!(run.process_cpu_seconds > 0.0);
    }

    #[test]
    fn whoever_fails_or_hangs_is_told_with_its_log() {
        let failed =
            format!("{:#}", shell(&format!("echo '{LINE}'; echo why >&2; exit 3"), MINUTE).unwrap_err());
        assert!(failed.contains("why") && failed.contains("exit status: 3"), "{failed}");
        let silent = format!("{:#}", shell("echo hello", MINUTE).unwrap_err());
        assert!(silent.contains("no report: \"hello\""), "{silent}");
        let hung = format!("{:#}", shell("sleep 60", Duration::from_millis(50)).unwrap_err());
        assert!(hung.contains("not done in time"), "{hung}");
    }
}

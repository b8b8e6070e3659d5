//! What stands in topics, batch by batch, kept when a run has found differences. Whether a wrong record lies in a batch of its own
//! or among right ones, and which producer wrote it with which numbers, tells the flow from the client and from the broker.

use std::fs;
use std::path::{Path, PathBuf};

use thalweg_testbed::TestbedError;
use thalweg_testbed::recipe::kafka::tool;

use super::failed;

/// Writes `TOPIC.dump` into `into` for each topic, of all its partitions, from the data folder of the one broker.
pub(crate) fn keep(data: &Path, topics: &[&str], into: &Path) -> Result<(), TestbedError> {
    for topic in topics {
        let segments = segments(data, topic)?;
        if segments.is_empty() {
            continue;
        }
        let files: Vec<_> = segments.iter().map(|path| path.display().to_string()).collect();
        let arguments = ["--print-data-log", "--files", &files.join(",")];
        let printed = tool("org.apache.kafka.tools.DumpLogSegments", &arguments)?;
        let path = into.join(format!("{topic}.dump"));
        fs::write(&path, printed).map_err(|source| TestbedError::File { path, source })?;
    }
    Ok(())
}

/// The segments of the topic's partitions, in order.
fn segments(data: &Path, topic: &str) -> Result<Vec<PathBuf>, TestbedError> {
    let mut found = Vec::new();
    for partition in entries(data)? {
        let name = partition.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.strip_prefix(topic).and_then(|rest| rest.strip_prefix('-'));
        if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
            found.extend(
                entries(&partition)?.into_iter().filter(|path| path.extension() == Some("log".as_ref())),
            );
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, TestbedError> {
    let read = fs::read_dir(folder).and_then(|found| found.map(|entry| Ok(entry?.path())).collect());
    read.map_err(|error| failed(&folder.display().to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segments_of_that_topic_are_found() {
        let data = std::env::temp_dir().join(format!("thalweg-log-dump-{}", std::process::id()));
        let of_copies = ["a-copies-0/00.log", "a-copies-0/20.log", "a-copies-11/00.log"];
        let others =
            ["a-copies-0/00.index", "a-copies-more-0/00.log", "a-copies-0.17-delete/00.log", "a-0/00.log"];
        for name in of_copies.iter().chain(&others) {
            let path = data.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let expected: Vec<_> = of_copies.iter().map(|name| data.join(name)).collect();
        assert_eq!(segments(&data, "a-copies").unwrap(), expected);
        fs::remove_dir_all(data).unwrap();
    }
}

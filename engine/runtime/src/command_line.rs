//! The command line of a pipeline binary, and its help.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::builder::EnumValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::demo::Words;
use crate::program::Program;
use crate::report::Format;
use crate::tryout::Options;

/// The subcommand for a topic that was made anew or has other partitions.
const RAISE_GENERATION: &str = "raise-generation";

/// The command line of that program.
pub(crate) fn of(program: &Program) -> Command {
    Command::new(program.name)
        .about(program.about)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(after_help(program))
        .args([settings(), set(), print_settings(), check(), no_progress(), report()])
        .subcommand(Command::new(RAISE_GENERATION).args([settings(), set()]).about(
            "For a topic that was made anew or has other partitions: reads the old partitions to their end, then lets \
             the new ones win. Stop every instance first",
        ))
}

/// The settings file and the `--set`s, before and behind a subcommand.
pub(crate) fn given(matches: &ArgMatches) -> (Option<&Path>, Vec<String>) {
    let behind = matches.subcommand().map(|(_, behind)| behind);
    let levels = || std::iter::once(matches).chain(behind);
    let file = levels().filter_map(|level| level.get_one::<PathBuf>("settings")).next_back();
    let set = levels().filter_map(|level| level.get_many::<String>("set")).flatten().cloned();
    (file.map(PathBuf::as_path), set.collect())
}

/// What is shown of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    /// How it is going, while it runs.
    pub(crate) progress: bool,
    pub(crate) report: Format,
}

/// What of a run is to be shown.
pub(crate) fn shown(matches: &ArgMatches) -> Shown {
    let report = matches.get_one("report").copied().unwrap_or(Format::Text);
    Shown { progress: !matches.get_flag("no-progress"), report }
}

/// The command line of a program that can be tried with nothing installed, as these words say.
pub(crate) fn with_tryout(command: Command, name: &str, words: &Words) -> Command {
    let Words { systems, demo, rate, rate_usual, rate_tried, seconds } = words;
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let number = |name: &'static str, min: u32, max: u32| {
        let parser = clap::value_parser!(u32).range(i64::from(min)..=i64::from(max));
        Arg::new(name).long(name).value_name("NUMBER").value_parser(parser).requires("demo")
    };
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let tried = format!(
        "  {name} --embedded --demo\n  {name} --embedded --demo --seconds 20 --rate {rate_tried} --report json"
    );
    command.after_help(format!("{help}\n{tried}")).next_help_heading("Try it with nothing installed").args([
        flag("embedded")
            .help(format!("Runs on {systems} of its own, in this process: for trying out, nothing is kept")),
        flag("demo").requires("embedded").help(format!("Adds {demo}")),
        number("rate", 1, 1_000_000).help(format!("{rate} each second [default: {rate_usual}]")),
        number("seconds", 1, 86_400).help(*seconds),
    ])
}

/// Whether and how it is to be tried.
pub(crate) fn tryout(matches: &ArgMatches, words: &Words) -> Option<Options> {
    let rate = matches.get_one("rate").copied().unwrap_or(words.rate_usual);
    let seconds = matches.get_one("seconds").copied();
    matches.get_flag("embedded").then(|| Options { demo: matches.get_flag("demo"), rate, seconds })
}

fn settings() -> Arg {
    let parser = clap::value_parser!(PathBuf);
    let arg = Arg::new("settings").long("settings").value_name("FILE").value_parser(parser);
    arg.help("Reads settings from this TOML file")
}

fn set() -> Arg {
    let arg = Arg::new("set").long("set").value_name("KEY=VALUE").action(ArgAction::Append);
    arg.help("Sets one key, as in --set kafka.brokers=broker:9092")
}

fn print_settings() -> Arg {
    let arg = Arg::new("print-settings").long("print-settings").action(ArgAction::SetTrue);
    arg.help("Prints the settings in force and where each comes from (secrets hidden), and exits")
}

fn check() -> Arg {
    let arg = Arg::new("check").long("check").action(ArgAction::SetTrue);
    arg.help("Checks settings, topics and sinks, makes what is missing, and exits")
}

fn no_progress() -> Arg {
    let arg = Arg::new("no-progress").long("no-progress").action(ArgAction::SetTrue);
    arg.help("Shows no live line on a terminal, and no progress in the log")
}

fn report() -> Arg {
    let parser = EnumValueParser::<Format>::new();
    let arg = Arg::new("report").long("report").value_name("FORMAT").value_parser(parser);
    arg.help(
        "Writes the report at the end as text, or as json: for each flow an object on a line, the last ones",
    )
}

fn after_help(program: &Program) -> String {
    let name = program.name;
    let mut variables = String::new();
    for variable in program.variables {
        // Writing to a String can't fail.
        let _ = writeln!(variables, "  {:<24} sets {}", variable.name, variable.key);
    }
    format!(
        "Settings, each winning over those before: defaults, the file, the environment, --set. Every key can be set in \
         each of these; `--print-settings` lists them.\n\n\
         Environment:\n{variables}  \
         THALWEG__SECTION__KEY    sets section.key, as in THALWEG__KAFKA__GROUP__ID=my-group\n  \
         RUST_LOG                 wins over engine.log_level\n\n\
         Stopping: the first Ctrl-C or SIGTERM finishes what was read, commits, leaves the group and prints a summary; \
         the second stops at once.\n\n\
         Exit codes:\n  \
         0  done\n  \
         1  an outside system is unreachable or refuses, or the flow must not go on; the last line says why\n  \
         2  the command line or a setting can't be\n  \
         3  stopped before everything read was finished and committed; it is done again at the next start\n\n\
         Examples:\n  \
         {name} --settings {name}.toml --check\n  \
         KAFKA_BROKERS=broker:9092 {name} --set engine.workers=2\n  \
         curl 127.0.0.1:9600/metrics"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_count_before_and_behind_a_subcommand() {
        let program = Program { name: "x", about: "", variables: &[] };
        let args = ["x", "--set", "a=1", "--settings", "f", "raise-generation", "--set", "b=2"];
        let matches = of(&program).try_get_matches_from(args).unwrap();
        let (file, set) = given(&matches);
        assert_eq!(file, Some(Path::new("f")));
        assert_eq!(set, ["a=1", "b=2"]);
    }

    #[test]
    fn the_command_line_is_sound() {
        let program = of(&Program { name: "x", about: "", variables: &[] });
        let words =
            Words { systems: "", demo: "", rate: "", rate_usual: 1, rate_tried: 1, seconds: "Ends it" };
        with_tryout(program.clone(), "x", &words).debug_assert();
        program.debug_assert();
    }
}

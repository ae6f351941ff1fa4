//! One table of every option: what sets it, its default, and (with `--print-config`) its value.

use std::fmt::Write as _;

use clap::{Arg, ArgMatches, Command, parser::ValueSource};

/// The options that count when `command` runs.
fn options(command: &Command) -> Vec<(String, &Arg)> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let named = shown.filter_map(|arg| Some((arg.get_long()?, arg)));
    let counts = named.filter(|(long, _)| !matches!(*long, "help" | "version" | "print-config"));
    counts.map(|(long, arg)| (format!("--{long}"), arg)).collect()
}

/// The effective configuration as a table for people. An option that hides its environment variable's
/// value is a secret.
#[must_use]
pub fn effective(command: &Command, matches: &ArgMatches) -> String {
    let rows = options(command).into_iter().map(|(option, arg)| {
        let (value, origin) = value(arg, matches);
        (option, value, origin, variable(arg))
    });
    let rows: Vec<_> = rows.collect();
    let options = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let values = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (option, value, origin, variable) in rows {
        let line = format!("{option:<options$}  {value:<values$}  {origin:<11}  {variable}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn value(arg: &Arg, matches: &ArgMatches) -> (String, &'static str) {
    let id = arg.get_id().as_str();
    let origin = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => "flag",
        Some(ValueSource::EnvVariable) => "environment",
        _ => "default",
    };
    let raw = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy());
    let value = raw.collect::<Vec<_>>().join(",");
    let secret = arg.is_hide_env_values_set() && !value.is_empty();
    (if secret { "***".to_owned() } else { value }, origin)
}

fn variable(arg: &Arg) -> String {
    arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The options of `command` as Markdown tables, one per heading.
#[must_use]
pub fn markdown(command: &Command) -> String {
    let heading = |arg: &Arg| arg.get_help_heading().unwrap_or("Options").to_owned();
    let mut headings: Vec<String> = Vec::new();
    let options = options(command);
    for (_, arg) in &options {
        if !headings.contains(&heading(arg)) {
            headings.push(heading(arg));
        }
    }
    let mut out = String::new();
    for name in headings {
        let head = "| Option | Environment | Default | What it does |\n| --- | --- | --- | --- |";
        // Writing to a string cannot fail.
        let _ = write!(out, "\n### {name}\n\n{head}\n");
        for (option, arg) in options.iter().filter(|(_, arg)| heading(arg) == name) {
            let _ = writeln!(out, "{}", row(option, arg));
        }
    }
    out
}

fn row(option: &str, arg: &Arg) -> String {
    let code = |text: String| if text.is_empty() { text } else { format!("`{text}`") };
    let default = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",");
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = help.replace('\n', " ").replace('|', "\\|");
    format!("| `{option}` | {} | {} | {help} |", code(variable(arg)), code(default))
}

#[cfg(test)]
mod tests {
    use clap::Args as _;
    use workmanager_core_kit::Secret;

    use super::*;

    #[derive(Debug, clap::Args)]
    struct Options {
        /// The port.
        #[arg(long, env = "WORKMANAGER_TEST_PORT", default_value_t = 5001)]
        port: u16,
        /// A secret.
        #[arg(long, hide_env_values = true, help_heading = "Access")]
        token: Option<Secret<String>>,
        /// Several.
        #[arg(long)]
        topic: Vec<String>,
        /// Not a setting.
        #[arg(long)]
        print_config: bool,
    }

    fn command() -> Command {
        Options::augment_args(Command::new("serve").no_binary_name(true))
    }

    #[test]
    fn every_option_is_shown_with_its_origin_and_no_secret_is() {
        let line = ["--token", "wm_secret", "--topic", "a", "--topic", "b", "--print-config"];
        let matches = command().try_get_matches_from(line).unwrap();
        let expected = "\
--port   5001  default      WORKMANAGER_TEST_PORT
--token  ***   flag
--topic  a,b   flag
";
        assert_eq!(effective(&command(), &matches), expected);
    }

    #[test]
    fn the_document_has_a_table_per_heading() {
        let text = markdown(&command());
        assert!(text.contains("### Options\n"), "{text}");
        assert!(text.contains("| `--port` | `WORKMANAGER_TEST_PORT` | `5001` | The port |"), "{text}");
        assert!(text.contains("### Access\n\n| Option"), "{text}");
    }
}

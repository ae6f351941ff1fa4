//! The effective configuration: what every option of a verb is, and where that comes from.

use clap::{Arg, ArgMatches, Command, parser::ValueSource};

use super::{
    error::Error,
    options::{Colour, Display, Format},
    output::{Output, Table},
};

/// One option as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The option, as in `--http-port`.
    pub option: String,
    /// The environment variable that sets it too.
    pub variable: Option<String>,
    /// Its value; `***` for a secret that is set, empty for what is not set.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// What it does.
    pub help: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// Nobody said anything.
    Default,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Default => "default",
        }
    }
}

/// Every option of `verb` that counts when it runs. An option that hides its environment variable's
/// value is a secret.
#[must_use]
pub fn settings(verb: &Command, matches: &ArgMatches) -> Vec<Setting> {
    let counts = |arg: &&Arg| arg.get_long().is_some_and(|long| !matches!(long, "help" | "version" | "print-config"));
    verb.get_arguments().filter(counts).map(|arg| setting(arg, matches)).collect()
}

fn setting(arg: &Arg, matches: &ArgMatches) -> Setting {
    let id = arg.get_id().as_str();
    let values = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy());
    let value = values.collect::<Vec<_>>().join(",");
    let secret = arg.is_hide_env_values_set() && !value.is_empty();
    let origin = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Origin::Flag,
        Some(ValueSource::EnvVariable) => Origin::Environment,
        _ => Origin::Default,
    };
    Setting {
        option: format!("--{}", arg.get_long().unwrap_or_default()),
        variable: arg.get_env().map(|variable| variable.to_string_lossy().into_owned()),
        value: if secret { "***".to_owned() } else { value },
        origin,
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Prints the effective configuration of `verb`.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(verb: &Command, matches: &ArgMatches) -> Result<(), Error> {
    let output = Output::new(&Display { output: Format::Table, colour: Colour::default() });
    output.table(&table(&settings(verb, matches)))
}

fn table(settings: &[Setting]) -> Table {
    let mut table = Table::new(["OPTION", "VALUE", "FROM", "VARIABLE"]);
    for Setting { option, variable, value, origin, .. } in settings {
        let variable = variable.clone().unwrap_or_default();
        table.row([option.clone(), value.clone(), origin.as_str().to_owned(), variable]);
    }
    table
}

#[cfg(test)]
mod tests {
    use clap::Args as _;
    use workmanager_core_kit::Secret;

    use super::*;
    use crate::cli::output::Style;

    #[derive(Debug, clap::Args)]
    struct Options {
        /// The port.
        #[arg(long, env = "WORKMANAGER_TEST_PORT", default_value_t = 5001)]
        port: u16,
        /// A secret.
        #[arg(long, hide_env_values = true)]
        token: Option<Secret<String>>,
        /// A flag.
        #[arg(long)]
        quick: bool,
        /// Several.
        #[arg(long)]
        topic: Vec<String>,
        /// Nothing.
        #[arg(long)]
        nothing: Option<String>,
        /// Not a setting.
        #[arg(long)]
        print_config: bool,
        file: Option<String>,
    }

    fn shown(line: &[&str]) -> String {
        let command = Options::augment_args(Command::new("serve").no_binary_name(true));
        let matches = command.clone().try_get_matches_from(line).unwrap();
        table(&settings(&command, &matches)).render(Style::new(false))
    }

    #[test]
    fn every_option_is_shown_with_its_origin_and_no_secret_is() {
        let line = ["--token", "wm_secret", "--topic", "a", "--topic", "b", "--print-config", "file"];
        let expected = "\
OPTION     VALUE  FROM     VARIABLE
--port     5001   default  WORKMANAGER_TEST_PORT
--token    ***    flag
--quick    false  default
--topic    a,b    flag
--nothing         default";
        assert_eq!(shown(&line), expected);
        assert!(shown(&["--port", "7"]).contains("--port     7      flag"));
    }
}

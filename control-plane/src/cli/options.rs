//! What the verbs have in common.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use workmanager_core_kit::Secret;

use super::server::Server;

/// A verb that talks to a server: its own arguments, where the server is, and how to show the answer.
#[derive(Debug, Clone, Args)]
pub struct Remote<A: Args> {
    #[command(flatten)]
    pub(crate) verb: A,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    pub(crate) display: Display,
}

/// Where the server is, and who asks.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct Connection {
    /// Where the control plane listens.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "WORKMANAGER_SERVER",
        default_value = "http://127.0.0.1:5001"
    )]
    pub(crate) server: Server,
    /// The bearer token, if the server wants one.
    #[arg(long, global = true, value_name = "TOKEN", env = "WORKMANAGER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Secret<String>>,
}

/// How answers look.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct Display {
    /// A table for people, or JSON for programs.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) colour: Colour,
}

/// Whether to colour. Colour is for terminals only, whatever is set here.
#[derive(Debug, Clone, Default, Args)]
pub struct Colour {
    /// No colour, not even on a terminal. The variable NO_COLOR says so too.
    #[arg(long, global = true)]
    no_color: bool,
    /// `NO_COLOR`: set to anything but the empty text it takes the colour away.
    #[arg(long = "no-color-variable", env = "NO_COLOR", hide = true)]
    variable: Option<OsString>,
}

impl Colour {
    /// Whether a terminal may be coloured.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.no_color && self.variable.as_ref().is_none_or(|value| value.is_empty())
    }
}

/// The two ways to show an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: the server's own JSON.
    Json,
}

/// `KEY=VALUE` of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// A text without the separator between key and value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be KEY{separator}VALUE with a key")]
pub(crate) struct InvalidPair {
    separator: char,
}

impl Pair {
    /// Reads `KEY=VALUE`.
    pub(crate) fn equals(text: &str) -> Result<Self, InvalidPair> {
        Self::split(text, '=')
    }

    /// Reads `KEY:VALUE`, as tag filters are written.
    pub(crate) fn colon(text: &str) -> Result<Self, InvalidPair> {
        Self::split(text, ':')
    }

    fn split(text: &str, separator: char) -> Result<Self, InvalidPair> {
        match text.split_once(separator) {
            Some((key, value)) if !key.is_empty() => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            _ => Err(InvalidPair { separator }),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    #[test]
    fn a_pair_is_split_at_the_first_separator() {
        let pair = |key: &str, value: &str| Ok(Pair { key: key.into(), value: value.into() });
        assert_eq!(Pair::equals("a=b=c"), pair("a", "b=c"));
        assert_eq!(Pair::equals("a="), pair("a", ""));
        assert_eq!(Pair::colon("team:a:b"), pair("team", "a:b"));
        for bad in ["", "a", "=b"] {
            assert_eq!(Pair::equals(bad).unwrap_err().to_string(), "must be KEY=VALUE with a key", "{bad:?}");
        }
    }

    #[test]
    fn a_terminal_is_coloured_unless_somebody_says_no() {
        let wanted = |line: &[&str]| {
            let command = Colour::augment_args(clap::Command::new("x").no_binary_name(true));
            // The variable of whoever runs the tests does not count.
            let command = command.mut_arg("variable", |arg| arg.env(None::<&str>));
            Colour::from_arg_matches(&command.try_get_matches_from(line).unwrap()).unwrap().is_wanted()
        };
        assert!(wanted(&[]));
        assert!(wanted(&["--no-color-variable", ""]));
        assert!(!wanted(&["--no-color-variable", "0"]));
        assert!(!wanted(&["--no-color"]));
    }
}

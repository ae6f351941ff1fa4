//! Names that users choose: workers, topics, groups.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text cannot be a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidName {
    /// Nothing there, or only white space.
    #[error("must not be empty")]
    Empty,
    /// Longer than the limit, in bytes.
    #[error("must have at most {limit} bytes, has {len}")]
    TooLong {
        /// The limit.
        limit: usize,
        /// What was given.
        len: usize,
    },
    /// The first character that is not allowed there.
    #[error("must match [A-Za-z0-9][A-Za-z0-9._-]*, found {0:?}")]
    Character(char),
    /// A worker's name that would be read as an id.
    #[error("must not look like a UUID, which is how ids look")]
    LooksLikeAnId,
}

/// Longest worker or group name, in bytes.
pub const MAX_NAME: usize = 128;
/// Longest topic name, in bytes.
pub const MAX_TOPIC: usize = 255;

fn check(text: &str, limit: usize) -> Result<(), InvalidName> {
    let first = text.chars().next().ok_or(InvalidName::Empty)?;
    if text.len() > limit {
        return Err(InvalidName::TooLong { limit, len: text.len() });
    }
    if !first.is_ascii_alphanumeric() {
        return Err(InvalidName::Character(first));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text.chars().find(|&c| !allowed(c)) {
        Some(c) => Err(InvalidName::Character(c)),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $limit:expr, $more:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check(text, $limit)?;
                let more: fn(&str) -> Result<(), InvalidName> = $more;
                more(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// A worker's unique name. `{id}` in the API is the id or this name, so it never looks like a UUID.
    WorkerName,
    MAX_NAME,
    |text| if Uuid::try_parse(text).is_ok() { Err(InvalidName::LooksLikeAnId) } else { Ok(()) }
);
name!(
    /// A topic of the bus.
    Topic, MAX_TOPIC, |_| Ok(())
);
name!(
    /// Workers of one group run mutually exclusively.
    GroupName, MAX_NAME, |_| Ok(())
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once_and_say_what_is_wrong() {
        let long = "a".repeat(MAX_TOPIC + 1);
        let table = [
            ("", InvalidName::Empty),
            (" a", InvalidName::Character(' ')),
            ("-a", InvalidName::Character('-')),
            ("a/b", InvalidName::Character('/')),
            ("a\u{e9}", InvalidName::Character('\u{e9}')),
            (long.as_str(), InvalidName::TooLong { limit: MAX_TOPIC, len: MAX_TOPIC + 1 }),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Topic>().unwrap_err(), expected, "{text:?}");
        }
        assert_eq!("orders.v1_eu-west".parse::<Topic>().unwrap().as_str(), "orders.v1_eu-west");
    }

    #[test]
    fn a_worker_name_that_reads_as_a_uuid_is_refused() {
        let uuid = "0199a3b0-7c1e-7000-8000-000000000001";
        assert_eq!(uuid.parse::<WorkerName>().unwrap_err(), InvalidName::LooksLikeAnId);
        assert!(uuid.replace('-', "").parse::<WorkerName>().is_err());
        assert!(uuid.parse::<Topic>().is_ok());
    }
}

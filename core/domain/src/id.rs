//! Identifiers. Each is parsed once, at the edge.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a {wanted}")]
pub struct InvalidId {
    text: String,
    wanted: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID, as the `Ids` port makes them.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID.
            #[must_use]
            pub const fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($prefix)
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or_else(|| InvalidId { text: text.to_owned(), wanted: $wanted })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id!(
    /// A worker: a UUID (version 7), printed bare for compatibility.
    WorkerId, "", "worker id (a UUID)"
);
id!(
    /// One attempt to run a worker on an event.
    AttemptId, "att_", "attempt id"
);
id!(
    /// A dead letter.
    DeadLetterId, "dl_", "dead-letter id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_as_it_parses() {
        let text = "att_0199a3b0-7c1e-7000-8000-000000000001";
        assert_eq!(text.parse::<AttemptId>().unwrap().to_string(), text);
        assert!("0199a3b0-7c1e-7000-8000-000000000001".parse::<AttemptId>().is_err());
        assert!("0199a3b0-7c1e-7000-8000-000000000001".parse::<WorkerId>().is_ok());
    }
}

//! Durations and sizes as users write them: `30s`, `6h`, `64KiB`, `256MiB`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A text that is not a duration or a size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidUnit {
    /// Not a duration.
    #[error("`{0}` is not a duration such as 500ms, 30s, 1m30s or 6h")]
    Duration(String),
    /// Not a size.
    #[error("`{0}` is not a size such as 512B, 64KiB, 256MiB or 1GiB")]
    Size(String),
}

/// A length of time that prints as it is written, without spaces: `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A number of bytes that prints in the largest binary unit that divides it: `256MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spaced = humantime::format_duration(self.0).to_string();
        f.write_str(&spaced.replace(' ', ""))
    }
}

impl FromStr for Span {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = humantime::parse_duration(text);
        parsed.map(Self).map_err(|_| InvalidUnit::Duration(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |shift: u32| self.0 != 0 && self.0.trailing_zeros() >= shift;
        let unit = UNITS.iter().find(|(_, shift)| divides(*shift)).unwrap_or(&UNITS[3]);
        write!(f, "{}{}", self.0 >> unit.1, unit.0)
    }
}

impl FromStr for Size {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidUnit::Size(text.to_owned());
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let shift = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, shift)| *shift);
        let size = number.checked_mul(1 << shift.ok_or_else(invalid)?);
        size.map(Self).ok_or_else(invalid)
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = InvalidUnit;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

text_conversions!(Span, Size);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_parses_to_the_same() {
        for text in ["500ms", "30s", "1m30s", "6h", "14days"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["0B", "1B", "1000B", "64KiB", "1MiB", "256MiB", "3GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("1024KiB".parse::<Size>().unwrap().to_string(), "1MiB");
    }

    #[test]
    fn what_has_no_unit_or_is_too_large_is_refused() {
        for text in ["", "30", "-1s", "s", "1 lightyear"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
        for text in ["", "64", "64kb", "-1B", "KiB", "1.5MiB", "99999999999999999999B", "18446744073709551615GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text:?}");
        }
    }
}

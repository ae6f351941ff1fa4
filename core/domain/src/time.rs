//! Points in time. They come from the `Clock` port, never from the system directly.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// UTC wall-clock time; prints as RFC 3339 with up to microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(jiff::Timestamp);

/// A text that is not an RFC 3339 timestamp, or a number of microseconds out of range.
#[derive(Debug, thiserror::Error)]
#[error("not a timestamp in RFC 3339")]
pub struct InvalidTimestamp(#[source] jiff::Error);

impl Timestamp {
    /// From whole microseconds since 1970.
    ///
    /// # Errors
    /// Outside the years -9999 to 9999.
    pub fn from_micros(micros: i64) -> Result<Self, InvalidTimestamp> {
        jiff::Timestamp::from_microsecond(micros).map(Self).map_err(InvalidTimestamp)
    }

    /// Whole microseconds since 1970.
    #[must_use]
    pub fn as_micros(&self) -> i64 {
        self.0.as_microsecond()
    }

    /// This much later; stays at the end of time instead of overflowing.
    #[must_use]
    pub fn plus(&self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let end = jiff::Timestamp::MAX;
        Self(jiff::Timestamp::from_microsecond(self.as_micros().saturating_add(micros)).unwrap_or(end))
    }

    /// How much later than `earlier`; zero when it is not.
    #[must_use]
    pub fn since(&self, earlier: Self) -> Duration {
        let micros = self.as_micros().saturating_sub(earlier.as_micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self(jiff::Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(Self::from).map_err(InvalidTimestamp)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_failing() {
        let start: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let later = start.plus(Duration::from_millis(1_500));
        assert_eq!(later.to_string(), "2026-11-25T10:00:01.5Z");
        assert_eq!(later.since(start), Duration::from_millis(1_500));
        assert_eq!(start.since(later), Duration::ZERO);
        assert!(start.plus(Duration::MAX) > later);
    }
}

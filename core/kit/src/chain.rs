//! Errors with their causes.

use std::iter::successors;

/// An error and all its causes in one line, for the log: an error's own text leaves them out.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn every_cause_is_named_once() {
        let error = Outer("x".parse::<u8>().unwrap_err());
        assert_eq!(chain(&error), "cannot start: invalid digit found in string");
    }
}

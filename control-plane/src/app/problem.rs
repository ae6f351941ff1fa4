//! What is wrong with a request, all of it at once.

use super::Error;

/// Most problems that are listed.
const MOST: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer to it; `?name` for a query parameter.
    pub pointer: String,
    /// Why it cannot be taken.
    pub reason: String,
}

/// Everything that is wrong so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one. Beyond a hundred nobody reads on.
    pub fn push(&mut self, pointer: impl Into<String>, reason: impl Into<String>) {
        if self.0.len() < MOST {
            self.0.push(Problem { pointer: pointer.into(), reason: reason.into() });
        }
    }

    /// Exactly one.
    #[must_use]
    pub fn one(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.push(pointer, reason);
        problems
    }

    /// Whether something at or below `pointer` is wrong already.
    #[must_use]
    pub fn under(&self, pointer: &str) -> bool {
        self.0.iter().any(|problem| problem.pointer.starts_with(pointer))
    }

    /// What is wrong, in the order it was found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// The value, unless something is wrong.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all of it.
    pub fn none_or<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Error::Invalid(self)),
        }
    }

    /// A line that names them.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.0.as_slice() {
            [] => "the request is not valid".to_owned(),
            [one] => format!("`{}` {}", one.pointer, one.reason),
            [first, rest @ ..] => format!("`{}` {}; and {} more", first.pointer, first.reason, rest.len()),
        }
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

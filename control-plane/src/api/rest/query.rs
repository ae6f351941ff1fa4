//! Query parameters: each is known, and there once unless it may be repeated.

use std::{fmt::Display, str::FromStr, time::Duration};

use axum::extract;
use http::Uri;
use workmanager_core_domain::units::Span;

use crate::{api::error::Error, app::Problems};

/// The parameters that are not read yet, and what is wrong with those that are.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    problems: Problems,
    known: Vec<&'static str>,
}

impl Query {
    /// Reads a query.
    pub(super) fn of(text: &str) -> Result<Self, Error> {
        let malformed = || Error::from(Problems::one("?", "the query cannot be read"));
        let uri: Uri = format!("/?{text}").parse().map_err(|_| malformed())?;
        let extract::Query(pairs) = extract::Query::try_from_uri(&uri).map_err(|_| malformed())?;
        Ok(Self { pairs, problems: Problems::default(), known: Vec::new() })
    }

    /// Every value of a parameter that may be repeated.
    pub(super) fn all(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        self.pairs.extract_if(.., |(known, _)| known == name).map(|(_, value)| value).collect()
    }

    /// A parameter as text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            self.problems.push(format!("?{name}"), "is there twice");
        }
        values.pop()
    }

    /// A parameter as what it is.
    pub(super) fn parsed<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(name)?;
        text.parse().map_err(|error: T::Err| self.problems.push(format!("?{name}"), error.to_string())).ok()
    }

    /// A parameter as a length of time.
    pub(super) fn span(&mut self, name: &'static str) -> Option<Duration> {
        self.parsed::<Span>(name).map(|Span(duration)| duration)
    }

    /// A parameter that is `true` or `false`.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        match self.text(name).as_deref() {
            None | Some("false") => false,
            Some("true" | "") => true,
            Some(_) => {
                self.problems.push(format!("?{name}"), "must be true or false");
                false
            }
        }
    }

    /// A number of entries, from 1 to `most`.
    pub(super) fn limit(&mut self, most: usize) -> Option<usize> {
        let limit = self.parsed("limit")?;
        if !(1..=most).contains(&limit) {
            self.problems.push("?limit", format!("must be from 1 to {most}"));
        }
        Some(limit)
    }

    /// Says that something is wrong with a parameter.
    pub(super) fn wrong(&mut self, name: &str, reason: impl Into<String>) {
        self.problems.push(format!("?{name}"), reason);
    }

    /// Refuses what was not read, and all that is wrong.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        for (name, _) in &self.pairs {
            let known = match self.known.as_slice() {
                [] => "this operation has none".to_owned(),
                known => format!("known are {}", known.join(", ")),
            };
            let name: String = name.chars().take(100).collect();
            self.problems.push(format!("?{name}"), format!("is not known here; {known}"));
        }
        Ok(self.problems.none_or(Some(()))?)
    }
}

//! `matches`: regular expressions are literals, compiled once with the filter. Matching takes time
//! linear in the text.

use std::{
    any::Any,
    sync::{Arc, LazyLock},
};

use cel::{
    Env, ExecutionError,
    common::{
        types::{CelBool, CelString, STRING_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
};
use regex::{Regex, RegexBuilder};

/// Largest compiled regular expression, in bytes.
const MAX_COMPILED: usize = 256 << 10;
/// How the patterns of a filter are named inside it; no identifier of CEL can be.
const PREFIX: &str = "@pattern";

static PATTERN: Type = Type::new_unspecified_type("pattern");

/// Types and functions of every filter: the standard ones, and `matches` on compiled patterns.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(false);
    let arguments = || vec![STRING_TYPE, PATTERN.to_owned()];
    let added = environment.add_overload("matches", "matches_pattern", arguments(), matches).and_then(|()| {
        environment.add_member_overload(
            "matches",
            "string_matches_pattern",
            STRING_TYPE,
            vec![PATTERN.to_owned()],
            matches,
        )
    });
    debug_assert!(added.is_ok(), "the standard environment declares `matches` on patterns");
    Arc::new(environment)
});

/// A compiled regular expression, as a value.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Compiles `text`.
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        RegexBuilder::new(text).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build().map(Self)
    }
}

/// The variable that holds pattern `index`.
pub(super) fn name(index: usize) -> String {
    format!("{PREFIX}{index}")
}

/// The reverse of [`name`].
pub(super) fn index(variable: &str) -> Option<usize> {
    variable.strip_prefix(PREFIX)?.parse().ok()
}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.first().and_then(|text| text.downcast_ref::<CelString>());
    let pattern = arguments.get(1).and_then(|pattern| pattern.downcast_ref::<Pattern>());
    let (Some(text), Some(Pattern(regex))) = (text, pattern) else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    Ok(CowVal::owned(CelBool::from(regex.is_match(text.inner()))))
}

impl StaticVal for Pattern {}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

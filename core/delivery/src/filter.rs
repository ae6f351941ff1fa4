//! A worker's filter: CEL over `event`, whose members are the attributes by name and `data`.
//!
//! `event.data` is the parsed JSON, the text, or the bytes, by the event's data kind; it is parsed when
//! a filter asks for it, once per event. Asking for an attribute or member that is not there is an
//! error, and an error is no match (`has(event.subject)` asks first).
//!
//! A filter is written by one user and runs on the events of another, so nothing about it is trusted:
//! text and nesting are bounded, names are checked when it is compiled, regular expressions are
//! literals of bounded size, and what a filter with loops can cost on an event is computed before it is
//! evaluated (see [`cost`]).

mod check;
mod cost;
mod data;
mod error;
mod pattern;
mod view;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::{
    Context, Value,
    common::{types::CelBool, value::CowVal},
    context::VariableResolver,
    parser::Expression,
};
use cost::Size;
pub use error::{EvaluationError, InvalidFilter};
use pattern::{ENVIRONMENT, Pattern};
pub use view::Input;
use view::View;

/// Longest filter, in bytes.
pub const MAX_FILTER: usize = 4 << 10;
/// Deepest nesting of brackets in the text, so that no text takes the parser long.
const MAX_BRACKETS: usize = 24;
/// The parser's stack: address space, of which only what is used becomes memory.
const PARSER_STACK: usize = 64 << 20;

/// A compiled filter.
#[derive(Debug)]
pub struct Filter {
    text: Box<str>,
    expression: Expression,
    patterns: Vec<Pattern>,
    /// Whether it is cheap on the largest event, so that its cost need not be computed each time.
    always_cheap: bool,
}

impl Filter {
    /// Compiles a filter.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn compile(text: &str) -> Result<Self, InvalidFilter> {
        if text.len() > MAX_FILTER {
            return Err(InvalidFilter::TooLong { len: text.len(), limit: MAX_FILTER });
        }
        let (expression, patterns) = parse(text)?;
        if cost::of(&expression, Size::SMALL_EVENT) > cost::BUDGET {
            return Err(InvalidFilter::TooCostly);
        }
        let always_cheap = cost::of(&expression, Size::LARGEST_EVENT) <= cost::BUDGET;
        Ok(Self { text: text.into(), expression, patterns, always_cheap })
    }

    /// The filter as it was written.
    #[must_use]
    pub const fn text(&self) -> &str {
        &self.text
    }

    /// Whether the event is one for the worker.
    ///
    /// # Errors
    /// It cannot be said, which counts as no.
    pub fn matches(&self, input: &Input<'_>) -> Result<bool, EvaluationError> {
        if !self.always_cheap {
            let size = input.size()?;
            if cost::of(&self.expression, size) > cost::BUDGET {
                return Err(EvaluationError::too_costly());
            }
        }
        let scope = Scope { view: View(input), patterns: &self.patterns };
        // The evaluator has no known panic; should it have an unknown one, it costs this event only.
        catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(ENVIRONMENT.clone());
            context.set_variable_resolver(&scope);
            let value = Value::resolve_val(&self.expression, &context)?;
            match value.downcast_ref::<CelBool>() {
                Some(value) => Ok(*value.inner()),
                None => Err(EvaluationError::not_a_boolean(value.get_type().name())),
            }
        }))
        .unwrap_or_else(|_| Err(EvaluationError::failed()))
    }
}

/// Parses and checks. The parser recurses over chains as long as the text is (`a.a.a…`), so it gets a
/// stack that is deep enough for any text; what it returns is shallow.
fn parse(text: &str) -> Result<(Expression, Vec<Pattern>), InvalidFilter> {
    if let Some(at) = check::deeper_than(text, MAX_BRACKETS) {
        return Err(InvalidFilter::at(text, at, format!("nested deeper than {MAX_BRACKETS} brackets")));
    }
    let parse = || {
        let parsed = ENVIRONMENT.parser().parse_with_source_info(text);
        let (mut expression, source) = parsed.map_err(|errors| InvalidFilter::parse(&errors))?;
        let patterns = check::Checker::new(&source).check(&mut expression)?;
        Ok((expression, patterns))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("filter".into()).stack_size(PARSER_STACK);
        let parser = thread.spawn_scoped(scope, parse).map_err(|_| InvalidFilter::unreadable())?;
        parser.join().unwrap_or_else(|_| Err(InvalidFilter::unreadable()))
    })
}

/// The variables of one evaluation.
struct Scope<'s, 'e> {
    view: View<'s, 'e>,
    patterns: &'s [Pattern],
}

impl VariableResolver for Scope<'_, '_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == "event" {
            return Some(CowVal::Borrowed(&self.view));
        }
        let pattern = self.patterns.get(pattern::index(variable)?)?;
        Some(CowVal::Borrowed(pattern))
    }
}

#[cfg(test)]
mod tests;

//! An upper bound of what a filter costs on an event, computed from the expression and the event's size
//! alone. The evaluator has no step counter, so this is what keeps a loop inside a loop inside a loop
//! over a megabyte from holding a thread.
//!
//! The bound is a polynomial in the sizes. For a loop over `n` elements that have `s` bytes together,
//! the body costs most when one element has all the bytes: at most `n` times the body on an empty
//! element, plus once the body on all of it.

use std::collections::HashMap;

use cel::{
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators},
    parser::Expression,
};

/// What an evaluation may cost, in nanoseconds of an ordinary machine, roughly.
pub(super) const BUDGET: u64 = 50_000_000;

/// One step of the evaluator.
const STEP: u64 = 64;
/// Looking at one value inside a list or map.
const VISIT: u64 = 16;
/// Copying one value of a list or map.
const COPY: u64 = 64;
/// Running a regular expression over one byte.
const REGEX: u64 = 16;

/// How large a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes of text, all values together.
    pub(super) bytes: u64,
    /// Values inside it, itself included.
    pub(super) values: u64,
}

impl Size {
    /// A filter must be cheap on this, or it is refused.
    pub(super) const SMALL_EVENT: Self = Self { bytes: 1 << 10, values: 64 };
    /// A filter that is cheap on this is cheap always: the limit of an event, in its densest form.
    pub(super) const LARGEST_EVENT: Self = Self { bytes: 1 << 20, values: 1 << 19 };
    const ONE: Self = Self { bytes: 1, values: 1 };
    const NONE: Self = Self { bytes: 0, values: 0 };

    const fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), values: self.values.saturating_add(other.values) }
    }

    const fn times(self, count: u64) -> Self {
        Self { bytes: self.bytes.saturating_mul(count), values: self.values.saturating_mul(count) }
    }

    fn larger(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), values: self.values.max(other.values) }
    }

    const fn visiting(self) -> u64 {
        self.bytes.saturating_add(self.values.saturating_mul(VISIT))
    }

    const fn copying(self) -> u64 {
        self.bytes.saturating_add(self.values.saturating_mul(COPY))
    }
}

/// What evaluating costs, and how large the result is.
#[derive(Debug, Clone, Copy)]
struct Bound {
    cost: u64,
    size: Size,
}

/// The most that `expression` costs on an event of `size`.
pub(super) fn of(expression: &Expression, size: Size) -> u64 {
    let mut estimate = Estimate { variables: HashMap::from([("event", size)]) };
    estimate.bound(expression).cost
}

struct Estimate<'x> {
    variables: HashMap<&'x str, Size>,
}

impl<'x> Estimate<'x> {
    fn bound(&mut self, expression: &'x Expression) -> Bound {
        let mut bound = match &expression.expr {
            Expr::Literal(literal) => Bound { cost: 0, size: literal_size(literal) },
            Expr::Ident(name) => {
                Bound { cost: 0, size: self.variables.get(name.as_str()).copied().unwrap_or(Size::ONE) }
            }
            Expr::Select(select) => self.bound(&select.operand),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.together(list.elements.iter()),
            Expr::Map(map) => self.together(map.entries.iter().flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => [&entry.key, &entry.value],
                EntryExpr::StructField(field) => [&field.value, &field.value],
            })),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) | Expr::Unspecified => Bound { cost: 0, size: Size::ONE },
        };
        bound.cost = bound.cost.saturating_add(STEP);
        bound
    }

    /// A list or map of `parts`: each is copied into it.
    fn together(&mut self, parts: impl Iterator<Item = &'x Expression>) -> Bound {
        parts.fold(Bound { cost: 0, size: Size::ONE }, |sum, part| {
            let part = self.bound(part);
            let cost = sum.cost.saturating_add(part.cost).saturating_add(part.size.copying());
            Bound { cost, size: sum.size.plus(part.size) }
        })
    }

    fn call(&mut self, call: &'x CallExpr) -> Bound {
        let arguments: Vec<Bound> =
            call.target.as_deref().into_iter().chain(&call.args).map(|argument| self.bound(argument)).collect();
        let evaluated = arguments.iter().fold(0_u64, |sum, argument| sum.saturating_add(argument.cost));
        let sizes = |combine: fn(Size, Size) -> Size| {
            arguments.iter().map(|argument| argument.size).reduce(combine).unwrap_or(Size::ONE)
        };
        let all = sizes(Size::plus);
        let (cost, size) = match call.func_name.as_str() {
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE => {
                (0, Size::ONE)
            }
            operators::CONDITIONAL | operators::INDEX => (0, sizes(Size::larger)),
            operators::ADD => (all.copying(), all),
            // Two values are compared as far as the smaller one goes; a literal's size is known.
            operators::EQUALS | operators::NOT_EQUALS => match literal_among(call) {
                Some(size) => (size.visiting(), Size::ONE),
                None => (all.visiting(), Size::ONE),
            },
            "matches" => (all.bytes.saturating_mul(REGEX), Size::ONE),
            "string" | "bytes" | "dyn" => (all.copying(), sizes(Size::larger).plus(Size { bytes: 24, values: 1 })),
            _ => (all.visiting(), Size::ONE),
        };
        Bound { cost: evaluated.saturating_add(cost), size }
    }

    fn comprehension(&mut self, loops: &'x ComprehensionExpr) -> Bound {
        let range = self.bound(&loops.iter_range);
        let count = range.size.values;
        let empty = self.body(loops, Size::ONE);
        let full = self.body(loops, range.size);
        let cost = range
            .cost
            .saturating_add(range.size.copying())
            .saturating_add(count.saturating_mul(empty.cost))
            .saturating_add(full.cost);
        // `map` and `filter` gather; the others end in one value.
        let gathers = matches!(loops.accu_init.expr, Expr::List(_));
        let size = if gathers { empty.size.times(count).plus(full.size) } else { Size::ONE };
        Bound { cost, size }
    }

    /// One round, with an element of size `element`.
    fn body(&mut self, loops: &'x ComprehensionExpr, element: Size) -> Bound {
        // What is gathered grows in place, so it costs nothing to be carried along.
        let outer_gathered = self.variables.insert(&loops.accu_var, Size::NONE);
        let outer_element = self.variables.insert(&loops.iter_var, element);
        let (condition, step) = (self.bound(&loops.loop_cond), self.bound(&loops.loop_step));
        for (name, outer) in [(&loops.iter_var, outer_element), (&loops.accu_var, outer_gathered)] {
            match outer {
                Some(outer) => self.variables.insert(name, outer),
                None => self.variables.remove(name.as_str()),
            };
        }
        Bound { cost: condition.cost.saturating_add(step.cost), size: step.size }
    }
}

fn literal_size(literal: &LiteralValue) -> Size {
    let bytes = match literal {
        LiteralValue::String(text) => text.inner().len(),
        LiteralValue::Bytes(bytes) => bytes.inner().len(),
        LiteralValue::Boolean(_)
        | LiteralValue::Double(_)
        | LiteralValue::Int(_)
        | LiteralValue::Null
        | LiteralValue::UInt(_) => 1,
    };
    Size { bytes: bytes as u64, values: 1 }
}

fn literal_among(call: &CallExpr) -> Option<Size> {
    call.args.iter().find_map(|argument| match &argument.expr {
        Expr::Literal(literal) => Some(literal_size(literal)),
        _ => None,
    })
}

//! What a filter may say: names that exist, depth that the evaluator's recursion stands, and regular
//! expressions that are literals.

use cel::{
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SourceInfo},
    parser::Expression,
};

use super::{
    InvalidFilter,
    pattern::{self, Pattern},
};

/// Deepest expression; the evaluator recurses over it, with frames of 3 KiB, and of 35 KiB in a build
/// without optimisation.
const MAX_DEPTH: usize = 24;
/// Deepest nesting of `all`, `exists`, `exists_one`, `map` and `filter`.
const MAX_LOOPS: usize = 4;
/// Functions that can be called as `f(x)`.
const FUNCTIONS: [&str; 9] = ["size", "string", "bytes", "double", "int", "uint", "bool", "dyn", "type"];
/// Functions that can be called as `x.f(…)`.
const METHODS: [&str; 4] = ["size", "contains", "startsWith", "endsWith"];
/// Names of types, as `type(x) == string` uses them.
const TYPES: [&str; 10] = ["string", "bytes", "double", "int", "uint", "bool", "list", "map", "null_type", "type"];

/// The place of the first bracket that is nested deeper than `limit`; brackets in string literals do
/// not count. A text that the parser refuses anyway may be measured wrongly.
pub(super) fn deeper_than(text: &str, limit: usize) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if depth > limit {
            return Some(at);
        }
    }
    None
}

/// The node that is written first: a selection is placed at its dot.
fn first(mut expression: &Expression) -> u64 {
    while let Expr::Select(select) = &expression.expr {
        expression = &select.operand;
    }
    expression.id
}

/// Walks an expression once.
pub(super) struct Checker<'s> {
    source: &'s SourceInfo,
    variables: Vec<String>,
    loops: usize,
    patterns: Vec<Pattern>,
}

impl<'s> Checker<'s> {
    pub(super) const fn new(source: &'s SourceInfo) -> Self {
        Self { source, variables: Vec::new(), loops: 0, patterns: Vec::new() }
    }

    /// Checks `expression`, and takes its regular expressions out of it.
    pub(super) fn check(mut self, expression: &mut Expression) -> Result<Vec<Pattern>, InvalidFilter> {
        self.walk(expression, 0)?;
        Ok(self.patterns)
    }

    fn wrong(&self, id: u64, reason: String) -> InvalidFilter {
        let start = self.source.offset_for(id).map_or(0, |(start, _)| start as usize);
        // Offsets count characters.
        let at = self.source.source.char_indices().nth(start).map_or(0, |(at, _)| at);
        InvalidFilter::at(&self.source.source, at, reason)
    }

    fn walk(&mut self, expression: &mut Expression, depth: usize) -> Result<(), InvalidFilter> {
        let (id, depth) = (expression.id, depth + 1);
        if depth > MAX_DEPTH {
            return Err(self.wrong(id, format!("nested deeper than {MAX_DEPTH} operations")));
        }
        match &mut expression.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.identifier(id, name),
            Expr::Select(select) => self.walk(&mut select.operand, depth),
            Expr::Call(call) => self.call(id, call, depth),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|element| self.walk(element, depth)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.walk(&mut entry.key, depth)?;
                    self.walk(&mut entry.value, depth)
                }
                EntryExpr::StructField(field) => Err(self.wrong(id, format!("field `{}` has no place", field.field))),
            }),
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension, depth),
            Expr::Struct(value) => Err(self.wrong(id, format!("type `{}` is unknown", value.type_name))),
            Expr::Unspecified => Err(self.wrong(id, "something is missing here".into())),
        }
    }

    fn identifier(&self, id: u64, name: &str) -> Result<(), InvalidFilter> {
        let known = name == "event" || TYPES.contains(&name) || self.variables.iter().any(|variable| variable == name);
        if known { Ok(()) } else { Err(self.wrong(id, format!("`{name}` is unknown, only `event` is there"))) }
    }

    fn call(&mut self, id: u64, call: &mut CallExpr, depth: usize) -> Result<(), InvalidFilter> {
        let name = call.func_name.as_str();
        let is_operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
        if name == "matches" {
            self.pattern(id, call)?;
        } else if !is_operator {
            let known: &[&str] = if call.target.is_some() { &METHODS } else { &FUNCTIONS };
            if !known.contains(&name) {
                return Err(self.wrong(id, format!("function `{name}` is unknown")));
            }
        }
        if let Some(target) = &mut call.target {
            self.walk(target, depth)?;
        }
        call.args.iter_mut().try_for_each(|argument| match &argument.expr {
            Expr::Ident(name) if pattern::index(name).is_some() => Ok(()),
            _ => self.walk(argument, depth),
        })
    }

    /// Compiles the pattern of `x.matches("…")` and puts a variable in its place.
    fn pattern(&mut self, id: u64, call: &mut CallExpr) -> Result<(), InvalidFilter> {
        let complete = call.args.len() == if call.target.is_some() { 1 } else { 2 };
        let Some(argument) = call.args.last_mut().filter(|_| complete) else {
            return Err(self.wrong(id, "`matches` takes a text and a regular expression".into()));
        };
        let Expr::Literal(LiteralValue::String(text)) = &argument.expr else {
            return Err(self.wrong(first(argument), "the regular expression must be a literal".into()));
        };
        let compiled = Pattern::new(text.inner()).map_err(|error| self.wrong(argument.id, error.to_string()))?;
        argument.expr = Expr::Ident(pattern::name(self.patterns.len()));
        self.patterns.push(compiled);
        Ok(())
    }

    fn comprehension(&mut self, id: u64, loops: &mut ComprehensionExpr, depth: usize) -> Result<(), InvalidFilter> {
        self.walk(&mut loops.iter_range, depth)?;
        self.walk(&mut loops.accu_init, depth)?;
        self.loops += 1;
        if self.loops > MAX_LOOPS {
            return Err(self.wrong(id, format!("nested deeper than {MAX_LOOPS} loops")));
        }
        let known = self.variables.len();
        self.variables.push(loops.accu_var.clone());
        self.variables.push(loops.iter_var.clone());
        self.variables.extend(loops.iter_var2.clone());
        for part in [&mut loops.loop_cond, &mut loops.loop_step, &mut loops.result] {
            self.walk(part, depth)?;
        }
        self.variables.truncate(known);
        self.loops -= 1;
        Ok(())
    }
}

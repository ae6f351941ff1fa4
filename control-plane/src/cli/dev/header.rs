//! Settings in a worker's own file: a comment among its first lines, as in
//! `# workmanager: topic=orders filter=event.type == "a" reply-topic=replies`.
//!
//! A value lasts until the next ` key=` or the end of the line; `==` is never the end of a key, and what
//! stands in quotes is passed over, so a filter needs no quotes of its own.

use std::{fmt::Display, str::FromStr};

use serde_json::{Map, Value, json};
use workmanager_core_domain::{GroupName, Limits, Topic};

/// Lines in which a header is looked for.
const FIRST_LINES: usize = 20;
const MARK: &str = "workmanager:";
/// The keys, for whoever misspells one.
const KEYS: &str = "topic, filter, reply-topic, group, timeout, memory, concurrency, max-attempts";

/// What a header says. What it does not say is the default, so that a line that is taken out of a file
/// is taken back from the worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) topics: Vec<Topic>,
    pub(super) filter: Option<String>,
    pub(super) reply_topic: Option<Topic>,
    pub(super) group: Option<GroupName>,
    pub(super) limits: Limits,
}

/// What is wrong with a header.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum InvalidHeader {
    #[error("line {line}: `{key}` is not a setting; there are {KEYS}")]
    UnknownKey { line: usize, key: String },
    #[error("line {line}: `{key}` is there twice")]
    Twice { line: usize, key: String },
    #[error("line {line}: `{key}` {reason}")]
    Value { line: usize, key: String, reason: String },
    #[error("line {line}: `{text}` is not of the form key=value")]
    NoPair { line: usize, text: String },
}

impl Header {
    /// Reads the header of a source text; text without one has the defaults.
    pub(super) fn read(source: &str) -> Result<Self, InvalidHeader> {
        let mut header = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (line, text) in comments(source) {
            let Some(settings) = text.strip_prefix(MARK) else { continue };
            for (key, value) in pairs(settings).map_err(|text| InvalidHeader::NoPair { line, text })? {
                if seen.contains(&key) {
                    return Err(InvalidHeader::Twice { line, key });
                }
                header.set(line, &key, &value)?;
                seen.push(key);
            }
        }
        Ok(header)
    }

    fn set(&mut self, line: usize, key: &str, value: &str) -> Result<(), InvalidHeader> {
        let parser = Parser { line, key };
        match key {
            "topic" => {
                let topics = value.split(',').map(|topic| parser.parse(topic.trim()));
                self.topics = topics.collect::<Result<_, _>>()?;
            }
            "filter" => self.filter = Some(value.to_owned()),
            "reply-topic" => self.reply_topic = Some(parser.parse(value)?),
            "group" => self.group = Some(parser.parse(value)?),
            "timeout" => self.limits.timeout = parser.parse(value)?,
            "memory" => self.limits.memory = parser.parse(value)?,
            "concurrency" => self.limits.concurrency = parser.parse(value)?,
            "max-attempts" => self.limits.max_attempts = parser.parse(value)?,
            _ => return Err(InvalidHeader::UnknownKey { line, key: key.to_owned() }),
        }
        // All were in range before this one.
        self.limits.out_of_range().first().map_or(Ok(()), |wrong| Err(parser.wrong(wrong.reason)))
    }

    /// The settings as the API names them; `topic` is for a file that names none.
    pub(super) fn fields(&self, topic: &Topic) -> Map<String, Value> {
        let topics = if self.topics.is_empty() { std::slice::from_ref(topic) } else { &self.topics };
        let Limits { timeout, memory, concurrency, max_attempts, .. } = &self.limits;
        let limits = json!({
            "timeout": timeout, "memory": memory, "concurrency": concurrency, "maxAttempts": max_attempts,
        });
        [
            ("topics", json!(topics)),
            ("filter", json!(self.filter)),
            ("replyTopic", json!(self.reply_topic)),
            ("group", json!(self.group)),
            ("limits", limits),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

struct Parser<'a> {
    line: usize,
    key: &'a str,
}

impl Parser<'_> {
    fn parse<T: FromStr<Err: Display>>(&self, text: &str) -> Result<T, InvalidHeader> {
        text.parse().map_err(|error: T::Err| self.wrong(error))
    }

    fn wrong(&self, reason: impl Display) -> InvalidHeader {
        InvalidHeader::Value { line: self.line, key: self.key.to_owned(), reason: reason.to_string() }
    }
}

/// The comments that a file begins with, with their line numbers: up to the first line of code.
fn comments(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.lines().take(FIRST_LINES).map(|line| line.trim_start_matches('\u{feff}').trim());
    let beginning = lines.take_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("//"));
    beginning.enumerate().map(|(index, line)| (index + 1, line.trim_start_matches(['#', '/']).trim()))
}

/// Splits settings into keys and values.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let starts = keys(text);
    let before = starts.first().map_or(text, |(start, ..)| &text[..*start]).trim();
    if !before.is_empty() {
        return Err(before.to_owned());
    }
    let ends = starts.iter().skip(1).map(|(start, ..)| *start).chain([text.len()]);
    let pair = |((_, key, value), end): (&(usize, &str, usize), usize)| (key.to_string(), unquoted(&text[*value..end]));
    Ok(starts.iter().zip(ends).map(pair).collect())
}

/// Where each ` key=` begins, the key, and where its value begins.
fn keys(text: &str) -> Vec<(usize, &str, usize)> {
    let mut keys = Vec::new();
    let (mut quote, mut word): (Option<char>, Option<usize>) = (None, None);
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) => {
                quote = quote.filter(|_| escaped || c != open);
                escaped = !escaped && c == '\\';
                continue;
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
        if c.is_whitespace() {
            word = None;
        } else if at == 0 || text[..at].ends_with(char::is_whitespace) {
            word = Some(at);
        }
        if let Some(start) = word.filter(|_| c == '=') {
            let key = &text[start..at];
            let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            if is_key && !text[at + 1..].starts_with('=') {
                keys.push((start, key, at + 1));
            }
            word = None;
        }
    }
    keys
}

/// A value without white space around it, and without its quotes if it is quoted as a whole.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        // Quotes that open and close within the value belong to it, as in `"a" == "b"`.
        if let Some(inner) = inner.filter(|inner| !unescaped(inner, quote)) {
            return inner.replace(&format!("\\{quote}"), &quote.to_string());
        }
    }
    value.to_owned()
}

fn unescaped(inner: &str, quote: char) -> bool {
    inner.match_indices(quote).any(|(at, _)| !inner[..at].ends_with('\\'))
}

#[cfg(test)]
mod tests;

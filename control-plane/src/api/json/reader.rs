//! Objects with known members.

use std::{borrow::Cow, collections::BTreeMap};

use super::Node;
use crate::app::{Change, Problems, escape};

/// The members of one object, taken out by name, in any case of letters. What is not taken is unknown.
pub(crate) struct Fields<'a> {
    at: String,
    members: Vec<(Cow<'a, str>, Node<'a>)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The members of the object at `at`; none if it is no object, which is said.
    pub(crate) fn of(node: Node<'a>, at: &str, problems: &mut Problems) -> Self {
        let members = match node {
            Node::Object(members) => members,
            other => {
                problems.push(at, format!("must be an object, not {}", other.what()));
                Vec::new()
            }
        };
        Self { at: at.to_owned(), members, known: Vec::new() }
    }

    /// The JSON pointer of a member.
    pub(crate) fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.at, escape(name))
    }

    /// Takes a member out. One that is there twice is refused.
    pub(crate) fn take(&mut self, name: &'static str, problems: &mut Problems) -> Option<Node<'a>> {
        self.known.push(name);
        let pointer = self.pointer(name);
        let mut found = None;
        self.members.retain_mut(|(key, node)| {
            if !key.eq_ignore_ascii_case(name) {
                return true;
            }
            if found.is_some() {
                problems.push(&pointer, "is there twice");
            } else {
                found = Some(std::mem::replace(node, Node::Null));
            }
            false
        });
        found
    }

    /// Takes a text out; null is as if it were absent.
    pub(crate) fn text(&mut self, name: &'static str, problems: &mut Problems) -> Option<String> {
        self.change_text(name, problems).into_set()
    }

    /// What a merge patch says about a text.
    pub(crate) fn change_text(&mut self, name: &'static str, problems: &mut Problems) -> Change<String> {
        let node = self.take(name, problems);
        change(node, &self.pointer(name), problems, text)
    }

    /// What a merge patch says about a number.
    pub(crate) fn change_number(&mut self, name: &'static str, problems: &mut Problems) -> Change<u64> {
        let node = self.take(name, problems);
        change(node, &self.pointer(name), problems, |node, at, problems| match node {
            Node::Unsigned(number) => Some(number),
            Node::Number => {
                problems.push(at, "must be a whole number that is not negative");
                None
            }
            other => wrong(&other, "a number", at, problems),
        })
    }

    /// Takes a boolean out; null is as if it were absent.
    pub(crate) fn boolean(&mut self, name: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.take(name, problems);
        change(node, &self.pointer(name), problems, |node, at, problems| match node {
            Node::Bool(value) => Some(value),
            other => wrong(&other, "a boolean", at, problems),
        })
        .into_set()
    }

    /// Refuses what was not taken.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (name, _) in &self.members {
            let known = self.known.join(", ");
            let shown: String = name.chars().take(100).collect();
            problems.push(self.pointer(&shown), format!("is not known here; known are {known}"));
        }
    }
}

fn wrong<T>(node: &Node<'_>, wanted: &str, at: &str, problems: &mut Problems) -> Option<T> {
    problems.push(at, format!("must be {wanted}, not {}", node.what()));
    None
}

/// What a merge patch says about a member. One of a wrong type is said, and then as if it were absent.
pub(crate) fn change<'a, T>(
    node: Option<Node<'a>>,
    at: &str,
    problems: &mut Problems,
    read: impl FnOnce(Node<'a>, &str, &mut Problems) -> Option<T>,
) -> Change<T> {
    match node {
        None => Change::Keep,
        Some(Node::Null) => Change::Reset,
        Some(node) => read(node, at, problems).map_or(Change::Keep, Change::Set),
    }
}

/// A text.
pub(crate) fn text(node: Node<'_>, at: &str, problems: &mut Problems) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.into_owned()),
        other => wrong(&other, "a string", at, problems),
    }
}

/// A text, or null.
#[expect(clippy::option_option, reason = "the two levels are the two questions: readable? null?")]
pub(crate) fn text_or_null(node: Node<'_>, at: &str, problems: &mut Problems) -> Option<Option<String>> {
    match node {
        Node::Null => Some(None),
        other => text(other, at, problems).map(Some),
    }
}

/// An array of texts.
pub(crate) fn list(node: Node<'_>, at: &str, problems: &mut Problems) -> Option<Vec<String>> {
    let Node::List(items) = node else { return wrong(&node, "an array of strings", at, problems) };
    let count = items.len();
    let read = items.into_iter().enumerate().filter_map(|(i, item)| text(item, &format!("{at}/{i}"), problems));
    let texts: Vec<_> = read.collect();
    (texts.len() == count).then_some(texts)
}

/// An object whose member names are the caller's.
pub(crate) fn map<'a, T>(
    node: Node<'a>,
    at: &str,
    problems: &mut Problems,
    read: impl Fn(Node<'a>, &str, &mut Problems) -> Option<T>,
) -> Option<BTreeMap<String, T>> {
    let Node::Object(members) = node else { return wrong(&node, "an object", at, problems) };
    let mut map = BTreeMap::new();
    for (name, node) in members {
        let pointer = format!("{at}/{}", escape(&name));
        if map.contains_key(&*name) {
            problems.push(pointer, "is there twice");
        } else if let Some(value) = read(node, &pointer, problems) {
            map.insert(name.into_owned(), value);
        }
    }
    Some(map)
}

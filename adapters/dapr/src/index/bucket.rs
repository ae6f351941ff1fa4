//! One document of the index: an id per line.

use std::{
    collections::BTreeMap,
    ops::Bound::{Included, Unbounded},
};

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// When that became so, in microseconds since 1970.
    pub(super) at: u64,
    /// Whether its record is deleted.
    pub(super) gone: bool,
}

/// The ids of one bucket.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket(BTreeMap<Box<str>, Entry>);

impl Bucket {
    /// Reads what [`Bucket::encode`] wrote. A line that is none is left out.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let read = |line: &str| {
            let (at, rest) = line.split_once(' ')?;
            let (state, id) = rest.split_once(' ')?;
            Some((id.into(), Entry { at: at.parse().ok()?, gone: state == "-" }))
        };
        Self(text.lines().filter_map(read).collect())
    }

    /// The document: time, `+` or `-`, id.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        for (id, entry) in &self.0 {
            let state = if entry.gone { '-' } else { '+' };
            text.push_str(&format!("{} {state} {id}\n", entry.at));
        }
        text.into_bytes()
    }

    pub(super) fn entry(&self, id: &str) -> Option<Entry> {
        self.0.get(id).copied()
    }

    /// Says whether that changed something.
    pub(super) fn set(&mut self, id: &str, entry: Entry) -> bool {
        self.0.insert(id.into(), entry) != Some(entry)
    }

    /// Takes an id out if it is still as it was seen.
    pub(super) fn remove(&mut self, id: &str, seen: Entry) -> bool {
        self.entry(id) == Some(seen) && self.0.remove(id).is_some()
    }

    /// The ids that have a record, or soon will, and begin with `prefix`.
    pub(super) fn entered<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Box<str>> {
        let from = self.0.range::<str, _>((Included(prefix), Unbounded));
        from.take_while(move |(id, _)| id.starts_with(prefix)).filter(|(_, entry)| !entry.gone).map(|(id, _)| id)
    }

    /// Some of the ids that are marked since before `gone`: at most `most`, and others each time, so that those
    /// which have to stay do not hide the rest.
    pub(super) fn stale(&self, gone: u64, most: usize) -> Vec<Box<str>> {
        let is_stale = |entry: &Entry| entry.gone && entry.at < gone;
        let ids: Vec<_> = self.0.iter().filter(|(_, entry)| is_stale(entry)).map(|(id, _)| id).collect();
        let first = if ids.len() > most { fastrand::usize(..ids.len()) } else { 0 };
        ids.iter().cycle().skip(first).take(most.min(ids.len())).map(|id| (*id).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_read_as_it_was_written() {
        let mut bucket = Bucket::default();
        assert!(bucket.set("a b", Entry { at: 1, gone: false }));
        assert!(bucket.set("- c", Entry { at: 2, gone: true }));
        assert!(bucket.set(" ", Entry { at: 3, gone: false }));
        assert!(!bucket.set(" ", Entry { at: 3, gone: false }));
        assert_eq!(Bucket::decode(&bucket.encode()), bucket);
        assert_eq!(Bucket::decode(b"broken\n1 + a\nx + b\n").entered("").collect::<Vec<_>>(), [&"a".into()]);
    }

    #[test]
    fn what_is_marked_is_not_entered_and_is_found_when_it_is_old() {
        let mut bucket = Bucket::default();
        for (id, at, gone) in [("ab", 5, false), ("ac", 5, true), ("ad", 9, true), ("b", 5, false)] {
            bucket.set(id, Entry { at, gone });
        }
        assert_eq!(bucket.entered("a").collect::<Vec<_>>(), [&"ab".into()]);
        assert_eq!(bucket.stale(6, 9), ["ac".into()]);
        assert_eq!(bucket.stale(10, 9).len(), 2);
        assert_eq!(bucket.stale(10, 1).len(), 1);
        assert!(!bucket.remove("ac", Entry { at: 4, gone: true }), "it was changed meanwhile");
        assert!(bucket.remove("ac", Entry { at: 5, gone: true }));
    }
}

//! The event records of one event id, one per source, in one cell: so the id alone finds them, and no index must
//! be changed for every event.

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use workmanager_core_domain::ports::Revision;

/// A record on a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As stored.
    pub(crate) value: Bytes,
    /// Grows with every write of the record.
    pub(crate) revision: Revision,
}

/// The records of one event id, by what tells their keys apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shelf(BTreeMap<Box<str>, Entry>);

/// Stands for the revision of the cell, which is not known before it is written.
const OF_CELL: u64 = 0;

impl Shelf {
    /// Reads what [`Shelf::encode`] wrote; `revision` is the cell's. `None` if it is anything else.
    pub(crate) fn decode(mut bytes: Bytes, revision: Revision) -> Option<Self> {
        let mut entries = BTreeMap::new();
        while bytes.has_remaining() {
            let length = usize::from(bytes.try_get_u16().ok()?);
            let rest = (bytes.len() >= length).then(|| bytes.split_to(length))?;
            let of = Revision(bytes.try_get_u64().ok()?);
            let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
            let value = (bytes.len() >= length).then(|| bytes.split_to(length))?;
            let revision = if of.0 == OF_CELL { revision } else { of };
            entries.insert(std::str::from_utf8(&rest).ok()?.into(), Entry { value, revision });
        }
        Some(Self(entries))
    }

    /// The cell's payload, in which `written` has the cell's revision.
    pub(crate) fn encode(&self, written: &str) -> Bytes {
        let length = self.0.iter().map(|(rest, entry)| 14 + rest.len() + entry.value.len()).sum();
        let mut bytes = BytesMut::with_capacity(length);
        for (rest, Entry { value, revision }) in &self.0 {
            // Both are bounded far below: an id by 512 bytes, a record by some MiB.
            bytes.put_u16(u16::try_from(rest.len()).unwrap_or(u16::MAX));
            bytes.put_slice(rest.as_bytes());
            bytes.put_u64(if **rest == *written { OF_CELL } else { revision.0 });
            bytes.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            bytes.put_slice(value);
        }
        bytes.freeze()
    }

    pub(crate) fn get(&self, rest: &str) -> Option<&Entry> {
        self.0.get(rest)
    }

    /// Puts a record in. Its revision will be the cell's.
    pub(crate) fn put(&mut self, rest: &str, value: Bytes) {
        self.0.insert(rest.into(), Entry { value, revision: Revision(OF_CELL) });
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, rest: &str) {
        self.0.remove(rest);
    }

    /// Keeps those records whose bytes are such.
    pub(crate) fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        self.0.retain(|_, entry| keep(&entry.value));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The records, in the order of what tells them apart.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(rest, entry)| (&**rest, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        let mut shelf = Shelf::default();
        shelf.put("a", Bytes::from_static(b"one"));
        shelf.put("b", Bytes::new());
        shelf
    }

    #[test]
    fn what_was_written_last_has_the_revision_of_the_cell_and_keeps_it() {
        let first = Shelf::decode(shelf().encode("a"), Revision(7)).unwrap();
        assert_eq!(first.get("a").unwrap().revision, Revision(7));
        let second = Shelf::decode(first.encode("b"), Revision(9)).unwrap();
        let revisions: Vec<_> = second.entries().map(|(rest, entry)| (rest, entry.revision.0)).collect();
        assert_eq!(revisions, [("a", 7), ("b", 9)]);
        assert_eq!(second.get("a").unwrap().value, "one");
    }

    #[test]
    fn what_is_cut_or_no_shelf_is_none() {
        let bytes = shelf().encode("a");
        for length in 1..bytes.len() {
            let is_whole = length == 18;
            assert_eq!(Shelf::decode(bytes.slice(..length), Revision(1)).is_some(), is_whole, "{length}");
        }
        assert_eq!(Shelf::decode(Bytes::from_static(b"{\"id\":1}"), Revision(1)), None);
    }
}

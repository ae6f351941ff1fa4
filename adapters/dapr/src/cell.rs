//! What stands under one key: a header of ours, then the payload.

use bytes::Bytes;

/// What the payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value.
    Value = 1,
    /// Where the value's chunks are.
    Chunks = 2,
    /// Nothing: there was a value.
    Tombstone = 3,
}

/// A key's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// What the payload is.
    pub(crate) kind: Kind,
    /// Grows with each write of the key; at least the time of writing in microseconds since 1970.
    pub(crate) revision: u64,
    /// Random: tells this write from all others.
    pub(crate) mark: u64,
    /// The payload.
    pub(crate) payload: Bytes,
}

/// The first byte of all that we write.
const FORMAT: u8 = 1;
/// Format, kind, revision and mark.
const HEADER: usize = 18;

impl Cell {
    /// The bytes to store.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.extend_from_slice(&[FORMAT, self.kind as u8]);
        bytes.extend_from_slice(&self.revision.to_be_bytes());
        bytes.extend_from_slice(&self.mark.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Reads what [`Cell::encode`] wrote. What is not ours is a value of revision 0, so that whoever reads it
    /// finds the damage and can replace it.
    pub(crate) fn decode(bytes: Vec<u8>) -> Self {
        let bytes = Bytes::from(bytes);
        Self::parse(&bytes).unwrap_or(Self { kind: Kind::Value, revision: 0, mark: 0, payload: bytes })
    }

    fn parse(bytes: &Bytes) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        let kind = match header[..2] {
            [FORMAT, 1] => Kind::Value,
            [FORMAT, 2] => Kind::Chunks,
            [FORMAT, 3] => Kind::Tombstone,
            _ => return None,
        };
        let number = |at: usize| header[at..].first_chunk().copied().map(u64::from_be_bytes);
        Some(Self { kind, revision: number(2)?, mark: number(10)?, payload: bytes.slice(HEADER..) })
    }

    /// Whether there is a value.
    pub(crate) fn is_live(&self) -> bool {
        self.kind != Kind::Tombstone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_it_was_written() {
        for kind in [Kind::Value, Kind::Chunks, Kind::Tombstone] {
            let cell = Cell { kind, revision: u64::MAX - 1, mark: 7, payload: Bytes::from_static(b"\x00\xff") };
            assert_eq!(Cell::decode(cell.encode()), cell);
        }
    }

    #[test]
    fn what_is_not_ours_is_a_value_of_revision_0() {
        for bytes in [&b"x"[..], b"", &[FORMAT, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            let cell = Cell::decode(bytes.to_vec());
            assert_eq!((cell.kind, cell.revision, &*cell.payload), (Kind::Value, 0, bytes));
        }
    }
}

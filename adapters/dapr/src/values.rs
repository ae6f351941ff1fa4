//! Values of any size: what one message to the sidecar cannot carry stands in chunks, and its cell says where.

use bytes::{BufMut as _, Bytes, BytesMut};
use workmanager_core_domain::ports::{Expect, StoreError};

use crate::{
    cell::{Cell, Kind},
    cells::{Cells, Found, Written},
    sidecar::Life,
};

/// Largest payload of one cell, in bytes: half of what the sidecar takes in one message.
pub(crate) const CHUNK: usize = 2 << 20;
/// How often a value is looked for again that was replaced while it was read.
const TRIES: usize = 20;

impl Cells {
    /// Writes a value if `expect` holds. Its chunks come first, under a name that is used once; those of the
    /// value before go last. A crash in between leaves chunks that nobody refers to.
    pub(crate) async fn write_value(
        &self,
        life: Life,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        let written = if value.len() <= CHUNK {
            self.write_for(life, key, Kind::Value, value, expect).await?
        } else {
            let chunks = Chunks { name: fastrand::u64(1..), length: value.len() };
            for number in 0..chunks.count() {
                let part = value.slice(number * CHUNK..value.len().min((number + 1) * CHUNK));
                self.write_for(life, &chunks.key(number), Kind::Value, part, Expect::Absent).await?;
            }
            let written = self.write_for(life, key, Kind::Chunks, chunks.encode(), expect).await;
            if let Err(StoreError::Conflict { .. }) = &written {
                self.drop_chunks(&chunks).await;
            }
            written?
        };
        self.drop_chunks_of(written.before.as_ref()).await;
        Ok(written)
    }

    /// The value that a cell has, and the cell: another one if it was replaced meanwhile.
    pub(crate) async fn value(&self, key: &str, mut found: Found) -> Result<Option<(Found, Bytes)>, StoreError> {
        for _ in 0..TRIES {
            let chunks = match found.cell.kind {
                Kind::Tombstone => return Ok(None),
                Kind::Value => {
                    let value = found.cell.payload.clone();
                    return Ok(Some((found, value)));
                }
                Kind::Chunks => Chunks::decode(&found.cell.payload),
            };
            let damaged = |reason: &str| StoreError::Damaged { key: key.to_owned(), reason: reason.to_owned() };
            let chunks = chunks.ok_or_else(|| damaged("it does not say where its chunks are"))?;
            if let Some(value) = self.read_chunks(&chunks).await? {
                return Ok(Some((found, value)));
            }
            let Some(now) = self.read(key).await? else { return Ok(None) };
            if now.cell.mark == found.cell.mark {
                return Err(damaged("a chunk is missing"));
            }
            found = now;
        }
        Err(StoreError::Unavailable { reason: format!("`{key}` changes faster than it can be read") })
    }

    async fn read_chunks(&self, chunks: &Chunks) -> Result<Option<Bytes>, StoreError> {
        let mut value = BytesMut::with_capacity(chunks.length);
        for number in 0..chunks.count() {
            let Some(found) = self.read(&chunks.key(number)).await? else { return Ok(None) };
            value.put(found.cell.payload);
        }
        Ok((value.len() == chunks.length).then(|| value.freeze()))
    }

    /// Removes the chunks of a value that is replaced or deleted.
    pub(crate) async fn drop_chunks_of(&self, cell: Option<&Cell>) {
        let chunks = cell.filter(|cell| cell.kind == Kind::Chunks).and_then(|cell| Chunks::decode(&cell.payload));
        if let Some(chunks) = chunks {
            self.drop_chunks(&chunks).await;
        }
    }

    async fn drop_chunks(&self, chunks: &Chunks) {
        for number in 0..chunks.count() {
            let key = chunks.key(number);
            let removed = match self.read(&key).await {
                Ok(Some(found)) => self.remove(&key, &found).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::debug!("chunk `{key}` stays, and nobody refers to it: {error}");
            }
        }
    }
}

/// Where a value's chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunks {
    name: u64,
    length: usize,
}

impl Chunks {
    const fn count(&self) -> usize {
        self.length.div_ceil(CHUNK)
    }

    fn key(&self, number: usize) -> String {
        format!("chunk/{:016x}/{number}", self.name)
    }

    fn encode(&self) -> Bytes {
        [self.name.to_be_bytes(), (self.length as u64).to_be_bytes()].concat().into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (name, length) = bytes.split_first_chunk()?;
        let length = usize::try_from(u64::from_be_bytes(length.try_into().ok()?)).ok()?;
        Some(Self { name: u64::from_be_bytes(*name), length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_found_again() {
        let chunks = Chunks { name: 7, length: 2 * CHUNK + 1 };
        assert_eq!(Chunks::decode(&chunks.encode()), Some(chunks));
        assert_eq!((chunks.count(), chunks.key(2).as_str()), (3, "chunk/0000000000000007/2"));
        assert_eq!(Chunks::decode(b"short"), None);
    }
}

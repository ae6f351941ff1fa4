//! Immutable bytes, named by what they are.

use async_trait::async_trait;
use bytes::Bytes;

use super::StoreError;
use crate::Digest;

/// A content-addressed store. Sizes: up to 50 MiB a blob; an adapter chunks where its store needs it.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps `bytes` and returns their SHA-256. Idempotent; durable when it returns.
    ///
    /// # Errors
    /// The store's.
    async fn put(&self, bytes: Bytes) -> Result<Digest, StoreError>;

    /// The bytes with this digest, or `None`. An adapter verifies them: damaged bytes are
    /// [`StoreError::Damaged`], never returned.
    ///
    /// # Errors
    /// The store's.
    async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError>;
}

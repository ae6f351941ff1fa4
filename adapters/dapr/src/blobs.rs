//! Blobs: chunks first, then a head that says how long the whole is. All are named by the digest, so writing
//! twice is writing once.

use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use workmanager_core_domain::{
    Digest,
    ports::{Blobs, Expect, StoreError},
};

use crate::{Dapr, cell::Kind, values::CHUNK};

#[async_trait]
impl Blobs for Dapr {
    async fn put(&self, bytes: Bytes) -> Result<Digest, StoreError> {
        let digest = Digest::of(&bytes);
        match Blobs::get(self, &digest).await {
            Ok(Some(_)) => return Ok(digest),
            // What is damaged is written anew.
            Ok(None) | Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        for (number, at) in (0..bytes.len()).step_by(CHUNK).enumerate() {
            let part = bytes.slice(at..bytes.len().min(at + CHUNK));
            self.cells().write(&chunk(&digest, number), Kind::Value, part, Expect::Any).await?;
        }
        let length = Bytes::copy_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.cells().write(&head(&digest), Kind::Value, length, Expect::Any).await?;
        Ok(digest)
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let Some(found) = self.cells().read(&head(digest)).await? else { return Ok(None) };
        let damaged = |reason: &str| StoreError::Damaged { key: head(digest), reason: reason.to_owned() };
        let length = found.cell.payload.as_ref().try_into().map(u64::from_be_bytes);
        let length = length.ok().and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| damaged("its head does not say how long it is"))?;
        let mut bytes = BytesMut::new();
        for number in 0..length.div_ceil(CHUNK) {
            let found = self.cells().read(&chunk(digest, number)).await?;
            bytes.put(found.ok_or_else(|| damaged("a chunk is missing"))?.cell.payload);
        }
        if Digest::of(&bytes) != *digest {
            return Err(damaged("its bytes have another digest"));
        }
        Ok(Some(bytes.freeze()))
    }
}

fn head(digest: &Digest) -> String {
    format!("blob/{}", digest.hex())
}

fn chunk(digest: &Digest, number: usize) -> String {
    format!("blob/{}/{number}", digest.hex())
}

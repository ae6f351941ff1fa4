//! Blobs: a file each, named by its digest. Not in the database, so that 50 MiB of code never hold up
//! an event.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use workmanager_core_domain::{
    Digest,
    ports::{Blobs, StoreError},
};

use crate::{Store, failure::Failure};

#[async_trait]
impl Blobs for Store {
    async fn put(&self, bytes: Bytes) -> Result<Digest, StoreError> {
        let (directory, disk) = (self.blobs().to_owned(), self.disk());
        let write = move || {
            if !disk.takes(bytes.len() as u64) {
                return Err(Failure::Full);
            }
            let digest = Digest::of(&bytes);
            keep(&directory, &digest, &bytes).map(|()| digest).map_err(failure)
        };
        Ok(tokio::task::spawn_blocking(write).await.map_err(|_| Failure::Unknown)??)
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let (path, digest) = (path(self.blobs(), digest), *digest);
        let read = move || match fs::read(path) {
            Ok(bytes) if Digest::of(&bytes) == digest => Ok(Some(Bytes::from(bytes))),
            Ok(bytes) => {
                let reason = format!("its {} bytes have another digest", bytes.len());
                Err(StoreError::Damaged { key: digest.to_string(), reason })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure(error).into()),
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Failure::stopped())?
    }
}

fn path(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join(digest.hex())
}

/// Writes a file that is there as a whole or not at all. One that is there is written again, which
/// repairs it if it is damaged.
fn keep(directory: &Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path(directory, digest)).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

const UNFINISHED: &str = ".unfinished-";

/// Makes the directory, and removes what a crash has left half written.
pub(crate) fn prepare(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn failure(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Failure::Full,
        _ => Failure::Unavailable(error.to_string()),
    }
}

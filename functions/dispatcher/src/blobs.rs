//! Blobs on this machine's disk, named by their digest. What does not match its name is not there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use bytes::Bytes;
use tracing::{debug, warn};
use workmanager_core_domain::Digest;

/// A directory of blobs, bounded in size: the ones written first go first.
#[derive(Debug)]
pub(crate) struct Blobs {
    directory: Option<PathBuf>,
    limit: u64,
    fresh: AtomicU64,
}

impl Blobs {
    /// Blobs below `cache`; without a directory nothing is kept.
    pub(crate) fn new(cache: Option<&Path>, limit: u64) -> Self {
        Self { directory: cache.map(|cache| cache.join("blobs")), limit, fresh: AtomicU64::new(0) }
    }

    /// Whether a blob seems to be there. Looks at a directory entry only.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.directory.as_ref().is_some_and(|directory| directory.join(digest.hex()).exists())
    }

    /// A blob, if it is there and undamaged. Blocks on the disk.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let path = self.directory.as_ref()?.join(digest.hex());
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) == *digest {
            return Some(bytes.into());
        }
        warn!("blob {digest} is damaged on disk and is fetched again");
        let _ = fs::remove_file(path);
        None
    }

    /// Keeps a blob; not being able to is no failure. Blocks on the disk.
    pub(crate) fn put(&self, digest: &Digest, bytes: &[u8]) {
        let Some(directory) = &self.directory else { return };
        if let Err(error) = self.write(directory, digest, bytes).and_then(|()| self.prune(directory)) {
            debug!("cannot keep blob {digest}: {error}");
        }
    }

    fn write(&self, directory: &Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let number = self.fresh.fetch_add(1, Ordering::Relaxed);
        let fresh = directory.join(format!(".{}-{number}", std::process::id()));
        // Without a sync: a blob that a crash has cut off does not match its name.
        fs::write(&fresh, bytes)?;
        fs::rename(&fresh, directory.join(digest.hex()))
    }

    fn prune(&self, directory: &Path) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort();
        for (_, size, path) in files {
            if total <= self.limit {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

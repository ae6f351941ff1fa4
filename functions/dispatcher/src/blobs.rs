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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ones_written_first_go_first() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(Some(directory.path()), 10);
        let texts: [&[u8]; 3] = [b"four", b"five!", b"6"];
        let [four, five, six] = texts.map(Digest::of);
        blobs.put(&four, texts[0]);
        // Whichever order the clock's resolution suggests, the oldest is this one.
        let old = fs::File::open(directory.path().join("blobs").join(four.hex())).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        blobs.put(&five, texts[1]);
        blobs.put(&six, texts[2]);
        assert_eq!([four, five, six].map(|digest| blobs.get(&digest).is_some()), [true; 3], "10 bytes fit");
        blobs.put(&Digest::of(b"more"), b"more");
        assert_eq!(blobs.get(&four), None);
        assert_eq!(blobs.get(&Digest::of(b"more")).as_deref(), Some(b"more".as_slice()));
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(Some(directory.path()), 1000);
        let digest = Digest::of(b"good");
        blobs.put(&digest, b"good");
        fs::write(directory.path().join("blobs").join(digest.hex()), "bad").unwrap();
        assert!(blobs.has(&digest));
        assert_eq!(blobs.get(&digest), None);
        assert!(!blobs.has(&digest), "it is removed");
        let nowhere = Blobs::new(None, 1000);
        nowhere.put(&digest, b"good");
        assert_eq!(nowhere.get(&digest), None);
    }
}

//! One process per data directory.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    thread,
    time::Duration,
};

use crate::Error;

/// How often a lock that another holds is asked for again: a program that was killed while it started
/// another leaves its lock with that one for a moment, until it is executed.
const TRIES: u32 = 50;
/// How long is waited in between.
const PAUSE: Duration = Duration::from_millis(10);

/// Held while the store is open. The lock goes away with the process, however that ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory if need be, for its owner only, and takes its lock.
    pub(crate) fn take(directory: &Path) -> Result<Self, Error> {
        let unusable = |path: &Path, source| Error::Directory { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|e| unusable(directory, e))?;
        let path = directory.join("workmanager.lock");
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| unusable(&path, e))?;
        let mut tries = TRIES;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries > 0 => {
                    tries -= 1;
                    // Nobody unparks.
                    thread::park_timeout(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse { directory: directory.to_owned(), holder: holder(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(unusable(&path, source)),
            }
        }
        // For people. A disk that is full is no reason not to start.
        let _ = sign(&mut file);
        Ok(Self { _file: file })
    }
}

/// Says who has the lock.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_the_directory_and_what_to_do() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/b");
        let lock = DirectoryLock::take(&directory).unwrap();
        let error = DirectoryLock::take(&directory).unwrap_err();
        assert_eq!(error.code(), "data-directory-in-use");
        let said = error.to_string();
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        assert!(said.contains("stop it, or choose another"), "{said}");
        drop(lock);
        DirectoryLock::take(&directory).unwrap();
    }

    #[test]
    fn the_directory_is_made_for_its_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data");
        let _lock = DirectoryLock::take(&directory).unwrap();
        let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

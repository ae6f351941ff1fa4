//! Folders for worker processes: each has one of its own, which goes when it does.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};
use tracing::{debug, warn};

/// The folder in which the processes of one engine make theirs. It is removed when this is dropped, or by
/// the next engine if this program was killed.
#[derive(Debug)]
pub struct Folders {
    folder: tempfile::TempDir,
    /// Locked as long as it is in use.
    _lock: File,
}

/// The folder of one process.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// They stay as long as one of them is in use.
    _among: Arc<Folders>,
}

impl Folders {
    /// A new one in `parent`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // Whoever sweeps may find it before it is locked, and takes it away.
        (0..3).find_map(|_| Self::try_new(parent).ok()).map_or_else(|| Self::try_new(parent), Ok)
    }

    fn try_new(parent: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("").tempdir_in(parent)?;
        let lock = lock(folder.path())?;
        // What was removed meanwhile could still be locked.
        folder.path().symlink_metadata()?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that the process `pid` may make.
    #[must_use]
    pub fn of(self: &Arc<Self>, pid: u32) -> Folder {
        Folder { path: self.path().join(pid.to_string()), _among: self.clone() }
    }

    /// Removes what programs that were killed have left in `parent`.
    pub fn sweep(parent: &Path) {
        let Ok(entries) = fs::read_dir(parent) else { return };
        for folder in entries.flatten().map(|entry| entry.path()) {
            // Who is there at the same time has its own locked.
            if let Ok(_lock) = lock(&folder) {
                remove_all(&folder);
            }
        }
    }
}

impl Folder {
    /// Removes it: at once if there is nothing in it, else on a thread that may wait.
    pub(crate) async fn remove(self) {
        match fs::remove_dir(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => drop(tokio::task::spawn_blocking(move || remove_all(&self.path)).await),
        }
    }
}

fn remove_all(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Ok(()) => debug!("removed {}, which a process has left", folder.display()),
        Err(error) => warn!("cannot remove {}, which a process has left: {error}", folder.display()),
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let file = File::open(folder)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_uses_is_swept_and_what_is_used_stays() {
        let parent = tempfile::tempdir().unwrap();
        let used = Arc::new(Folders::new(parent.path()).unwrap());
        fs::create_dir(used.of(7).path).unwrap();
        let left = parent.path().join("left");
        fs::create_dir_all(left.join("8/deep")).unwrap();
        Folders::sweep(parent.path());
        assert!(used.of(7).path.exists() && !left.exists());
    }

    #[tokio::test]
    async fn a_folder_is_removed_with_all_that_is_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folders::new(parent.path()).unwrap()).of(1);
        folder.clone().remove().await;
        fs::create_dir_all(folder.path.join("a/b")).unwrap();
        folder.clone().remove().await;
        assert!(!folder.path.exists());
    }
}

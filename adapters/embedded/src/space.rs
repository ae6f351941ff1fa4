//! How much room the disk has. When little is left nothing new is taken in, so that there is room for
//! the outcomes of what was taken in before, and for what is past its time to go.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::fs::statvfs;
use tracing::{info, warn};

use crate::metrics;

/// How often the disk is asked.
const OFTEN: Duration = Duration::from_millis(100);
/// The reserve is never more than this part of the file system.
const PART: u64 = 8;

/// Looks at the file system of a directory.
#[derive(Debug)]
pub(crate) struct Space {
    directory: PathBuf,
    reserve: u64,
    looked_at: Option<Instant>,
    is_short: bool,
}

impl Space {
    /// Keeps `reserve` bytes free of new things.
    pub(crate) const fn new(directory: PathBuf, reserve: u64) -> Self {
        Self { directory, reserve, looked_at: None, is_short: false }
    }

    /// Whether nothing new can be taken in now.
    pub(crate) fn is_short(&mut self) -> bool {
        if self.looked_at.is_none_or(|at| at.elapsed() >= OFTEN) {
            self.looked_at = Some(Instant::now());
            self.look();
        }
        self.is_short
    }

    fn look(&mut self) {
        // A disk that does not say is taken to have room: writing will tell.
        let Ok(disk) = statvfs(&self.directory) else { return };
        let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
        let is_short = free < self.reserve.min(all / PART);
        if std::mem::replace(&mut self.is_short, is_short) == is_short {
            return;
        }
        metrics::short_of_space(is_short);
        let (directory, free) = (self.directory.display(), free >> 20);
        if is_short {
            warn!("{directory} has {free} MiB left: nothing new is taken in until there is more");
        } else {
            info!("{directory} has {free} MiB left: new things are taken in again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_part_of_a_small_disk_only() {
        let directory = tempfile::tempdir().unwrap();
        let mut none = Space::new(directory.path().to_owned(), 0);
        assert!(!none.is_short());
        let disk = statvfs(directory.path()).unwrap();
        let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
        let mut most = Space::new(directory.path().to_owned(), u64::MAX);
        assert_eq!(most.is_short(), free < all / PART);
        assert!(!Space::new("/nowhere/at/all".into(), u64::MAX).is_short());
    }
}

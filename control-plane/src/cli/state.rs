//! Where everything is kept.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use tempfile::TempDir;

/// Where workers, code and events are kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub struct State {
    /// The directory that keeps everything.
    #[arg(long, value_name = "DIRECTORY", env = "WORKMANAGER_DATA_DIR", default_value = ".workmanager")]
    pub data_dir: PathBuf,
    /// Keep nothing: a fresh directory that is removed at the end.
    #[arg(long, env = "WORKMANAGER_EPHEMERAL", conflicts_with = "data_dir")]
    pub ephemeral: bool,
}

/// The directory in use. A temporary one is removed when this is dropped.
#[derive(Debug)]
pub enum Directory {
    /// One that stays.
    Kept(PathBuf),
    /// One that goes.
    Temporary(TempDir),
}

impl Directory {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

impl State {
    /// Makes the directory if it is not there, readable by nobody else.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self) -> io::Result<Directory> {
        use std::os::unix::fs::DirBuilderExt as _;

        if self.ephemeral {
            return tempfile::Builder::new().prefix("workmanager-").tempdir().map(Directory::Temporary);
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.data_dir)?;
        Ok(Directory::Kept(self.data_dir.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_kept_directory_is_made_for_its_owner_alone_and_a_temporary_one_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let state = State { data_dir: directory.path().join("a/b"), ephemeral: false };
        let kept = state.open().unwrap().path().to_owned();
        assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(state.open().is_ok(), "it may be there already");
        let temporary = State { ephemeral: true, ..state }.open().unwrap();
        let path = temporary.path().to_owned();
        assert!(path.is_dir() && path != kept);
        drop(temporary);
        assert!(!path.exists());
    }
}

//! The options of `serve` and `dev`.

use std::{
    io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use workmanager_core_domain::units::Span;

use crate::{api, platform};

/// How the control plane is run.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Where it listens, and for whom.
    #[command(flatten)]
    pub api: api::Options,
    /// Where definitions, code and events are kept.
    #[command(flatten)]
    pub data: Data,
    /// How functions are run.
    #[command(flatten)]
    pub platform: platform::Options,
    /// What concerns the program as a whole.
    #[command(flatten)]
    pub operation: Operation,
}

/// Where definitions, code and events are kept.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Data")]
#[group(skip)]
pub struct Data {
    /// Where definitions, code and events are kept.
    #[arg(long, env = "WORKMANAGER_DATA_DIR", default_value = ".workmanager", value_name = "FOLDER")]
    pub data_dir: PathBuf,

    /// Keeps everything in a temporary folder that goes away at the end.
    #[arg(long, env = "WORKMANAGER_EPHEMERAL")]
    pub ephemeral: bool,

    /// How long a published event can be seen by a tail, and how long a finished event's record is kept.
    /// What waits for an outcome stays until it has one.
    #[arg(long, env = "WORKMANAGER_EVENT_RETENTION", default_value = "1h", value_name = "TIME")]
    pub event_retention: Span,

    /// How long a dead letter is kept. It never goes for want of space.
    #[arg(long, env = "WORKMANAGER_DEAD_LETTER_RETENTION", default_value = "14days", value_name = "TIME")]
    pub dead_letter_retention: Span,
}

/// What is logged, and how long a stop may take.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Operation")]
#[group(skip)]
pub struct Operation {
    /// What is logged on standard error: a level, or `target=level` pairs. `info` for `serve`, `warn` for
    /// `dev`.
    #[arg(long, env = "WORKMANAGER_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// Log lines as JSON objects.
    #[arg(long, env = "WORKMANAGER_LOG_JSON")]
    pub log_json: bool,

    /// How long a stop may take; attempts in flight are finished meanwhile.
    #[arg(long, env = "WORKMANAGER_GRACE", default_value = "30s", value_name = "TIME")]
    pub grace: Span,
}

/// The folder in use. A temporary one is removed when this is dropped.
#[derive(Debug)]
pub enum Folder {
    /// One that stays.
    Kept(PathBuf),
    /// One that goes.
    Temporary(TempDir),
}

impl Folder {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl Data {
    /// Makes the folder if it is not there, readable by nobody else.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self) -> io::Result<Folder> {
        use std::os::unix::fs::DirBuilderExt as _;

        if self.ephemeral {
            return tempfile::Builder::new().prefix("workmanager-").tempdir().map(Folder::Temporary);
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.data_dir)?;
        std::path::absolute(&self.data_dir).map(Folder::Kept)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;

    #[test]
    fn a_kept_folder_is_its_owners_alone_and_a_temporary_one_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let data = Data {
            data_dir: place.path().join("a/b"),
            ephemeral: false,
            event_retention: Span(Duration::from_secs(1)),
            dead_letter_retention: Span(Duration::from_secs(1)),
        };
        let kept = data.open().unwrap().path().to_owned();
        assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(data.open().is_ok(), "it may be there already");
        let temporary = Data { ephemeral: true, ..data }.open().unwrap();
        let path = temporary.path().to_owned();
        assert!(path.is_dir() && path != kept);
        drop(temporary);
        assert!(!path.exists());
    }
}

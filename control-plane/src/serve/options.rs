//! The options of `serve` and `dev`.

use std::{
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use workmanager_core_domain::units::{InvalidUnit, Size, Span};

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
    #[arg(long, env = "WORKMANAGER_EVENT_RETENTION", default_value = "1h", value_name = "TIME", value_parser = retention)]
    pub event_retention: Span,

    /// How long a dead letter is kept. It never goes for want of space.
    #[arg(
        long,
        env = "WORKMANAGER_DEAD_LETTER_RETENTION",
        default_value = "14days",
        value_name = "TIME",
        value_parser = retention
    )]
    pub dead_letter_retention: Span,

    /// What nothing new may use of the disk: it is for the outcomes of what was taken in before. Never more
    /// than an eighth of the disk; 0B keeps nothing.
    #[arg(long, env = "WORKMANAGER_DISK_RESERVE", default_value = "64MiB", value_name = "SIZE")]
    pub disk_reserve: Size,
}

/// The shortest and the longest time that something finished is kept. The embedded bus delivers again
/// only what is not finished, so that any time is long enough for it.
const RETENTIONS: RangeInclusive<Span> = Span(Duration::from_secs(1))..=Span(Duration::from_secs(3_650 * 86_400));

fn retention(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error: InvalidUnit| error.to_string())?;
    let (shortest, longest) = (RETENTIONS.start(), RETENTIONS.end());
    RETENTIONS.contains(&span).then_some(span).ok_or_else(|| format!("is not from {shortest} to {longest}"))
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_retention_is_a_time_that_makes_sense() {
        assert_eq!(retention("14days"), Ok(Span(Duration::from_secs(14 * 86_400))));
        for text in ["", "1", "0s", "999ms", "11years", "-1s"] {
            assert!(retention(text).is_err(), "{text}");
        }
        assert!(retention("0s").unwrap_err().starts_with("is not from 1s to "));
    }

    #[test]
    fn a_kept_folder_is_its_owners_alone_and_a_temporary_one_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let data = Data {
            data_dir: place.path().join("a/b"),
            ephemeral: false,
            event_retention: Span(Duration::from_secs(1)),
            dead_letter_retention: Span(Duration::from_secs(1)),
            disk_reserve: Size(0),
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

//! Why a store cannot be opened.

use std::{io, path::PathBuf};

use workmanager_core_domain::ErrorKind;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the directory.
    #[error(
        "{} is in use by {}: stop it, or choose another data directory",
        directory.display(),
        holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The process that has it, if it could be read.
        holder: Option<u32>,
    },
    /// The directory or a file in it cannot be made, read or written.
    #[error("cannot use {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Written by a newer program.
    #[error("{} has schema {found}, this program reads up to {known}: use the newer program", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// As written.
        found: u32,
        /// The highest that is known here.
        known: u32,
    },
    /// Not a database of ours, or a damaged one.
    #[error("cannot open the database {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse { .. } => ErrorKind::Conflict,
            Self::Newer { .. } => ErrorKind::Unsupported,
            Self::Directory { .. } | Self::Database { .. } => ErrorKind::Unavailable,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "data-directory-in-use",
            Self::Directory { .. } => "data-directory-unusable",
            Self::Newer { .. } => "data-directory-newer",
            Self::Database { .. } => "database-unreadable",
        }
    }
}

//! Programs on the search path.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The file of a program in the first folder of `path`, as in `PATH`, that has it.
#[must_use]
pub fn on_path(path: &OsStr, program: impl AsRef<Path>) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(&program)).find(|file| file.is_file())
}

//! Notices that files were saved. What counts is a file's content, not how an editor writes it: several
//! writes, a rename over the old file, or a save without a change are one change or none.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{sync::Notify, time::Instant};
use workmanager_core_domain::Digest;

/// A file is read once nothing was written for so long.
const QUIET: Duration = Duration::from_millis(75);
/// Who writes on and on is read after so long all the same.
const LONGEST: Duration = Duration::from_secs(2);
/// A file is gone once it was not there for so long: some editors remove it and write it anew.
const GONE: Duration = Duration::from_millis(300);

/// What happened to a file, by its place in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It has another content.
    Saved(usize, Bytes),
    /// It is not there any more.
    Deleted(usize),
}

/// Watches files by watching the directories they are in, so that it sees the file that replaces one.
pub(super) struct Watch {
    files: Vec<Tracked>,
    touched: Arc<Notify>,
    // Dropping it ends the watch.
    _watcher: RecommendedWatcher,
}

struct Tracked {
    path: PathBuf,
    content: Digest,
    deleted: bool,
}

impl Watch {
    /// Watches `files`, whose contents are known.
    ///
    /// # Errors
    /// The system's, as when it has no watch to give.
    pub(super) fn new(files: impl IntoIterator<Item = (PathBuf, Bytes)>) -> notify::Result<Self> {
        let track = |(path, content): (PathBuf, Bytes)| Tracked { path, content: Digest::of(&content), deleted: false };
        let files: Vec<_> = files.into_iter().map(track).collect();
        let names: BTreeSet<OsString> = files.iter().filter_map(|file| file.path.file_name().map(Into::into)).collect();
        let touched = Arc::new(Notify::new());
        let touch = Arc::clone(&touched);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns(&event, &names)) {
                touch.notify_one();
            }
        })?;
        for directory in files.iter().map(|file| directory(&file.path)).collect::<BTreeSet<_>>() {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { files, touched, _watcher: watcher })
    }

    /// Waits until something has changed.
    pub(super) async fn changes(&mut self) -> Vec<Change> {
        loop {
            self.touched.notified().await;
            self.quiet().await;
            let mut contents = self.read().await;
            let gone = |(file, content): (&Tracked, &Option<Bytes>)| content.is_none() && !file.deleted;
            if self.files.iter().zip(&contents).any(gone) {
                tokio::time::sleep(GONE).await;
                contents = self.read().await;
            }
            let changes: Vec<_> =
                contents.into_iter().enumerate().filter_map(|(index, content)| self.compare(index, content)).collect();
            if !changes.is_empty() {
                return changes;
            }
        }
    }

    async fn quiet(&self) {
        let end = Instant::now() + LONGEST;
        while tokio::time::timeout(QUIET, self.touched.notified()).await.is_ok() && Instant::now() < end {}
    }

    async fn read(&self) -> Vec<Option<Bytes>> {
        let mut contents = Vec::with_capacity(self.files.len());
        for file in &self.files {
            contents.push(tokio::fs::read(&file.path).await.ok().map(Bytes::from));
        }
        contents
    }

    fn compare(&mut self, index: usize, content: Option<Bytes>) -> Option<Change> {
        let file = &mut self.files[index];
        let Some(content) = content else {
            return (!std::mem::replace(&mut file.deleted, true)).then_some(Change::Deleted(index));
        };
        file.deleted = false;
        let digest = Digest::of(&content);
        let changed = std::mem::replace(&mut file.content, digest) != digest;
        changed.then_some(Change::Saved(index, content))
    }
}

/// Whether an event is about one of the files, and about more than reading it.
fn concerns(event: &notify::Event, names: &BTreeSet<OsString>) -> bool {
    let reads = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    };
    // Events were lost: look at everything.
    event.need_rescan()
        || !reads && event.paths.iter().filter_map(|path| path.file_name()).any(|name| names.contains(name))
}

/// The directory of a file.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests;

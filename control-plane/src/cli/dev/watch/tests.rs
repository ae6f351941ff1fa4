//! Real files, saved as editors save them.

use std::fs;

use super::*;

struct Files {
    _directory: tempfile::TempDir,
    paths: Vec<PathBuf>,
    watch: Watch,
}

impl Files {
    /// Two watched files, both with the content `old`.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths: Vec<_> = ["a.py", "b.py"].map(|name| directory.path().join(name)).into();
        for path in &paths {
            fs::write(path, "old").unwrap();
        }
        let watch = Watch::new(paths.iter().map(|path| (path.clone(), Bytes::from("old")))).unwrap();
        Self { _directory: directory, paths, watch }
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.paths[0].with_file_name(name)
    }

    /// The next changes.
    async fn changes(&mut self) -> Vec<Change> {
        tokio::time::timeout(Duration::from_secs(10), self.watch.changes()).await.expect("a change in time")
    }

    /// Fails if anything is reported but what a last save to the other file reports.
    async fn nothing_else(&mut self) {
        fs::write(&self.paths[1], "the end").unwrap();
        assert_eq!(self.changes().await, [Change::Saved(1, "the end".into())]);
    }
}

#[tokio::test]
async fn several_writes_of_one_save_are_one_change() {
    let mut files = Files::new();
    for part in ["n", "ne", "new"] {
        fs::write(&files.paths[0], part).unwrap();
    }
    assert_eq!(files.changes().await, [Change::Saved(0, "new".into())]);
    files.nothing_else().await;
}

#[tokio::test]
async fn a_file_renamed_over_the_old_one_is_one_change() {
    let mut files = Files::new();
    for content in ["new", "newer"] {
        let temporary = files.beside(".a.py.swp");
        fs::write(&temporary, content).unwrap();
        fs::rename(&temporary, &files.paths[0]).unwrap();
        assert_eq!(files.changes().await, [Change::Saved(0, content.into())]);
    }
    files.nothing_else().await;
}

#[tokio::test]
async fn a_file_moved_away_and_written_anew_is_saved_not_deleted() {
    let mut files = Files::new();
    fs::rename(&files.paths[0], files.beside("a.py~")).unwrap();
    fs::write(&files.paths[0], "new").unwrap();
    assert_eq!(files.changes().await, [Change::Saved(0, "new".into())]);
    files.nothing_else().await;
}

#[tokio::test]
async fn a_save_without_a_change_is_none() {
    let mut files = Files::new();
    fs::write(&files.paths[0], "old").unwrap();
    files.nothing_else().await;
}

#[tokio::test]
async fn other_files_in_the_directory_are_nothing() {
    let mut files = Files::new();
    fs::write(files.beside("c.py"), "new").unwrap();
    files.nothing_else().await;
}

#[tokio::test]
async fn a_deleted_file_is_said_once_and_may_come_back() {
    let mut files = Files::new();
    fs::remove_file(&files.paths[0]).unwrap();
    assert_eq!(files.changes().await, [Change::Deleted(0)]);
    fs::write(&files.paths[0], "new").unwrap();
    assert_eq!(files.changes().await, [Change::Saved(0, "new".into())]);
    fs::remove_file(&files.paths[0]).unwrap();
    assert_eq!(files.changes().await, [Change::Deleted(0)]);
    files.nothing_else().await;
}

#[tokio::test]
async fn files_that_are_saved_together_are_reported_together() {
    let mut files = Files::new();
    fs::write(&files.paths[0], "new a").unwrap();
    fs::write(&files.paths[1], "new b").unwrap();
    assert_eq!(files.changes().await, [Change::Saved(0, "new a".into()), Change::Saved(1, "new b".into())]);
}

//! Which .NET runs.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use workmanager_engines_host::SpawnError;

use crate::Way;

/// The oldest that runs workers.
const OLDEST: u32 = 8;
/// Where distributions and the installers put it.
const USUAL: [&str; 4] = ["/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/usr/local/share/dotnet"];
const FRAMEWORK: &str = "shared/Microsoft.NETCore.App";

/// A version, as folders are named: numbers, and what makes it a preview.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    numbers: [u32; 3],
    /// A finished version is above its previews.
    finished: bool,
    text: String,
}

/// An installed runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runtime {
    /// What `DOTNET_ROOT` names.
    pub(crate) root: PathBuf,
    /// The folder of the shared framework.
    pub(crate) framework: PathBuf,
    /// Its version.
    pub(crate) version: String,
    /// Its `dotnet`, where that starts it.
    pub(crate) muxer: Option<PathBuf>,
}

/// The newest runtime of the first root that there is: the one that is given, that of the `dotnet` on `path`, a
/// usual folder.
///
/// # Errors
/// `Missing`, with what to do.
pub(crate) fn find(given: Option<&Path>, path: Option<&OsStr>, way: Way) -> Result<Runtime, SpawnError> {
    let usual: Vec<_> = USUAL.iter().map(PathBuf::from).collect();
    find_among(given, path, &usual, way)
}

fn find_among(given: Option<&Path>, path: Option<&OsStr>, usual: &[PathBuf], way: Way) -> Result<Runtime, SpawnError> {
    if let Some(root) = given {
        return newest(root, way).map_err(|what| missing(&format!("DOTNET_ROOT is `{}`, {what}", root.display())));
    }
    let mut roots = on_path(path).into_iter().chain(usual.iter().cloned()).filter(|root| root.is_dir()).peekable();
    if roots.peek().is_none() {
        return Err(missing("there is no .NET runtime: no DOTNET_ROOT, no `dotnet` on PATH"));
    }
    let mut refusals = Vec::new();
    for root in roots {
        match newest(&root, way) {
            Ok(runtime) => return Ok(runtime),
            Err(what) => refusals.push(format!("in `{}` {what}", root.display())),
        }
    }
    Err(missing(&refusals.join("; ")))
}

/// The root of the `dotnet` on the path, which may be a link to it.
fn on_path(path: Option<&OsStr>) -> Option<PathBuf> {
    workmanager_core_kit::on_path(path?, "dotnet")?.canonicalize().ok()?.parent().map(Path::to_owned)
}

/// The newest version below `root` that is new enough.
fn newest(root: &Path, way: Way) -> Result<Runtime, String> {
    let folder = root.join(FRAMEWORK);
    let entries = fs::read_dir(&folder).map_err(|_| format!("there is no {FRAMEWORK}"))?;
    let versions = entries.flatten().filter_map(|entry| Version::read(entry.file_name().to_str()?));
    let version = versions.max().ok_or_else(|| format!("{FRAMEWORK} is empty"))?;
    if version.numbers[0] < OLDEST {
        return Err(format!("the newest runtime is {}", version.text));
    }
    let framework = folder.join(&version.text);
    let muxer = Some(root.join("dotnet")).filter(|muxer| muxer.is_file());
    let is_library = framework.join("libcoreclr.so").is_file();
    if !is_library && muxer.is_none() {
        return Err(format!("`{}` has no libcoreclr.so", framework.display()));
    }
    let muxer = muxer.filter(|_| !is_library || way == Way::Exec);
    if way == Way::Exec && muxer.is_none() {
        return Err("there is no `dotnet`".to_owned());
    }
    Ok(Runtime { root: root.to_owned(), framework, version: version.text, muxer })
}

impl Version {
    pub(crate) fn major(&self) -> u32 {
        self.numbers[0]
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let (numbers, preview) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
        let mut parts = numbers.split('.').map(|number| number.parse().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        Some(Self { numbers, finished: preview.is_none(), text: text.to_owned() })
    }
}

fn missing(what: &str) -> SpawnError {
    SpawnError::Missing(format!(
        "{what}; install the .NET runtime {OLDEST} or later, or name its folder with DOTNET_ROOT"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(versions: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for version in versions {
            let framework = root.path().join(FRAMEWORK).join(version);
            fs::create_dir_all(&framework).unwrap();
            fs::write(framework.join("libcoreclr.so"), "").unwrap();
        }
        root
    }

    #[test]
    fn the_newest_version_counts_and_a_finished_one_is_newer_than_its_previews() {
        let table: [(&[&str], &str); 3] = [
            (&["8.0.4", "8.0.11", "6.0.36"], "8.0.11"),
            (&["10.0.0-rc.2.25502.107", "9.0.7"], "10.0.0-rc.2.25502.107"),
            (&["10.0.0-rc.2.25502.107", "10.0.0", "not-a-version"], "10.0.0"),
        ];
        for (versions, expected) in table {
            let root = root(versions);
            let found = find(Some(root.path()), None, Way::Own).unwrap();
            assert_eq!((found.version.as_str(), found.root.as_path()), (expected, root.path()));
        }
    }

    #[test]
    fn a_root_that_is_given_is_the_only_one_that_counts() {
        let old = root(&["6.0.36"]);
        let empty = tempfile::tempdir().unwrap();
        let broken = root(&["8.0.4"]);
        fs::remove_file(broken.path().join(FRAMEWORK).join("8.0.4/libcoreclr.so")).unwrap();
        let table = [
            (old.path(), "the newest runtime is 6.0.36"),
            (empty.path(), "there is no shared/Microsoft.NETCore.App"),
            (broken.path(), "has no libcoreclr.so"),
        ];
        for (given, says) in table {
            let error = find_among(Some(given), None, &[root(&["8.0.4"]).keep()], Way::Own).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("install the .NET runtime 8"), "{error} should say {says}");
        }
    }

    #[test]
    fn a_link_on_the_path_leads_to_its_root_before_the_usual_folders() {
        let (linked, usual, bin) = (root(&["8.0.4"]), root(&["9.0.7"]), tempfile::tempdir().unwrap());
        fs::write(linked.path().join("dotnet"), "").unwrap();
        std::os::unix::fs::symlink(linked.path().join("dotnet"), bin.path().join("dotnet")).unwrap();
        let usual = [usual.path().to_owned()];
        let find =
            |path: Option<&OsStr>| find_among(None, path, &usual, Way::Own).map(|runtime| runtime.version).unwrap();
        assert_eq!(find(Some(bin.path().as_os_str())), "8.0.4");
        assert_eq!(find(Some(OsStr::new("/nonexistent"))), "9.0.7");
        assert_eq!(find(None), "9.0.7");
        // A runtime that is too old does not hide a good one.
        let old = root(&["6.0.36"]);
        let both = [old.path().to_owned(), usual[0].clone()];
        assert_eq!(find_among(None, None, &both, Way::Own).unwrap().version, "9.0.7");
    }

    #[test]
    fn without_any_it_says_where_it_looked() {
        let error = find_among(None, None, &["/nonexistent".into()], Way::Own).unwrap_err().to_string();
        assert!(error.contains("no DOTNET_ROOT, no `dotnet` on PATH"), "{error}");
    }

    #[test]
    fn its_own_program_starts_it_where_that_is_asked_for_or_there_is_no_library() {
        let with_both = root(&["8.0.4"]);
        let find = |root: &Path, way| find_among(Some(root), None, &[], way).map(|runtime| runtime.muxer);
        let error = find(with_both.path(), Way::Exec).unwrap_err().to_string();
        assert!(error.contains("there is no `dotnet`"), "{error}");
        fs::write(with_both.path().join("dotnet"), "").unwrap();
        let muxer = Some(with_both.path().join("dotnet"));
        assert_eq!(find(with_both.path(), Way::Own).unwrap(), None);
        assert_eq!(find(with_both.path(), Way::Exec).unwrap(), muxer);
        fs::remove_file(with_both.path().join(FRAMEWORK).join("8.0.4/libcoreclr.so")).unwrap();
        assert_eq!(find(with_both.path(), Way::Own).unwrap(), muxer);
    }
}

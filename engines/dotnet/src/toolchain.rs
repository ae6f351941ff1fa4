//! Which C# compiler compiles.

use std::{
    fs,
    path::{Path, PathBuf},
};

use workmanager_engines_host::SpawnError;

use crate::runtime::Version;

/// The compiler of an SDK, or a folder like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// The folder of `csc.dll` and of Roslyn's libraries.
    pub(crate) folder: PathBuf,
    /// The assembly with the type of events, as its package has it; a stand-in is compiled when not given.
    pub(crate) events: Option<PathBuf>,
}

/// The compiler that is given, or that of the newest SDK below `root`.
///
/// # Errors
/// `Missing`, with what to do.
pub(crate) fn find(given: Option<&Path>, root: &Path, events: Option<&Path>) -> Result<Toolchain, SpawnError> {
    let folder = match given {
        Some(given) => given.to_owned(),
        None => of_sdk(root).ok_or_else(|| missing(&format!("there is no .NET SDK in `{}`", root.display())))?,
    };
    if let Some(events) = events.filter(|events| !events.is_file()) {
        return Err(SpawnError::Missing(format!(
            "`{}` is not there; name CloudNative.CloudEvents.dll",
            events.display()
        )));
    }
    let toolchain = Toolchain { folder, events: events.map(Path::to_owned) };
    for file in ["csc.dll", "Microsoft.CodeAnalysis.dll", "Microsoft.CodeAnalysis.CSharp.dll"] {
        if !toolchain.folder.join(file).is_file() {
            return Err(missing(&format!("`{}` has no {file}", toolchain.folder.display())));
        }
    }
    Ok(toolchain)
}

/// The newest CloudEvents package among those that the machine has for its builds: below `packages`, else where an SDK
/// keeps them in a `home`.
#[must_use]
pub fn events_of(packages: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let usual = || home.filter(|home| home.is_absolute()).map(|home| home.join(".nuget/packages"));
    let package = packages.map(Path::to_owned).or_else(usual)?.join("cloudnative.cloudevents");
    let versions = fs::read_dir(package).ok()?.flatten();
    let versions = versions.filter_map(|entry| Some((Version::read(entry.file_name().to_str()?)?, entry.path())));
    // Another major version has other methods.
    let (_, newest) =
        versions.filter(|(version, _)| version.major() == 2).max_by(|(one, _), (other, _)| one.cmp(other))?;
    let places = ["net8.0", "netstandard2.1", "netstandard2.0"];
    let files = places.map(|framework| newest.join("lib").join(framework).join("CloudNative.CloudEvents.dll"));
    files.into_iter().find(|file| file.is_file())
}

fn of_sdk(root: &Path) -> Option<PathBuf> {
    let sdks = fs::read_dir(root.join("sdk")).ok()?.flatten();
    let versions = sdks.filter_map(|sdk| Some((Version::read(sdk.file_name().to_str()?)?, sdk.path())));
    let (_, newest) = versions.max_by(|(one, _), (other, _)| one.cmp(other))?;
    Some(newest.join("Roslyn/bincore"))
}

impl Toolchain {
    /// Whose type of events workers are given.
    pub(crate) fn whose_events(&self) -> String {
        let package = self.events.as_ref();
        package
            .map_or_else(|| "CloudEvents by a stand-in".to_owned(), |file| format!("CloudEvents of {}", file.display()))
    }

    pub(crate) fn csc(&self) -> PathBuf {
        self.folder.join("csc.dll")
    }

    /// Everything that lies beside the compiler, as it is compiled against and loaded.
    pub(crate) fn assemblies(&self) -> std::io::Result<Vec<PathBuf>> {
        let files = fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        let is_assembly = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "dll");
        Ok(files.into_iter().filter(|path| is_assembly(path) && *path != self.csc()).collect())
    }

    /// Roslyn's libraries.
    pub(crate) fn libraries(&self) -> [PathBuf; 2] {
        ["Microsoft.CodeAnalysis.dll", "Microsoft.CodeAnalysis.CSharp.dll"].map(|name| self.folder.join(name))
    }
}

fn missing(what: &str) -> SpawnError {
    SpawnError::Missing(format!("{what}; install the .NET SDK 8 or later, which compiles C#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_of_events_that_can_be_used_is_found_where_builds_keep_it() {
        let home = tempfile::tempdir().unwrap();
        let packages = home.path().join(".nuget/packages");
        let add = |version: &str, framework: &str| {
            let place = packages.join("cloudnative.cloudevents").join(version).join("lib").join(framework);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("CloudNative.CloudEvents.dll"), "").unwrap();
        };
        assert_eq!(events_of(None, Some(home.path())), None);
        for (version, framework) in
            [("1.3.80", "netstandard2.0"), ("2.7.1", "netstandard2.0"), ("2.10.0", "netstandard2.0")]
        {
            add(version, framework);
        }
        add("2.10.0", "netstandard2.1");
        add("3.0.0", "net8.0");
        let newest = packages.join("cloudnative.cloudevents/2.10.0/lib/netstandard2.1/CloudNative.CloudEvents.dll");
        assert_eq!(events_of(None, Some(home.path())), Some(newest.clone()));
        assert_eq!(events_of(Some(&packages), None), Some(newest));
        assert_eq!(events_of(Some(Path::new("/nonexistent")), Some(home.path())), None, "what is named counts alone");
    }

    #[test]
    fn the_newest_sdk_compiles_and_what_is_missing_is_said() {
        let root = tempfile::tempdir().unwrap();
        let error = |given: Option<&Path>| find(given, root.path(), None).unwrap_err().to_string();
        assert!(error(None).contains("there is no .NET SDK in"));
        for version in ["8.0.404", "8.0.110", "9.0.100-rc.1"] {
            fs::create_dir_all(root.path().join("sdk").join(version).join("Roslyn/bincore")).unwrap();
        }
        assert!(error(None).contains("9.0.100-rc.1/Roslyn/bincore` has no csc.dll"), "{}", error(None));
        let given = tempfile::tempdir().unwrap();
        fs::write(given.path().join("csc.dll"), "").unwrap();
        assert!(error(Some(given.path())).contains("has no Microsoft.CodeAnalysis.dll"));
    }
}

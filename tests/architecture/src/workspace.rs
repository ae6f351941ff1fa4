//! What the rules look at: every text file of the workspace, and its packages.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cargo_metadata::{MetadataCommand, TargetKind};

/// Kinds of file that the rules read.
const TEXT: [&str; 13] = ["rs", "py", "cs", "toml", "md", "sh", "tf", "yaml", "yml", "json", "proto", "html", "patch"];
/// Folders that hold no source.
const NOT_SOURCE: [&str; 5] = ["target", "node_modules", "__pycache__", "bin", "obj"];

/// A workspace, or a small example of one.
#[derive(Debug, Default)]
pub struct Workspace {
    /// Every text file, in the order of paths.
    pub files: Vec<File>,
    /// Its packages.
    pub packages: Vec<Package>,
}

/// A text file.
#[derive(Debug, Clone)]
pub struct File {
    /// From the workspace's root, with `/`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// A package of the workspace.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, from the workspace's root.
    pub path: String,
    /// What its `Cargo.toml` asks for.
    pub dependencies: Vec<Dependency>,
    /// Whether others can use it.
    pub has_library: bool,
    /// Whether it can be run.
    pub has_binary: bool,
}

/// One line of a dependency table.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The name under which it is asked for.
    pub name: String,
    /// The table in which it stands.
    pub kind: DependencyKind,
}

/// The three dependency tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyKind {
    /// For the package itself.
    Normal,
    /// For its build script.
    Build,
    /// For its tests.
    Dev,
}

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The file, from the workspace's root.
    pub path: String,
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Violation {
    /// A violation at a line.
    pub fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, message } = self;
        write!(f, "{path}:{line}: {message}")
    }
}

impl Workspace {
    /// The workspace that this very package belongs to.
    ///
    /// # Errors
    /// `cargo metadata` fails, or a file cannot be read.
    pub fn load() -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cannot read `cargo metadata`")?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let packages = metadata.packages.iter().map(|package| Package::new(package, &root)).collect::<Option<_>>();
        let packages = packages.context("a package lies outside the workspace")?;
        let mut files = Vec::new();
        collect(&root, &root, &mut files)?;
        files.sort_by(|a: &File, b| a.path.cmp(&b.path));
        Ok(Self { files, packages })
    }

    /// A workspace of these files and no package.
    #[must_use]
    pub fn of_files(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect();
        Self { files, packages: Vec::new() }
    }

    /// Adds a package with a library and these normal dependencies.
    #[must_use]
    pub fn with_package(mut self, path: &str, name: &str, dependencies: &[&str]) -> Self {
        let dependency = |name: &&str| Dependency { name: (*name).into(), kind: DependencyKind::Normal };
        self.packages.push(Package {
            name: name.into(),
            path: path.into(),
            dependencies: dependencies.iter().map(dependency).collect(),
            has_library: true,
            has_binary: false,
        });
        self
    }

    /// The file at `path`.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The files with this ending, as in `rs`.
    pub fn files_with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.ending() == ending)
    }

    /// The files below a folder.
    pub fn files_under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.is_under(folder))
    }

    /// Whether a file or a folder of that path holds something.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty() || self.files.iter().any(|file| file.path == path || file.is_under(path))
    }

    /// Where `name` is first written in the manifest of `package`.
    #[must_use]
    pub fn manifest_line(&self, package: &Package, name: &str) -> (String, usize) {
        let path = format!("{}/Cargo.toml", package.path);
        let starts = |line: &str| {
            line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"']))
        };
        let line = self.file(&path).and_then(|file| file.text.lines().position(starts)).map_or(1, |index| index + 1);
        (path, line)
    }
}

impl Package {
    fn new(package: &cargo_metadata::Package, root: &Path) -> Option<Self> {
        let folder = package.manifest_path.parent()?.as_std_path().strip_prefix(root).ok()?;
        let dependency = |dependency: &cargo_metadata::Dependency| Dependency {
            name: dependency.rename.clone().unwrap_or_else(|| dependency.name.clone()),
            kind: match dependency.kind {
                cargo_metadata::DependencyKind::Development => DependencyKind::Dev,
                cargo_metadata::DependencyKind::Build => DependencyKind::Build,
                _ => DependencyKind::Normal,
            },
        };
        let has = |kind: TargetKind| package.targets.iter().any(|target| target.kind.contains(&kind));
        Some(Self {
            name: package.name.to_string(),
            path: folder.to_str()?.to_owned(),
            dependencies: package.dependencies.iter().map(dependency).collect(),
            has_library: has(TargetKind::Lib),
            has_binary: has(TargetKind::Bin),
        })
    }
}

impl File {
    /// What follows the last dot of the file's name.
    #[must_use]
    pub fn ending(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The folder in which it lies; empty at the root.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether it lies somewhere below `folder`.
    #[must_use]
    pub fn is_under(&self, folder: &str) -> bool {
        folder.is_empty() || self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether it is code of tests or benches only.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let test_folder = |part: &str| part == "tests" || part == "benches";
        self.name() == "tests.rs" || self.folder().split('/').any(test_folder)
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            // A folder with a manifest is a package, whatever its name.
            let is_source = !NOT_SOURCE.contains(&name) || path.join("Cargo.toml").exists();
            let is_ours = !name.starts_with('.') || [".ci", ".cargo"].contains(&name);
            if is_source && is_ours {
                collect(root, &path, files)?;
            }
            continue;
        }
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let relative = path.strip_prefix(root)?.to_str().unwrap_or_default().to_owned();
        let is_plain = ["LICENSE", ".ci/run", "Dockerfile"].iter().any(|plain| relative.ends_with(plain));
        if TEXT.contains(&ending) || is_plain {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {relative}"))?;
            files.push(File { path: relative, text });
        }
    }
    Ok(())
}

//! One idea, one name.

use crate::{Violation, Workspace};

/// Packages whose users know them by another name than their path.
const OTHERWISE: [(&str, &str); 3] =
    [("control-plane/bin", "workmanager"), ("functions/knative/bin", "workmanager-function"), ("xtask", "xtask")];

/// Words that say nothing about what is inside.
const EMPTY_WORDS: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];

/// A package is named after its path.
#[must_use]
pub fn packages_are_named_after_their_paths(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &workspace.packages {
        let known = OTHERWISE.iter().find(|(path, _)| *path == package.path);
        let expected =
            known.map_or_else(|| format!("workmanager-{}", package.path.replace('/', "-")), |(_, name)| (*name).into());
        if package.name != expected {
            let (path, line) = workspace.manifest_line(package, "name");
            let message = format!("the package is named `{}`; after its path it is `{expected}`", package.name);
            violations.push(Violation::new(path, line, message));
        }
    }
    violations
}

/// No module is called after nothing.
#[must_use]
pub fn files_are_named_after_what_they_hold(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &workspace.files {
        let parts = file.path.split('/').map(|part| part.split('.').next().unwrap_or_default());
        for word in parts.filter(|part| EMPTY_WORDS.contains(part)) {
            violations.push(Violation::new(&file.path, 1, format!("`{word}` names no idea: say what is inside")));
        }
    }
    violations
}

/// `foo.rs` stands beside `foo/`.
#[must_use]
pub fn no_file_is_called_mod(workspace: &Workspace) -> Vec<Violation> {
    let files = workspace.files.iter().filter(|file| file.name() == "mod.rs");
    files
        .map(|file| Violation::new(&file.path, 1, format!("name it `{}.rs`, beside its folder", file.folder())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_package_with_another_name_is_seen() {
        let workspace = Workspace::of_files(&[("engines/host/Cargo.toml", "[package]\nname = \"host\"\n")])
            .with_package("engines/host", "host", &[])
            .with_package("engines/python", "workmanager-engines-python", &[])
            .with_package("xtask", "xtask", &[]);
        let told = told(&packages_are_named_after_their_paths(&workspace));
        let expected =
            "engines/host/Cargo.toml:2: the package is named `host`; after its path it is `workmanager-engines-host`";
        assert_eq!(told, [expected]);
    }

    #[test]
    fn a_file_named_after_nothing_is_seen() {
        let files = [("core/kit/src/utils.rs", ""), ("tests/common/a.rs", ""), ("core/kit/src/clock.rs", "")];
        assert_eq!(files_are_named_after_what_they_hold(&Workspace::of_files(&files)).len(), 2);
    }

    #[test]
    fn a_mod_file_is_seen() {
        let workspace = Workspace::of_files(&[("a/src/b/mod.rs", ""), ("a/src/model.rs", "")]);
        assert_eq!(
            told(&no_file_is_called_mod(&workspace)),
            ["a/src/b/mod.rs:1: name it `a/src/b.rs`, beside its folder"]
        );
    }
}

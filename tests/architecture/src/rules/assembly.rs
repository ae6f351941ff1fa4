//! Who implements what is known in one file per binary.

use super::arrows::Level;
use crate::{Package, Violation, Workspace, rust};

/// Crates that only the assembling file names.
const PLUG_INS: [&str; 2] = ["workmanager_adapters_", "workmanager_engines_"];
/// The assembling file, inside its package.
const ASSEMBLE: &str = "src/assemble.rs";

/// Every binary of the product has one `assemble.rs`, and nothing else has one.
#[must_use]
pub fn one_file_per_binary(workspace: &Workspace) -> Vec<Violation> {
    let binaries: Vec<_> = binaries(workspace).map(|package| format!("{}/{ASSEMBLE}", package.path)).collect();
    let missing = binaries.iter().filter(|path| workspace.file(path).is_none());
    let missing =
        missing.map(|path| Violation::new(path, 1, "a binary chooses its plug-ins here; the file is missing"));
    let others = workspace.files.iter().filter(|file| file.name() == "assemble.rs" && !binaries.contains(&file.path));
    let others = others.map(|file| Violation::new(&file.path, 1, "only a binary's own package has an `assemble.rs`"));
    missing.chain(others).collect()
}

/// In a binary, no file but `assemble.rs` names an adapter or an engine.
#[must_use]
pub fn only_it_names_plug_ins(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in binaries(workspace) {
        let (source, assemble) = (format!("{}/src", package.path), format!("{}/{ASSEMBLE}", package.path));
        for file in workspace.files_under(&source).filter(|file| file.ending() == "rs" && file.path != assemble) {
            for (index, line) in rust::code_only(&file.text).lines().enumerate() {
                if PLUG_INS.iter().any(|name| line.contains(name)) {
                    let message = "adapters and engines are named in `assemble.rs` alone";
                    violations.push(Violation::new(&file.path, index + 1, message));
                }
            }
        }
    }
    violations
}

/// What can be run is a package of its own: a binary has no library, and only binaries and tools run.
#[must_use]
pub fn binaries_are_packages_of_their_own(workspace: &Workspace) -> Vec<Violation> {
    let wrong = |package: &Package| match Level::of(&package.path)? {
        Level::Binary if package.has_library => Some("a binary's package holds no library: move it to one of its own"),
        Level::Binary | Level::Outside => None,
        _ if package.has_binary => Some("only a package of the highest level can be run: give the binary its own"),
        _ => None,
    };
    let packages = workspace.packages.iter().filter_map(|package| Some((package, wrong(package)?)));
    packages.map(|(package, message)| Violation::new(format!("{}/Cargo.toml", package.path), 1, message)).collect()
}

fn binaries(workspace: &Workspace) -> impl Iterator<Item = &Package> {
    workspace.packages.iter().filter(|package| Level::of(&package.path) == Some(Level::Binary))
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_binary_without_its_assembling_file_and_a_library_with_one_are_seen() {
        let workspace =
            Workspace::of_files(&[("control-plane/src/assemble.rs", ""), ("control-plane/bin/src/main.rs", "")])
                .with_package("control-plane/bin", "workmanager", &[])
                .with_package("control-plane", "workmanager-control-plane", &[]);
        let told = told(&one_file_per_binary(&workspace));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("control-plane/bin/src/assemble.rs:1:"), "{told:?}");
        assert!(told[1].starts_with("control-plane/src/assemble.rs:1:"), "{told:?}");
    }

    #[test]
    fn a_plug_in_named_beside_the_assembling_file_is_seen() {
        let names = "// workmanager_engines_python\nuse workmanager_adapters_embedded::Store;\n";
        let files = [("control-plane/bin/src/assemble.rs", names), ("control-plane/bin/src/main.rs", names)];
        let workspace = Workspace::of_files(&files).with_package("control-plane/bin", "workmanager", &[]);
        let told = told(&only_it_names_plug_ins(&workspace));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("control-plane/bin/src/main.rs:2:"), "{told:?}");
    }

    #[test]
    fn a_library_that_runs_and_a_binary_that_is_a_library_are_seen() {
        let mut workspace = Workspace::default()
            .with_package("control-plane/bin", "workmanager", &[])
            .with_package("adapters/embedded", "embedded", &[])
            .with_package("tests/e2e", "e2e", &[]);
        for package in &mut workspace.packages {
            package.has_binary = true;
        }
        assert_eq!(binaries_are_packages_of_their_own(&workspace).len(), 2);
    }
}

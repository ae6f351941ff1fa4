//! Versions stand in one table, and every line of it is needed.

use crate::{DependencyKind, Package, Violation, Workspace, rust};

/// A package's manifest takes versions, lints and package facts from the workspace.
#[must_use]
pub fn versions_stand_in_the_workspace_table(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &workspace.packages {
        let path = format!("{}/Cargo.toml", package.path);
        let Some(manifest) = workspace.file(&path) else { continue };
        let mut section = "";
        for (index, line) in manifest.text.lines().map(str::trim).enumerate() {
            if line.starts_with('[') {
                section = line;
            }
            let is_entry = line.contains('=') && !line.starts_with('#');
            if is_entry && section.contains("dependencies") && !says_workspace(line) {
                let message = format!("`{line}`: the version stands in the root's [workspace.dependencies]");
                violations.push(Violation::new(&path, index + 1, message));
            }
        }
        if !manifest.text.contains("[lints]\nworkspace = true") {
            violations.push(Violation::new(
                &path,
                1,
                "takes its lints from the workspace: `[lints]`, `workspace = true`",
            ));
        }
    }
    violations
}

fn says_workspace(line: &str) -> bool {
    line.replace(' ', "").contains("workspace=true")
}

/// What a package asks for, its code names.
#[must_use]
pub fn every_dependency_is_used(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &workspace.packages {
        let product = words(workspace, &format!("{}/src", package.path));
        for dependency in &package.dependencies {
            let name = dependency.name.replace('-', "_");
            let is_used = match dependency.kind {
                DependencyKind::Normal => product.contains(&name),
                DependencyKind::Build => true,
                DependencyKind::Dev => words(workspace, &package.path).contains(&name),
            };
            if !is_used {
                let (path, line) = workspace.manifest_line(package, &dependency.name);
                violations.push(Violation::new(path, line, format!("`{}` is not used: take it out", dependency.name)));
            }
        }
    }
    violations
}

/// Every word of the code below a folder, nested packages left out.
fn words(workspace: &Workspace, folder: &str) -> Vec<String> {
    let nested = |path: &str| {
        let inner = |package: &&Package| package.path.len() > folder.len() && package.path.starts_with(folder);
        workspace.packages.iter().filter(inner).any(|package| path.starts_with(&format!("{}/", package.path)))
    };
    let files = workspace.files_under(folder).filter(|file| file.ending() == "rs" && !nested(&file.path));
    let mut words: Vec<String> = files
        .flat_map(|file| {
            let code = rust::code_only(&file.text);
            let split = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            split.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// What the workspace table offers, some package asks for.
#[must_use]
pub fn the_workspace_table_has_no_idle_line(workspace: &Workspace) -> Vec<Violation> {
    let Some(root) = workspace.file("Cargo.toml") else { return Vec::new() };
    let lines = root.text.lines().enumerate();
    let table = lines.skip_while(|(_, line)| *line != "[workspace.dependencies]").skip(1);
    let table = table.take_while(|(_, line)| !line.starts_with('['));
    let entries = table.filter_map(|(index, line)| Some((index, line.split_once('=')?.0.trim())));
    let asked = |name: &str| workspace.packages.iter().any(|p| p.dependencies.iter().any(|d| d.name == name));
    let idle = entries.filter(|(_, name)| !name.starts_with('#') && !asked(name));
    idle.map(|(index, name)| {
        Violation::new("Cargo.toml", index + 1, format!("no package asks for `{name}`: take it out"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_version_in_a_package_is_seen() {
        let manifest = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = \"1\"\n\
                        [dev-dependencies]\nc = { workspace = true, features = [\"d\"] }\ne = { path = \"../e\" }\n";
        let workspace = Workspace::of_files(&[("x/a/Cargo.toml", manifest), ("x/b/Cargo.toml", "[package]\n")])
            .with_package("x/a", "a", &[])
            .with_package("x/b", "b", &[]);
        let lines: Vec<_> = versions_stand_in_the_workspace_table(&workspace).iter().map(|v| v.line).collect();
        assert_eq!(lines, [7, 10, 1], "the two versions, and the missing lints");
    }

    #[test]
    fn a_dependency_that_no_code_names_is_seen() {
        let files = [
            ("x/a/Cargo.toml", "[dependencies]\nused-one.workspace = true\nidle.workspace = true\n"),
            ("x/a/src/lib.rs", "use used_one::Thing; // idle\n"),
            ("x/a/inner/src/lib.rs", "use idle::Thing;\n"),
        ];
        let workspace = Workspace::of_files(&files).with_package("x/a", "a", &["used-one", "idle"]).with_package(
            "x/a/inner",
            "inner",
            &[],
        );
        assert_eq!(told(&every_dependency_is_used(&workspace)), ["x/a/Cargo.toml:3: `idle` is not used: take it out"]);
    }

    #[test]
    fn a_line_of_the_table_that_nobody_asks_for_is_seen() {
        let root = "[workspace]\n[workspace.dependencies]\nused = \"1\"\n# Why.\nidle = { version = \"1\" }\n[profile.dev]\nx = 1\n";
        let workspace = Workspace::of_files(&[("Cargo.toml", root)]).with_package("x/a", "a", &["used"]);
        let told = told(&the_workspace_table_has_no_idle_line(&workspace));
        assert_eq!(told, ["Cargo.toml:5: no package asks for `idle`: take it out"]);
    }
}

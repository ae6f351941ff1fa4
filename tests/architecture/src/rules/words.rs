//! What is written stays true, and is true on every machine.

use crate::{Violation, Workspace};

/// Endings of files in which gaps may not be left as notes.
const CODE: [&str; 7] = ["rs", "py", "cs", "toml", "sh", "tf", "proto"];

/// Gaps stand in `docs/promises.md`, not in code.
#[must_use]
pub fn leave_no_note_for_later(workspace: &Workspace) -> Vec<Violation> {
    // Written in two parts, so that this file does not break its own rule.
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut violations = Vec::new();
    for file in workspace.files.iter().filter(|file| CODE.contains(&file.ending())) {
        for (index, line) in file.text.lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            if let Some(note) = words.find(|word| notes.contains(word)) {
                let message = format!("{note} in code: do it, or state the gap in docs/promises.md");
                violations.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    violations
}

/// No file names somebody's home.
#[must_use]
pub fn name_no_home(workspace: &Workspace) -> Vec<Violation> {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Use", "rs/")];
    let mut violations = Vec::new();
    for file in &workspace.files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(home) = homes.iter().find(|home| line.contains(*home)) {
                let message =
                    format!("`{home}…` exists on one machine only: use `$HOME`, a temporary folder or an option");
                violations.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_note_for_later_is_seen() {
        let source = format!("// {}: later\nlet mastodon = 1;\n", concat!("TO", "DO"));
        let workspace = Workspace::of_files(&[("a/src/lib.rs", &source), ("docs/a.md", &source)]);
        let told = told(&leave_no_note_for_later(&workspace));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("a/src/lib.rs:1:"), "{told:?}");
    }

    #[test]
    fn a_home_is_seen() {
        let text = format!("cd {}someone/project\ncd $HOME/project\n", concat!("/ho", "me/"));
        assert_eq!(name_no_home(&Workspace::of_files(&[("docs/a.md", &text)])).len(), 1);
    }
}

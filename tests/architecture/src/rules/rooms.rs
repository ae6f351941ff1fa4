//! A directory with several rooms says what is in them.

use crate::{Violation, Workspace};

/// The directories with several rooms.
const ROOMS: [&str; 6] = ["engines", "functions", "adapters", "tests", "terraform", "docker"];
/// Lines of a room's README.
const MOST: usize = 40;

/// The root and each directory with several rooms have a README; a room's has at most 40 lines.
#[must_use]
pub fn have_a_readme(workspace: &Workspace) -> Vec<Violation> {
    let rooms = ROOMS.into_iter().filter(|room| workspace.exists(room));
    let mut violations = Vec::new();
    for path in std::iter::once("README.md".to_owned()).chain(rooms.map(|room| format!("{room}/README.md"))) {
        let Some(file) = workspace.file(&path) else {
            violations.push(Violation::new(
                path,
                1,
                "is missing: what is here, what is not, how to add one, how to run it",
            ));
            continue;
        };
        let lines = file.text.lines().count();
        if lines > MOST && file.path != "README.md" {
            violations.push(Violation::new(
                &file.path,
                MOST + 1,
                format!("{lines} lines; a room's README has at most {MOST}"),
            ));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_missing_readme_and_a_long_one_are_seen() {
        let long = "line\n".repeat(MOST + 1);
        let files = [("README.md", long.as_str()), ("engines/README.md", &long), ("adapters/embedded/src/lib.rs", "")];
        let told = told(&have_a_readme(&Workspace::of_files(&files)));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("engines/README.md:41:"), "{told:?}");
        assert!(told[1].starts_with("adapters/README.md:1: is missing"), "{told:?}");
    }
}

//! Decisions are numbered pages of one shape.

use crate::{File, Violation, Workspace};

/// Where they lie.
const FOLDER: &str = "docs/adr";
/// What each says, in this order.
const SECTIONS: [&str; 4] = ["## Context", "## Decision", "## Consequences", "## Rejected"];
/// One page.
const MOST: usize = 60;

/// `docs/adr/NNNN-title.md`, from 0001 on, none missing and none twice.
#[must_use]
pub fn are_numbered_without_gaps(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, file) in pages(workspace).enumerate() {
        let expected = format!("{:04}-", index + 1);
        if !file.name().starts_with(&expected) {
            violations.push(Violation::new(&file.path, 1, format!("the next decision is number {expected}title.md")));
            // Every later one would be told too.
            break;
        }
    }
    violations
}

/// A title with the number, the four sections in order, one page.
#[must_use]
pub fn have_one_shape(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in pages(workspace) {
        let title = format!("# {} ", file.name().get(..4).unwrap_or_default());
        if !file.text.starts_with(&title) {
            violations.push(Violation::new(&file.path, 1, format!("begins with `{title}` and the title")));
        }
        let headings: Vec<_> = file.text.lines().filter(|line| line.starts_with("## ")).collect();
        if headings != SECTIONS {
            violations.push(Violation::new(&file.path, 1, format!("has the sections {}", SECTIONS.join(", "))));
        }
        let lines = file.text.lines().count();
        if lines > MOST {
            violations.push(Violation::new(&file.path, MOST + 1, format!("{lines} lines; one page is {MOST}")));
        }
    }
    violations
}

fn pages(workspace: &Workspace) -> impl Iterator<Item = &File> {
    workspace.files_under(FOLDER).filter(|file| file.ending() == "md" && file.name() != "README.md")
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    const GOOD: &str = "# 0001 One\n\n## Context\n\n## Decision\n\n## Consequences\n\n## Rejected\n";

    #[test]
    fn a_gap_in_the_numbers_is_seen() {
        let files = [("docs/adr/0001-one.md", GOOD), ("docs/adr/0003-three.md", GOOD), ("docs/adr/0004-four.md", GOOD)];
        let told = told(&are_numbered_without_gaps(&Workspace::of_files(&files)));
        assert_eq!(told, ["docs/adr/0003-three.md:1: the next decision is number 0002-title.md"]);
    }

    #[test]
    fn a_page_of_another_shape_is_seen() {
        let long = GOOD.to_owned() + &"text\n".repeat(MOST);
        let files = [
            ("docs/adr/0001-one.md", GOOD),
            ("docs/adr/0002-two.md", "# Two\n\n## Decision\n"),
            ("docs/adr/0001-long.md", long.as_str()),
        ];
        let told = told(&have_one_shape(&Workspace::of_files(&files)));
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("docs/adr/0002-two.md:1: begins with"), "{told:?}");
        assert!(told[1].starts_with("docs/adr/0002-two.md:1: has the sections"), "{told:?}");
        assert!(told[2].starts_with("docs/adr/0001-long.md:61:"), "{told:?}");
    }
}

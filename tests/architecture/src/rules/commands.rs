//! Every command that a reader is told to type is typed by a test.

use workmanager_tests_e2e::doc_blocks::{self, Block};

use crate::{Violation, Workspace};

/// What CI itself types.
const TYPED_BY_CI: [&str; 2] = ["cargo xtask test", "cargo run --release -- dev"];
/// Where tests take blocks by name; what needs a cluster in the second.
const TESTS: [&str; 2] = ["tests/e2e/tests", "tests/cluster/tests"];

/// Every block of commands in the README and below `docs/` has a name that a test of these asks for, or
/// holds only what CI itself types.
#[must_use]
pub fn are_run_by_a_test(workspace: &Workspace) -> Vec<Violation> {
    let tests = TESTS.iter().flat_map(|folder| workspace.files_under(folder));
    let tests: String = tests.map(|file| file.text.as_str()).collect();
    let mut violations = Vec::new();
    for block in command_blocks(workspace) {
        let message = match &block.test {
            Some(name) if tests.contains(&format!("block(\"{name}\")")) => continue,
            Some(name) => format!("no test under {} asks for `block(\"{name}\")`", TESTS.join(" or ")),
            None if block.text.lines().all(is_typed_by_ci) => continue,
            None => "commands that no test runs: name them with `test=…` and run them under tests/e2e".into(),
        };
        violations.push(Violation::new(&block.file, block.line, message));
    }
    violations
}

/// A name belongs to one block.
#[must_use]
pub fn have_their_name_alone(workspace: &Workspace) -> Vec<Violation> {
    let mut seen: Vec<Block> = Vec::new();
    let mut violations = Vec::new();
    for block in command_blocks(workspace) {
        if let Some(first) = seen.iter().find(|first| first.test.is_some() && first.test == block.test) {
            let message = format!("its name is that of the block in {}:{}", first.file, first.line);
            violations.push(Violation::new(&block.file, block.line, message));
        }
        seen.push(block);
    }
    violations
}

fn command_blocks(workspace: &Workspace) -> Vec<Block> {
    let read = workspace.files_with_ending("md").filter(|file| file.path == "README.md" || file.is_under("docs"));
    let blocks = read.flat_map(|file| doc_blocks::parse(&file.path, &file.text));
    blocks.filter(Block::is_commands).collect()
}

fn is_typed_by_ci(line: &str) -> bool {
    let command = line.trim().trim_start_matches("$ ");
    command.is_empty() || command.starts_with('#') || TYPED_BY_CI.contains(&command)
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_command_that_no_test_runs_is_seen() {
        let readme = concat!(
            "```sh\ncargo xtask test\n```\n",
            "```sh\nrm -r nothing\n```\n",
            "```sh test=known\ncurl a\n```\n",
            "```sh test=forgotten\ncurl b\n```\n",
            "```python\nprint()\n```\n",
        );
        let test = "run(block(\"known\"));";
        let workspace = Workspace::of_files(&[("README.md", readme), ("tests/e2e/tests/docs.rs", test)]);
        let told = told(&are_run_by_a_test(&workspace));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("README.md:4: commands that no test runs"), "{told:?}");
        assert!(
            told[1].starts_with("README.md:10: no test under tests/e2e/tests or tests/cluster/tests asks for"),
            "{told:?}"
        );
    }

    #[test]
    fn a_name_used_twice_is_seen() {
        let page = "```sh test=one\na\n```\n";
        let workspace = Workspace::of_files(&[("README.md", page), ("docs/a.md", page)]);
        assert_eq!(
            told(&have_their_name_alone(&workspace)),
            ["docs/a.md:1: its name is that of the block in README.md:1"]
        );
    }
}

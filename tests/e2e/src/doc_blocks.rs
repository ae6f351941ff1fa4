//! The commands that the documents tell a reader to type, so that tests can type them.
//!
//! A block names itself in its info string, as in ```` ```sh test=quick-start ````. A test asks for it by that
//! name; `tests/architecture` fails on a block of commands that no test asks for.

use std::path::{Path, PathBuf};

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The file, from the workspace's root.
    pub file: String,
    /// The line of its opening fence, from 1 on.
    pub line: usize,
    /// The first word of its info string, as in `sh`; may be empty.
    pub language: String,
    /// The name under which a test asks for it.
    pub test: Option<String>,
    /// What stands between the fences, without the last line end.
    pub text: String,
}

impl Block {
    /// Whether a reader would type it into a shell.
    #[must_use]
    pub fn is_commands(&self) -> bool {
        ["sh", "bash", "shell", "console"].contains(&self.language.as_str())
    }

    /// What is typed: all of it, or in a `console` block what follows a `$`.
    #[must_use]
    pub fn script(&self) -> String {
        if self.language != "console" {
            return self.text.clone();
        }
        let typed = self.text.lines().filter_map(|line| line.strip_prefix("$ "));
        typed.collect::<Vec<_>>().join("\n")
    }
}

/// Every fenced block of a text.
#[must_use]
pub fn parse(file: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some((fence, info)) = opening(line) else { continue };
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != fence);
        let text = inside.collect::<Vec<_>>().join("\n");
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default().to_owned();
        let test = words.find_map(|word| word.strip_prefix("test=")).map(str::to_owned);
        blocks.push(Block { file: file.to_owned(), line: index + 1, language, test, text });
    }
    blocks
}

/// The fence of three or more backticks, and what follows it.
fn opening(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let length = line.bytes().take_while(|byte| *byte == b'`').count();
    (length >= 3).then(|| line.split_at(length))
}

/// The block with this name, from the README or a file below `docs/`.
///
/// # Panics
/// There is none, or there are two.
#[must_use]
#[track_caller]
pub fn block(name: &str) -> Block {
    let root = root();
    let mut files = vec![root.join("README.md")];
    markdown_below(&root.join("docs"), &mut files);
    let mut named = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a document can be read");
        let file = path.strip_prefix(&root).expect("it lies in the workspace").to_string_lossy().into_owned();
        named.extend(parse(&file, &text).into_iter().filter(|block| block.test.as_deref() == Some(name)));
    }
    let block = named.pop().unwrap_or_else(|| panic!("no block says `test={name}`"));
    assert!(named.is_empty(), "several blocks say `test={name}`");
    block
}

/// The workspace's root.
#[must_use]
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("this package lies two folders down").to_owned()
}

fn markdown_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be listed").flatten() {
        let path = entry.path();
        if path.is_dir() {
            markdown_below(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_their_names() {
        let text = concat!(
            "text\n```sh test=one\na \\\n  b\n```\n",
            "````md\n```sh\nnot a block of its own\n```\n````\n",
            "```\nplain\n```\n```console test=two\n$ c\nout\n$ d\n```\n",
        );
        let blocks = parse("README.md", text);
        let shown: Vec<_> = blocks.iter().map(|b| (b.line, b.language.as_str(), b.test.as_deref())).collect();
        assert_eq!(shown, [(2, "sh", Some("one")), (6, "md", None), (11, "", None), (14, "console", Some("two"))]);
        assert_eq!(blocks[0].script(), "a \\\n  b");
        assert_eq!(blocks[3].script(), "c\nd");
        assert!(!blocks[1].is_commands() && blocks[3].is_commands());
    }

    #[test]
    fn a_block_that_is_not_there_is_a_failure() {
        assert!(std::panic::catch_unwind(|| block("no-such-block")).is_err());
    }
}

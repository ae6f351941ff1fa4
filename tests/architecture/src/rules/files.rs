//! A file can be read in one sitting.

use crate::{File, Violation, Workspace, rust};

/// Lines of a file, tests beside the code not counted.
const MOST: usize = 400;
/// Endings of what people write as code.
const CODE: [&str; 3] = ["rs", "py", "cs"];
/// Folders of generated code.
const GENERATED: [&str; 1] = ["core/proto/src/generated"];

/// No file has more than 400 lines besides its tests.
#[must_use]
pub fn stay_readable(workspace: &Workspace) -> Vec<Violation> {
    let code = workspace.files.iter().filter(|file| CODE.contains(&file.ending()));
    let written = code.filter(|file| !GENERATED.iter().any(|folder| file.is_under(folder)));
    let long = written.map(|file| (file, lines(file))).filter(|(_, lines)| *lines > MOST);
    long.map(|(file, lines)| {
        let message = format!("{lines} lines without tests; split it before {MOST}, by idea");
        Violation::new(&file.path, MOST + 1, message)
    })
    .collect()
}

fn lines(file: &File) -> usize {
    if file.ending() == "rs" {
        rust::test_lines(&rust::code_only(&file.text)).into_iter().filter(|is_test| !is_test).count()
    } else {
        file.text.lines().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_seen_and_one_with_long_tests_is_not() {
        let long = "fn f() {}\n".repeat(MOST + 1);
        let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        let files = [("a/src/long.rs", long.as_str()), ("a/src/tested.rs", &tested), ("a/long.py", &long)];
        let paths: Vec<_> = stay_readable(&Workspace::of_files(&files)).into_iter().map(|v| v.path).collect();
        assert_eq!(paths, ["a/src/long.rs", "a/long.py"]);
    }
}

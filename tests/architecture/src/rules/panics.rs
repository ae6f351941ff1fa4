//! The product does not panic.

use crate::{Violation, Workspace, rust};

/// What panics, and the lint that must be expected where it is right.
const PANICS: [(&str, &str); 5] = [
    (".unwrap(", "unwrap_used"),
    (".expect(", "expect_used"),
    ("panic!(", "panic"),
    ("todo!(", "todo"),
    ("unimplemented!(", "unimplemented"),
];
/// How many lines above a panic its excuse may stand.
const NEAR: usize = 5;

/// Outside tests nothing panics, unless the line says with `#[expect(clippy::…)]` why it cannot.
#[must_use]
pub fn are_excused(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in workspace.files_with_ending("rs").filter(|file| !file.is_test()) {
        let code = rust::code_only(&file.text);
        let (lines, is_test): (Vec<_>, _) = (code.lines().collect(), rust::test_lines(&code));
        let product = lines.iter().enumerate().filter(|(index, _)| !is_test[*index]);
        for (index, line) in product {
            for (call, lint) in PANICS.iter().filter(|(call, _)| line.contains(call)) {
                let excuse = format!("#[expect(clippy::{lint}");
                if !lines[index.saturating_sub(NEAR)..=index].iter().any(|line| line.contains(&excuse)) {
                    let message = format!(
                        "`{call}` outside tests: return an error, or say why it cannot happen with `{excuse}, reason = …)]`"
                    );
                    violations.push(Violation::new(&file.path, index + 1, message));
                }
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_panic_without_an_excuse_is_seen() {
        let source = concat!(
            "fn a() { x.unwrap(); }\n",
            "// y.unwrap()\n",
            "#[expect(clippy::expect_used, reason = \"never empty\")]\n",
            "fn b() { y.expect(\"never empty\"); z.unwrap_or_default(); }\n",
            "#[cfg(test)]\nmod tests { fn c() { z.unwrap(); } }\n",
        );
        let files = [("a/src/lib.rs", source), ("a/tests/it.rs", source), ("a/src/b/tests.rs", source)];
        let told = told(&are_excused(&Workspace::of_files(&files)));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("a/src/lib.rs:1: `.unwrap(`"), "{told:?}");
    }
}

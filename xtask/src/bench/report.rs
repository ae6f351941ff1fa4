//! How answers are written down.

use std::{fmt::Write as _, fs};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Bench, Row};
use crate::{machine, root};

type Found<'a> = [(&'a Bench, Vec<Row>)];

/// A table in Markdown, which reads well as it is.
pub(super) fn table(found: &Found<'_>) -> String {
    let mut text = String::new();
    for (bench, rows) in found {
        let bar = if bench.bar.is_empty() { String::new() } else { format!(" Bar: {}.", bench.bar) };
        let _ = write!(text, "\n## {}\n\n{}{bar}\n\n", bench.name, bench.question);
        text.push_str("| subject | measure | median | p99 | n | command |\n| --- | --- | ---: | ---: | ---: | --- |\n");
        for Row { subject, measure, median, p99, n, command } in rows {
            let p99 = p99.map_or_else(|| "-".into(), |p99| format!("{p99:.2}"));
            let _ = writeln!(text, "| {subject} | {measure} | {median:.2} | {p99} | {n} | `{command}` |");
        }
    }
    text
}

/// The same for programs, with machine and commit.
pub(super) fn json(found: &Found<'_>) -> Value {
    let row = |row: &Row| {
        let Row { subject, measure, median, p99, n, command } = row;
        json!({"subject": subject, "measure": measure, "median": median, "p99": p99, "n": n, "command": command})
    };
    let bench = |(bench, rows): &(&Bench, Vec<Row>)| {
        let rows: Vec<_> = rows.iter().map(row).collect();
        json!({"name": bench.name, "question": bench.question, "bar": bench.bar, "rows": rows})
    };
    let benches: Vec<_> = found.iter().map(bench).collect();
    json!({"machine": machine::machine(), "commit": machine::commit(), "load": machine::load(), "benches": benches})
}

/// Writes `docs/benchmarks/<date>-<commit>.md` and returns its path from the workspace's root.
///
/// # Errors
/// It cannot be written.
pub(super) fn record(found: &Found<'_>) -> anyhow::Result<String> {
    let (commit, today) = (machine::commit(), machine::today());
    let names: Vec<_> = found.iter().map(|(bench, _)| bench.name).collect();
    let path = format!("docs/benchmarks/{today}-{}.md", commit.trim_end_matches('+'));
    let text = format!(
        "# Measured {today} at {commit}\n\nMachine: {}. Load over the minute before the end: {}.\n\
         Command: `cargo xtask bench {} --record`.\n{}",
        machine::machine(),
        machine::load(),
        names.join(" "),
        table(found)
    );
    let file = root().join(&path);
    fs::create_dir_all(root().join("docs/benchmarks"))?;
    fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_line_per_row_with_its_command() {
        let bench = Bench { name: "b", question: "How fast?", bar: "<= 5 ms", run: |_| Ok(Vec::new()) };
        let row =
            |p99| Row { subject: "us".into(), measure: "reply, ms", median: 1.234, p99, n: 9, command: "x y".into() };
        let text = table(&[(&bench, vec![row(Some(2.0)), row(None)])]);
        assert!(text.contains("How fast? Bar: <= 5 ms."), "{text}");
        assert!(text.contains("| us | reply, ms | 1.23 | 2.00 | 9 | `x y` |\n"), "{text}");
        assert!(text.contains("| us | reply, ms | 1.23 | - | 9 | `x y` |\n"), "{text}");
    }
}

//! Files that are made from others.

use std::{fmt::Write as _, fs, process::Stdio};

use anyhow::Context as _;
use clap::Args;

use crate::{check::cargo, root};

/// Options of `cargo xtask generate`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Options {
    /// Write nothing; fail if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

/// A file that is made from others.
struct Generated {
    /// From the workspace's root.
    path: &'static str,
    /// Its text.
    make: fn() -> anyhow::Result<String>,
}

const ALL: [Generated; 2] = [
    Generated { path: "docs/adr/README.md", make: decisions },
    Generated { path: "docs/configuration.md", make: configuration },
];

/// Writes them all, or checks that they are up to date.
///
/// # Errors
/// A source cannot be read; with `--check`, names the files that differ.
pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for Generated { path, make } in ALL {
        let (file, text) = (root().join(path), make().with_context(|| format!("cannot make {path}"))?);
        if fs::read_to_string(&file).unwrap_or_default() == text {
            continue;
        }
        stale.push(path);
        if !options.check {
            fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
            println!("wrote {path}");
        }
    }
    anyhow::ensure!(!options.check || stale.is_empty(), "not up to date: {}", stale.join(", "));
    Ok(())
}

/// Every option, as the program itself says it.
fn configuration() -> anyhow::Result<String> {
    let mut program = cargo(&["run", "--quiet", "--locked", "--package", "workmanager", "--", "configuration"]);
    let output = program.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    anyhow::ensure!(output.status.success(), "the program does not say its options");
    String::from_utf8(output.stdout).context("its options are not UTF-8")
}

/// The list of decisions, from the titles of their pages.
fn decisions() -> anyhow::Result<String> {
    let folder = root().join("docs/adr");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).context("docs/adr cannot be listed")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".md") {
            names.push(name);
        }
    }
    names.sort();
    let mut list = String::from(
        "# Decisions\n\nOne page each: context, decision, consequences, what was rejected. A decision is superseded by \
         a later one, never edited. `cargo xtask generate` writes this list.\n\n",
    );
    for name in names {
        let text = fs::read_to_string(folder.join(&name))?;
        let title = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        writeln!(list, "- [{title}]({name})")?;
    }
    Ok(list)
}

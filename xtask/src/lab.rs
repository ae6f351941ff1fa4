//! The lab: a real cluster in a node of its own on this machine.

use std::time::Instant;

use clap::Subcommand;
use workmanager_tests_cluster::{Node, Programs, lab};

use crate::{
    check::cargo,
    root,
    steps::Elapsed,
    tools::{Set, Tools},
};

/// What to do with it.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Verb {
    /// Brings it up: builds what is missing, then half a minute for the cluster.
    Up,
    /// Runs the tests that need it, in it; brings it up and down when none is up.
    Test,
    /// Builds the images again, into the one that is up.
    Images,
    /// Ends it, and leaves nothing of it.
    Down,
}

/// Does it.
///
/// # Errors
/// A part cannot be had or does not come up, or a test fails.
pub(crate) fn run(tools: &Tools, verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Up => up(tools),
        Verb::Images => parts(tools)?.renew(),
        Verb::Down => lab::down(&tools.lab()),
        Verb::Test if Node::find(&tools.lab()).is_ok() => test(tools),
        Verb::Test => {
            let tested = up(tools).and_then(|()| test(tools));
            lab::down(&tools.lab())?;
            tested
        }
    }
}

fn up(tools: &Tools) -> anyhow::Result<()> {
    let parts = parts(tools)?;
    let start = Instant::now();
    parts.up(|step| println!("{}: {step}", Elapsed(start.elapsed())))?;
    println!("up after {}; `cargo xtask lab test` uses it, `cargo xtask lab down` ends it", Elapsed(start.elapsed()));
    Ok(())
}

/// What it is made of, built or installed where it is missing.
fn parts(tools: &Tools) -> anyhow::Result<lab::Parts> {
    tools.containers()?;
    let programs = Programs::new(tools.cluster(Set::Whole)?);
    let dotnet = tools.dotnet()?;
    let mut build = cargo(&["build", "--release", "--locked", "-p", "workmanager", "-p", "workmanager-function"]);
    // As images have it.
    let built = build.args(["--features", "workmanager/kubernetes"]).status()?;
    anyhow::ensure!(built.success(), "the programs do not build");
    let target = target()?;
    Ok(lab::Parts {
        folder: tools.lab(),
        programs,
        daprd: tools.daprd()?,
        redis: tools.redis()?,
        dotnet: [dotnet.root, dotnet.roslyn],
        bases: tools.bases(),
        workspace: root(),
        built: ["workmanager", "workmanager-function"].map(|name| target.join("release").join(name)),
    })
}

/// In the node's network, where the cluster's addresses lead somewhere.
fn test(tools: &Tools) -> anyhow::Result<()> {
    let node = Node::find(&tools.lab())?;
    let mut tests = std::process::Command::new("nsenter");
    tests.args(["--target", &node.first().to_string(), "--net", "cargo", "test", "--locked", "--offline"]);
    tests.args([
        "--package",
        "workmanager-tests-cluster",
        "--test",
        "lab",
        "--",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    tests.env("WORKMANAGER_TEST_LAB", tools.lab()).env("WORKMANAGER_TEST_CLUSTER", tools.cluster(Set::Whole)?);
    tests.envs(tools.dotnet()?.environment());
    let passed = tests.current_dir(root()).status()?;
    anyhow::ensure!(passed.success(), "a test of the lab failed; the cluster's logs are in {}", tools.lab().display());
    Ok(())
}

/// Where cargo puts what it builds.
fn target() -> anyhow::Result<std::path::PathBuf> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]).output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    said["target_directory"].as_str().map(Into::into).ok_or_else(|| anyhow::anyhow!("cargo names no target folder"))
}

//! kubectl, in a node.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::Context as _;

use crate::{Node, Programs};

/// kubectl with the rights of an administrator.
#[derive(Debug)]
pub struct Kubectl<'a> {
    node: &'a Node,
    program: PathBuf,
}

impl<'a> Kubectl<'a> {
    /// For the cluster of this node.
    #[must_use]
    pub fn new(node: &'a Node, programs: &Programs) -> Self {
        Self { node, program: programs.program("kubectl") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.node.command(&self.program);
        command.arg("--kubeconfig").arg(self.node.folder().join("admin.kubeconfig")).args(arguments);
        command
    }

    /// What it answers.
    ///
    /// # Errors
    /// It fails; the error is what it wrote.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        said(arguments, &self.command(arguments).output()?)
    }

    /// What it answers when `input` is what it reads.
    ///
    /// # Errors
    /// It fails; the error is what it wrote.
    pub fn feed(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let path = self.node.folder().join(format!("input-{:?}", std::thread::current().id()));
        let mut file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
        file.write_all(input.as_bytes())?;
        file.rewind()?;
        said(arguments, &self.command(arguments).stdin(file).output()?)
    }

    /// Applies every file in these folders or files, on the server.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub fn apply(&self, paths: &[&Path]) -> anyhow::Result<String> {
        let mut command = self.command(&["apply", "--server-side", "--force-conflicts"]);
        for path in paths {
            command.arg("-f").arg(path);
        }
        said(&["apply"], &command.output()?)
    }

    /// What a folder with a `kustomization.yaml` comes to.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub fn render(&self, folder: &Path) -> anyhow::Result<String> {
        let folder = folder.to_str().context("a path in UTF-8")?;
        said(&["kustomize", folder], &Command::new(&self.program).args(["kustomize", folder]).output()?)
    }
}

fn said(arguments: &[&str], output: &Output) -> anyhow::Result<String> {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(output.status.success(), "kubectl {}: {}", arguments.join(" "), err.trim());
    Ok(out.into_owned())
}

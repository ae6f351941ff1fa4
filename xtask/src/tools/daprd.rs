//! The Dapr sidecar for tests, built from `tests/tools/daprd`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use super::{Tools, digest, go, ran};
use crate::root;

/// Where Dapr's components come from.
const COMPONENTS: &str = "github.com/dapr/components-contrib";
const ADVICE: &str = "the Go module proxy must be reachable";

impl Tools {
    /// The sidecar, built once for each state of its sources: two to five minutes, 75 MB.
    ///
    /// # Errors
    /// There is no Go, or its module proxy cannot be reached.
    pub(crate) fn daprd(&self) -> anyhow::Result<PathBuf> {
        let module = module();
        let folder = self.cache.join(format!("tools/daprd-{}", digest(&module)?));
        built(&folder, |unfinished| build(unfinished, &[]))
    }

    /// The same with RabbitMQ's component as `deploy/dapr/rabbitmq/component.patch` repairs it.
    ///
    /// # Errors
    /// The same, and the patch is for another version of the component.
    pub(crate) fn daprd_repaired(&self) -> anyhow::Result<PathBuf> {
        let (module, patch) = (module(), root().join("deploy/dapr/rabbitmq"));
        let folder = self.cache.join(format!("tools/daprd-{}-{}", digest(&module)?, digest(&patch)?));
        built(&folder, |unfinished| {
            let components = folder.join("components");
            // What an earlier, broken-off attempt left may be patched already.
            if components.exists() {
                fs::remove_dir_all(&components)?;
            }
            fs::create_dir_all(&folder)?;
            let mut copy = Command::new("cp");
            copy.args(["-r", "--no-preserve=mode"]).arg(components_folder(&module)?).arg(&components);
            ran(&mut copy, "there must be room for 11 MB")?;
            let mut apply = Command::new("patch");
            apply.arg("-p1").arg("-d").arg(&components).arg("-i").arg(patch.join("component.patch"));
            ran(&mut apply, "install patch; or the component has another version than the patch")?;
            let requirements = fs::read_to_string(module.join("go.mod"))?;
            let replaced = format!("{requirements}\nreplace {COMPONENTS} => {}\n", components.display());
            fs::write(folder.join("go.mod"), replaced)?;
            fs::copy(module.join("go.sum"), folder.join("go.sum"))?;
            build(unfinished, &[format!("-modfile={}", folder.join("go.mod").display())])
        })
    }
}

fn module() -> PathBuf {
    root().join("tests/tools/daprd")
}

/// The program in a folder, which `build` makes if it is not there.
fn built(folder: &Path, build: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<PathBuf> {
    let path = folder.join("daprd");
    if !path.exists() {
        eprintln!("building daprd, once");
        let unfinished = folder.join("unfinished");
        build(&unfinished)?;
        fs::rename(unfinished, &path)?;
    }
    Ok(path)
}

fn build(to: &Path, options: &[String]) -> anyhow::Result<()> {
    let mut build = Command::new(go()?);
    build.args(["build", "-trimpath", "-ldflags", "-s -w"]).args(options).arg("-o").arg(to).arg(".");
    ran(build.current_dir(module()).env("CGO_ENABLED", "0"), ADVICE)
}

/// Where Go keeps the sources of the components.
fn components_folder(module: &Path) -> anyhow::Result<PathBuf> {
    let go = go()?;
    ran(Command::new(&go).args(["mod", "download", COMPONENTS]).current_dir(module), ADVICE)?;
    let mut list = Command::new(go);
    list.args(["list", "-m", "-f", "{{.Dir}}", COMPONENTS]).current_dir(module).stdin(Stdio::null());
    let output = list.output().context("cannot run go")?;
    let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    anyhow::ensure!(folder.is_absolute(), "go does not say where it keeps {COMPONENTS}");
    Ok(folder)
}

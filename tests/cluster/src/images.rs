//! Images without a registry: programs that are packed, and Dockerfiles that are built.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::Node;

/// Brings images into a node.
#[derive(Debug)]
pub struct Images<'a> {
    node: &'a Node,
}

impl<'a> Images<'a> {
    /// Into this node.
    #[must_use]
    pub fn new(node: &'a Node) -> Self {
        Self { node }
    }

    /// containerd's own command line.
    pub(crate) fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.node.command("ctr");
        command.args(["--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io"]).args(arguments);
        ran(&mut command)
    }

    /// An image `dev.local/NAME:1` of one static program, which is its entry point.
    ///
    /// # Errors
    /// It cannot be packed or imported.
    pub(crate) fn pack(&self, name: &str, program: &Path) -> anyhow::Result<()> {
        self.pack_as(name, program, name)
    }

    /// An image whose entry point is `/ENTRY`.
    ///
    /// # Errors
    /// It cannot be packed or imported.
    pub(crate) fn pack_as(&self, name: &str, program: &Path, entry: &str) -> anyhow::Result<()> {
        let folder = self.node.folder().join("images").join(name);
        let layer = folder.join("layer");
        fs::create_dir_all(layer.join("tmp"))?;
        fs::copy(program, layer.join(entry)).with_context(|| format!("cannot read {}", program.display()))?;
        let tar = |what: &[&str], from: &Path, to: &Path| {
            let mut tar = Command::new("tar");
            tar.args(["--owner=0", "--group=0", "--mtime=@0", "--sort=name", "-cf"])
                .arg(to)
                .arg("-C")
                .arg(from)
                .args(what);
            ran(&mut tar)
        };
        tar(&["."], &layer, &folder.join("layer.tar"))?;
        let digest = sha256(&folder.join("layer.tar"))?;
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Entrypoint":["/{entry}"],"User":"65532","Env":["PATH=/"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}}}}"#
        );
        fs::write(folder.join("config.json"), config)?;
        let manifest =
            format!(r#"[{{"Config":"config.json","RepoTags":["dev.local/{name}:lab"],"Layers":["layer.tar"]}}]"#);
        fs::write(folder.join("manifest.json"), manifest)?;
        let archive = self.node.folder().join("images").join(format!("{name}.tar"));
        tar(&["config.json", "layer.tar", "manifest.json"], &folder, &archive)?;
        self.import(&archive)?;
        fs::remove_dir_all(&folder)?;
        fs::remove_file(&archive)?;
        Ok(())
    }

    fn import(&self, archive: &Path) -> anyhow::Result<()> {
        self.control(&["images", "import", archive.to_str().context("a path in UTF-8")?])
    }
}

/// Builds Dockerfiles as any builder would, on bases made of Debian packages.
#[derive(Debug)]
pub struct Builder {
    /// Bases and layers; kept from run to run.
    folder: PathBuf,
}

impl Builder {
    /// With its store in this folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn buildah(&self) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.folder.join("store")).arg("--runroot").arg(self.folder.join("run"));
        command.args(["--storage-driver", "overlay"]);
        command
    }

    /// A base image with these Debian packages, and no more than they need.
    ///
    /// # Errors
    /// Debian's packages cannot be reached.
    pub fn base(&self, name: &str, packages: &str) -> anyhow::Result<String> {
        let reference = format!("dev.local/{name}:lab");
        if ran(self.buildah().args(["inspect", "--type", "image", &reference])).is_ok() {
            return Ok(reference);
        }
        fs::create_dir_all(&self.folder)?;
        let tar = self.folder.join(format!("{name}.tar"));
        let mut debian = Command::new("mmdebstrap");
        debian.args(["--quiet", "--variant=minbase", &format!("--include={packages}")]);
        debian.arg("--dpkgopt=path-exclude=/usr/share/{doc,man,locale}/*").arg("bookworm").arg(&tar);
        let sources = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
        debian.args(sources.iter().find(|path| Path::new(path).exists()));
        ran(&mut debian)?;
        self.of_tar(&tar, &reference)?;
        fs::remove_file(tar)?;
        Ok(reference)
    }

    /// An image that is a tar file's content.
    fn of_tar(&self, tar: &Path, reference: &str) -> anyhow::Result<()> {
        let container = said(self.buildah().args(["from", "scratch"]))?;
        ran(self.buildah().args(["add", "--quiet", &container]).arg(tar).arg("/"))?;
        ran(self.buildah().args(["commit", "--quiet", &container, reference]))?;
        ran(self.buildah().args(["rm", &container]))
    }

    /// The image `base` with these files and contents of folders, each put into a folder of the image.
    ///
    /// # Errors
    /// One is not there.
    pub fn filled(&self, name: &str, base: &str, contents: &[(&Path, &str)]) -> anyhow::Result<String> {
        let reference = format!("dev.local/{name}:lab");
        let container = said(self.buildah().args(["from", base]))?;
        for (content, folder) in contents {
            ran(self.buildah().args(["copy", "--quiet", &container]).arg(content).arg(folder))?;
        }
        ran(self.buildah().args(["commit", "--quiet", &container, &reference]))?;
        ran(self.buildah().args(["rm", &container]))?;
        Ok(reference)
    }

    /// Builds the Dockerfile in `context` as `dev.local/NAME:1`, and brings it into the node.
    ///
    /// # Errors
    /// It does not build.
    pub fn build(
        &self,
        images: &Images<'_>,
        name: &str,
        context: &Path,
        arguments: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let reference = format!("dev.local/{name}:lab");
        let mut build = self.buildah();
        build.args(["build", "--quiet", "--isolation", "chroot", "--tag", &reference]);
        for (argument, value) in arguments {
            build.args(["--build-arg", &format!("{argument}={value}")]);
        }
        ran(build.arg(context))?;
        let archive = self.folder.join(format!("{name}.tar"));
        drop(fs::remove_file(&archive));
        ran(self
            .buildah()
            .args(["push", "--quiet", &reference])
            .arg(format!("docker-archive:{}:{reference}", archive.display())))?;
        images.import(&archive)?;
        fs::remove_file(archive)?;
        Ok(())
    }
}

fn sha256(file: &Path) -> anyhow::Result<String> {
    let said = said(Command::new("sha256sum").arg(file))?;
    said.split_whitespace().next().map(str::to_owned).context("sha256sum says nothing")
}

fn ran(command: &mut Command) -> anyhow::Result<()> {
    said(command).map(drop)
}

fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    anyhow::ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

//! The whole: a cluster with Knative and Dapr, Redis, and this project's own images.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Api, Builder, Images, Life, Node, Programs, Tier, knative, kubelet,
    node::{ADDRESS, wait},
};

/// What a lab is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where its state is.
    pub folder: PathBuf,
    /// The cluster's programs.
    pub programs: Programs,
    /// Dapr's sidecar.
    pub daprd: PathBuf,
    /// Redis.
    pub redis: PathBuf,
    /// Where bases of images are kept from lab to lab.
    pub bases: PathBuf,
    /// The workspace, where Dockerfiles and manifests are.
    pub workspace: PathBuf,
    /// This project's programs, built for release.
    pub built: [PathBuf; 2],
}

impl Parts {
    /// Brings it up, step by step; `say` is told each before it begins.
    ///
    /// # Errors
    /// A step does not succeed; the logs are in the lab's folder.
    pub fn up(&self, say: impl Fn(&str)) -> anyhow::Result<()> {
        anyhow::ensure!(Node::find(&self.folder).is_err(), "a lab is up: `cargo xtask lab down` first");
        clear(&self.folder)?;
        fs::create_dir_all(&self.folder)?;
        say("a node with an API server");
        let node = Node::start(&self.folder, Life::Longer)?;
        let done = self.fill(&node, say);
        // Whatever became of it: there is something to look at, and `down` ends it.
        node.leave();
        done
    }

    fn fill(&self, node: &Node, say: impl Fn(&str)) -> anyhow::Result<()> {
        Api::start(node, &self.programs, Tier::Whole)?;
        say("kubelet and containerd");
        kubelet::start(node, &self.programs)?;
        say("Knative");
        knative::serving(node, &self.programs)?;
        say("Dapr");
        self.dapr(node)?;
        say("Redis");
        self.redis(node)?;
        say("images");
        self.images(node)
    }

    /// Dapr's control plane by its own chart. Without its scheduler, which no module proxy serves whole, and
    /// without actors: nothing here uses them.
    fn dapr(&self, node: &Node) -> anyhow::Result<()> {
        let images = Images::new(node);
        for name in ["sentry", "operator", "injector"] {
            images.pack(name, &self.programs.program(name))?;
        }
        images.pack("daprd", &self.daprd)?;
        let mut helm = node.command(self.programs.program("helm"));
        helm.arg("--kubeconfig").arg(node.folder().join("admin.kubeconfig")).args(["upgrade", "--install", "dapr"]);
        helm.arg(self.programs.files("dapr/chart")).args(["--namespace", "dapr-system", "--create-namespace"]);
        helm.args(["--skip-crds", "--wait", "--timeout", "180s", "--set-string", "global.tag=lab", "--set"]);
        helm.arg(
            "global.registry=dev.local,global.scheduler.enabled=false,global.actors.enabled=false,\
             global.prometheus.enabled=false,dapr_sidecar_injector.sidecarDropALLCapabilities=true",
        );
        let output = helm.output()?;
        anyhow::ensure!(output.status.success(), "helm: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// One that keeps what it has answered, on the node's own address.
    fn redis(&self, node: &Node) -> anyhow::Result<()> {
        let place = node.folder().join("redis");
        fs::create_dir_all(&place)?;
        let mut redis = node.command(&self.redis);
        redis.args(["--bind", ADDRESS, "127.0.0.1", "--protected-mode", "no", "--save", "", "--appendonly", "yes"]);
        redis.args(["--appendfsync", "always", "--dir"]).arg(&place);
        node.background("redis", redis)?;
        wait("Redis answers; see log/redis.log", Duration::from_secs(20), || {
            let answer = node.command(self.redis.with_file_name("redis-cli")).arg("ping").output()?;
            Ok((answer.stdout == b"PONG\n").then_some(()))
        })
    }

    /// This project's images, by its own Dockerfiles, on bases made of Debian packages.
    fn images(&self, node: &Node) -> anyhow::Result<()> {
        let (images, builder) = (Images::new(node), Builder::new(&self.bases));
        let programs = builder.programs(&self.built)?;
        let bare = builder.base("bare", "ca-certificates")?;
        let python = builder.base("python", "python3")?;
        for (name, base) in [("workmanager", bare), ("function-python", python)] {
            let context = self.workspace.join("docker").join(name);
            builder.build(&images, name, &context, &[("PROGRAMS", &programs), ("BASE", &base)])?;
        }
        Ok(())
    }
}

/// Ends a lab and removes what it left.
///
/// # Errors
/// Something of it cannot be ended or removed.
pub fn down(folder: &Path) -> anyhow::Result<()> {
    if let Ok(mut node) = Node::find(folder) {
        node.end()?;
    }
    clear(folder)
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    kubelet::remove_cgroups(folder);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

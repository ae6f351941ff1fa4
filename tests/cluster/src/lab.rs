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
    /// The folder of a .NET runtime, and that of a C# compiler.
    pub dotnet: [PathBuf; 2],
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

    /// Brings this project's images into a lab that is up, as they are now.
    ///
    /// # Errors
    /// No lab is up, or an image does not build.
    pub fn renew(&self) -> anyhow::Result<()> {
        self.images(&Node::find(&self.folder)?)
    }

    /// This project's images, by its own Dockerfiles, on bases made of Debian packages.
    fn images(&self, node: &Node) -> anyhow::Result<()> {
        let (images, builder) = (Images::new(node), Builder::new(&self.bases));
        let programs = self.built.each_ref().map(|program| (program.as_path(), "/programs/"));
        let programs = builder.filled("programs", "scratch", &programs)?;
        let bare = builder.base("bare", "ca-certificates")?;
        let python = builder.base("python", "python3")?;
        // As Microsoft's images have it: the SDK's compiler below the folder of the runtimes.
        let [root, roslyn] = &self.dotnet;
        let dotnet = builder.base("dotnet", "ca-certificates,libicu72,libstdc++6,tzdata")?;
        let dotnet = builder.filled("dotnet-runtime", &dotnet, &[(root, "/usr/share/dotnet/")])?;
        let sdk = "/usr/share/dotnet/sdk/8.0.100/Roslyn/bincore/";
        let sdk = builder.filled("dotnet-sdk", "scratch", &[(roslyn, sdk)])?;
        for (name, base) in [
            ("workmanager", &bare),
            ("function-python", &python),
            ("function-dotnet", &dotnet),
            ("function-dll", &dotnet),
        ] {
            let context = self.workspace.join("docker").join(name);
            let mut arguments = vec![("PROGRAMS", programs.as_str()), ("BASE", base)];
            arguments.extend((base == &dotnet).then_some(("SDK", sdk.as_str())));
            builder.build(&images, name, &context, &arguments)?;
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

//! A real Kubernetes with Knative and Dapr, built from Go modules: no container engine, no image registry.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use super::{Tools, digest, go, installed, ran};
use crate::root;

/// Which part of a cluster is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Set {
    /// An API server with Knative's own admission.
    Admission,
    /// Everything that runs pods, Knative and Dapr.
    Whole,
}

/// A program: what it is called, the module under `tests/tools/cluster`, its package, and who needs it.
struct Program(&'static str, &'static str, &'static str, Set);

/// Kubernetes before Knative: it compiles what Knative needs, too.
const PROGRAMS: [Program; 19] = [
    Program("etcd", "kubernetes", "go.etcd.io/etcd/server/v3", Set::Admission),
    Program("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", Set::Admission),
    Program("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", Set::Admission),
    Program("webhook", "knative", "knative.dev/serving/cmd/webhook", Set::Admission),
    Program("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", Set::Whole),
    Program("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", Set::Whole),
    Program("kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet", Set::Whole),
    Program("kube-proxy", "kubernetes", "k8s.io/kubernetes/cmd/kube-proxy", Set::Whole),
    Program("queue", "knative", "knative.dev/serving/cmd/queue", Set::Whole),
    Program("controller", "knative", "knative.dev/serving/cmd/controller", Set::Whole),
    Program("autoscaler", "knative", "knative.dev/serving/cmd/autoscaler", Set::Whole),
    Program("activator", "knative", "knative.dev/serving/cmd/activator", Set::Whole),
    Program("ingress", "knative", "./ingress", Set::Whole),
    Program("pause", "knative", "./pause", Set::Whole),
    Program("coredns", "dns", ".", Set::Whole),
    Program("sentry", "dapr", "github.com/dapr/dapr/cmd/sentry", Set::Whole),
    Program("operator", "dapr", "github.com/dapr/dapr/cmd/operator", Set::Whole),
    Program("injector", "dapr", "github.com/dapr/dapr/cmd/injector", Set::Whole),
    Program("helm", "helm", "helm.sh/helm/v3/cmd/helm", Set::Whole),
];

/// Packages in whose modules the files lie that are applied.
const KNATIVE: [&str; 3] = [
    "knative.dev/serving/cmd/webhook",
    "knative.dev/networking/pkg/apis/networking",
    "knative.dev/caching/pkg/apis/caching",
];

/// Where a module's files go: from its folder, below `files`.
const SERVING_FILES: [(&str, &str); 6] = [
    ("config/core/100-namespace.yaml", "knative/100-namespace.yaml"),
    ("config/core/300-resources", "knative/definitions"),
    ("config/core/configmaps", "knative/settings"),
    ("config/core/webhooks", "knative/webhooks"),
    ("config/core/200-roles", "knative/roles"),
    ("config/core/deployments", "knative/deployments"),
];
const NETWORKING_FILES: [(&str, &str); 5] = [
    ("config/certificate.yaml", "knative/definitions/certificate.yaml"),
    ("config/domain-claim.yaml", "knative/definitions/domain-claim.yaml"),
    ("config/ingress.yaml", "knative/definitions/ingress.yaml"),
    ("config/serverlessservice.yaml", "knative/definitions/serverlessservice.yaml"),
    ("config/config-network.yaml", "knative/settings/config-network.yaml"),
];

/// Knative compares the API server's version with the least that it knows; built from a module, it has none.
const VERSION: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 \
                       -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35";

impl Tools {
    /// The programs and files of a cluster, built once for each state of `tests/tools/cluster`: three to five
    /// minutes and 0.3 GB for its API server with Knative's admission, as much again and 1.1 GB for all.
    ///
    /// # Errors
    /// There is no Go, or its module proxy cannot be reached.
    pub(crate) fn cluster(&self, set: Set) -> anyhow::Result<PathBuf> {
        let sources = root().join("tests/tools/cluster");
        let folder = self.cache.join(format!("tools/cluster-{}", digest(&sources)?));
        installed("openssl", "openssl")?;
        installed("ip", "iproute2")?;
        for Program(name, module, package, _) in PROGRAMS.iter().filter(|program| program.3 <= set) {
            let path = folder.join("bin").join(name);
            if !path.exists() {
                eprintln!("building {name}, once");
                build(&sources.join(module), package, &path)?;
            }
        }
        if !folder.join("files/complete").exists() {
            gather(&sources, &folder.join("files"))?;
            fs::write(folder.join("files/complete"), "")?;
        }
        Ok(folder)
    }
}

/// Without optimisation: a third of the time goes, and nothing here is measured by it.
fn build(module: &Path, package: &str, path: &Path) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut build = Command::new(go()?);
    build.args(["build", "-trimpath", "-gcflags=all=-N -l", "-ldflags", VERSION, "-o"]).arg(&unfinished).arg(package);
    build.current_dir(module).env("CGO_ENABLED", "0");
    ran(&mut build, "the Go module proxy must be reachable")?;
    fs::rename(unfinished, path)?;
    Ok(())
}

/// Takes what is applied out of the modules, so that it comes with the very programs.
fn gather(sources: &Path, files: &Path) -> anyhow::Result<()> {
    let [serving, networking, caching] = KNATIVE.map(|package| module_of(&sources.join("knative"), package));
    let (serving, networking, caching) = (serving?, networking?, caching?);
    for (from, to) in SERVING_FILES {
        take(&serving.join(from), &files.join(to))?;
    }
    for (from, to) in NETWORKING_FILES {
        take(&networking.join(from), &files.join(to))?;
    }
    take(&caching.join("config/image.yaml"), &files.join("knative/definitions/image.yaml"))?;
    take(&serving.join("config/core/200-serviceaccount.yaml"), &files.join("knative/roles/serviceaccount.yaml"))?;
    take(&serving.join("config/core/999-cache.yaml"), &files.join("knative/deployments/cache.yaml"))?;
    let dapr = downloaded(&sources.join("dapr"), "github.com/dapr/dapr")?;
    take(&dapr.join("charts/dapr/crds"), &files.join("dapr/definitions"))?;
    take(&dapr.join("charts/dapr"), &files.join("dapr/chart"))
}

/// The folder of the module that a package is in.
fn module_of(main: &Path, package: &str) -> anyhow::Result<PathBuf> {
    said(main, &["list", "-f", "{{.Module.Dir}}", package]).map(PathBuf::from)
}

/// The folder of a module, downloaded for it.
fn downloaded(main: &Path, module: &str) -> anyhow::Result<PathBuf> {
    said(main, &["mod", "download", module])?;
    said(main, &["list", "-m", "-f", "{{.Dir}}", module]).map(PathBuf::from)
}

fn said(main: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(go()?).args(arguments).current_dir(main).stdin(Stdio::null()).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "go {}: {error}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Copies a file, or the files and folders of a folder. A module's own are read-only; the copies are not.
fn take(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            // A folder of manifests has a Go file for Go's own sake.
            if entry.path().extension() != Some(OsStr::new("go")) {
                take(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return Ok(());
    }
    let folder = to.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)?;
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    fs::write(to, bytes)?;
    Ok(())
}

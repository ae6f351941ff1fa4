//! What runs pods: containerd, kubelet, kube-proxy, and names of services.

use std::{fs, path::Path, time::Duration};

use crate::{
    Images, Kubectl, Node, Programs,
    node::{ADDRESS, wait},
};

/// Makes the node run pods.
///
/// # Errors
/// A program does not start; its log is in the node's folder.
pub(crate) fn start(node: &Node, programs: &Programs) -> anyhow::Result<()> {
    let folder = node.folder();
    let fill = |text: &str| text.replace("FOLDER", &folder.display().to_string()).replace("CGROUP", &cgroup(folder));
    fs::create_dir_all(folder.join("cni"))?;
    for (name, text) in [
        ("cni/bridge.conflist", include_str!("../files/bridge.conflist")),
        ("containerd.toml", include_str!("../files/containerd.toml")),
        ("kubelet.yaml", include_str!("../files/kubelet.yaml")),
        ("kube-proxy.yaml", include_str!("../files/kube-proxy.yaml")),
        ("dns.yaml", include_str!("../files/dns.yaml")),
        ("resolv.empty", ""),
    ] {
        fs::write(folder.join(name), fill(text))?;
    }
    make_cgroups(&cgroup(folder))?;

    let mut containerd = node.command("containerd");
    containerd.arg("--config").arg(folder.join("containerd.toml"));
    node.background("containerd", containerd)?;
    let images = Images::new(node);
    wait("containerd answers; see log/containerd.log", Duration::from_secs(30), || {
        Ok(images.control(&["version"]).ok())
    })?;
    for name in ["pause", "coredns"] {
        images.pack(name, &programs.program(name))?;
    }

    let mut kubelet = node.command(programs.program("kubelet"));
    kubelet.arg("--config").arg(folder.join("kubelet.yaml")).arg("--kubeconfig").arg(folder.join("kubelet.kubeconfig"));
    kubelet.arg("--root-dir").arg(folder.join("kubelet")).arg("--cert-dir").arg(folder.join("keys/kubelet"));
    kubelet.args(["--hostname-override", "node", "--node-ip", ADDRESS]);
    node.background("kubelet", kubelet)?;
    let mut proxy = node.command(programs.program("kube-proxy"));
    proxy.arg("--config").arg(folder.join("kube-proxy.yaml"));
    node.background("kube-proxy", proxy)?;

    let kubectl = Kubectl::new(node, programs);
    wait("the node is ready; see log/kubelet.log", Duration::from_secs(90), || {
        Ok(kubectl.run(&["wait", "node/node", "--for=condition=Ready", "--timeout=5s"]).ok())
    })?;
    kubectl.apply(&[&folder.join("dns.yaml")])?;
    kubectl.run(&["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=90s"])?;
    Ok(())
}

/// The name of the node's own part of the cgroups.
fn cgroup(folder: &Path) -> String {
    let name = folder.to_string_lossy();
    format!("workmanager{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

const CGROUPS: &str = "/sys/fs/cgroup";

fn make_cgroups(name: &str) -> anyhow::Result<()> {
    let root = Path::new(CGROUPS);
    if root.join("cgroup.controllers").exists() {
        fs::create_dir_all(root.join(name))?;
        return Ok(());
    }
    for controller in ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"] {
        let whole = root.join(controller);
        if !whole.is_dir() {
            continue;
        }
        fs::create_dir_all(whole.join(name))?;
        if controller == "cpuset" {
            // An empty set holds no process.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                fs::write(whole.join(name).join(file), fs::read(whole.join(file))?)?;
            }
        }
    }
    Ok(())
}

/// Removes the node's cgroups, which outlive its processes.
pub(crate) fn remove_cgroups(folder: &Path) {
    let name = cgroup(folder);
    let root = Path::new(CGROUPS);
    let controllers = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    for controller in controllers.chain([root.to_owned()]) {
        remove_below(&controller.join(&name));
    }
}

fn remove_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_below(&entry.path());
        }
    }
    // One that is not there, or still in use for a moment, is nothing to stop for.
    drop(fs::remove_dir(folder));
}

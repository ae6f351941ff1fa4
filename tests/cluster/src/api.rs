//! etcd and the API server; for a whole cluster also what turns definitions into pods.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::Context as _;

use crate::{
    Kubectl, Node, Programs,
    node::{ADDRESS, wait},
};

/// How much of a cluster is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Admission and nothing that acts.
    Admission,
    /// Pods run.
    Whole,
}

/// Who may call, by a static token each: the name, its group.
const USERS: [(&str, &str, &str); 5] = [
    ("admin", "admin", "system:masters"),
    ("controllers", "system:kube-controller-manager", "none"),
    ("scheduler", "system:kube-scheduler", "none"),
    ("proxy", "system:kube-proxy", "none"),
    ("kubelet", "system:node:node", "system:nodes"),
];

/// An API server that answers.
#[derive(Debug)]
pub struct Api;

impl Api {
    /// Starts it in a node, and waits until it answers.
    ///
    /// # Errors
    /// A program does not start; its log is in the node's folder.
    pub fn start(node: &Node, programs: &Programs, tier: Tier) -> anyhow::Result<()> {
        let keys = node.folder().join("keys");
        fs::create_dir_all(&keys)?;
        credentials(node.folder(), &keys)?;
        let mut etcd = node.command(programs.program("etcd"));
        etcd.arg("--data-dir").arg(node.folder().join("etcd")).args(["--unsafe-no-fsync", "--log-level", "warn"]);
        node.background("etcd", etcd)?;
        node.background("kube-apiserver", server(node, programs, &keys, tier))?;
        let kubectl = Kubectl::new(node, programs);
        wait("the API server is ready; see log/kube-apiserver.log", Duration::from_secs(90), || {
            Ok(kubectl.run(&["get", "--raw", "/readyz"]).ok())
        })?;
        wait("there is a default namespace", Duration::from_secs(30), || {
            Ok(kubectl.run(&["get", "namespace", "default"]).ok())
        })?;
        if tier == Tier::Whole {
            controllers(node, programs, &keys)?;
            wait("there are service accounts", Duration::from_secs(60), || {
                Ok(kubectl.run(&["get", "serviceaccount", "default"]).ok())
            })?;
        }
        Ok(())
    }
}

/// A key for service accounts, a token and a configuration for each user.
fn credentials(folder: &Path, keys: &Path) -> anyhow::Result<()> {
    if !keys.join("accounts.key").exists() {
        let mut openssl = Command::new("openssl");
        openssl.args(["genrsa", "-out"]).arg(keys.join("accounts.key")).arg("2048");
        let made = openssl.output().context("openssl must be there")?;
        anyhow::ensure!(made.status.success(), "openssl makes no key");
    }
    let tokens = USERS.map(|(name, user, group)| format!("{name}-token,{user},{name},{group}\n"));
    fs::write(keys.join("tokens.csv"), tokens.concat())?;
    let authority = keys.join("apiserver.crt").display().to_string();
    for (name, ..) in USERS {
        let text = format!(
            "apiVersion: v1\nkind: Config\n\
             clusters: [{{name: node, cluster: {{server: \"https://{ADDRESS}:6443\", certificate-authority: {authority}}}}}]\n\
             users: [{{name: user, user: {{token: {name}-token}}}}]\n\
             contexts: [{{name: node, context: {{cluster: node, user: user}}}}]\ncurrent-context: node\n"
        );
        fs::write(folder.join(format!("{name}.kubeconfig")), text)?;
    }
    Ok(())
}

fn server(node: &Node, programs: &Programs, keys: &Path, tier: Tier) -> Command {
    let key = keys.join("accounts.key");
    let mut server = node.command(programs.program("kube-apiserver"));
    server.args(["--etcd-servers", "http://127.0.0.1:2379", "--secure-port", "6443", "--advertise-address", ADDRESS]);
    server.args(["--service-cluster-ip-range", "10.96.0.0/16", "--authorization-mode", "Node,RBAC"]);
    server.args([
        "--allow-privileged",
        "--enable-admission-plugins",
        "NodeRestriction",
        "--profiling=false",
        "-v",
        "1",
    ]);
    server.args(["--endpoint-reconciler-type", "lease", "--service-account-issuer", "https://kubernetes.default.svc"]);
    server.arg("--cert-dir").arg(keys).arg("--token-auth-file").arg(keys.join("tokens.csv"));
    server.arg("--service-account-key-file").arg(&key).arg("--service-account-signing-key-file").arg(&key);
    if tier == Tier::Admission {
        // Nobody makes service accounts here, and no pod wants one.
        server.args(["--disable-admission-plugins", "ServiceAccount"]);
    }
    server
}

fn controllers(node: &Node, programs: &Programs, keys: &Path) -> anyhow::Result<()> {
    for (name, user) in [("kube-controller-manager", "controllers"), ("kube-scheduler", "scheduler")] {
        let config = node.folder().join(format!("{user}.kubeconfig"));
        let mut command = node.command(programs.program(name));
        for option in ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"] {
            command.arg(option).arg(&config);
        }
        command.args(["--leader-elect=false", "--bind-address", "127.0.0.1", "--cert-dir"]).arg(keys.join(name));
        if user == "controllers" {
            command.args(["--use-service-account-credentials", "--allocate-node-cidrs"]);
            command.args(["--cluster-cidr", "10.244.0.0/16", "--service-account-private-key-file"]);
            command.arg(keys.join("accounts.key")).arg("--root-ca-file").arg(keys.join("apiserver.crt"));
        }
        node.background(name, command)?;
    }
    Ok(())
}

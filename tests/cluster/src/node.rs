//! A machine of its own inside this one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The node's own address, on a bridge that nothing else is on.
pub(crate) const ADDRESS: &str = "10.77.0.1";
/// Where Knative's admission is asked in a tier without pods.
pub(crate) const ADMISSION: &str = "10.96.0.99";
/// Where names are looked up, once something answers there.
pub(crate) const DNS: &str = "10.96.0.10";

/// How long a node lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// As long as the process that started it.
    Ours,
    /// Until somebody ends it.
    Longer,
}

/// Namespaces for network, mounts and processes, and the first process in them.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    first: u32,
    ours: Option<Child>,
    children: Mutex<Vec<Child>>,
}

/// The first process: makes the node's network, then reaps whatever ends in it.
const FIRST: &str = r#"
set -e
mkdir -p /var/lib/cni
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib/cni
mount --bind "$FOLDER/var-log" /var/log
mount --bind "$FOLDER/hosts" /etc/hosts
mount --bind "$FOLDER/resolv.conf" /etc/resolv.conf
ip link set lo up
ip link add node0 type bridge
ip addr add "$ADDRESS/24" dev node0
ip addr add "$ADMISSION/32" dev node0
ip link set node0 up
ip route add default via 10.77.0.2 dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
echo ready > "$FOLDER/ready"
while :; do sleep 3600 & wait $!; done
"#;

impl Node {
    /// Starts one whose files are in `folder`.
    ///
    /// # Errors
    /// The kernel or the rights for it are missing: this needs root.
    pub fn start(folder: &Path, life: Life) -> anyhow::Result<Self> {
        for name in ["var-log/pods", "log"] {
            fs::create_dir_all(folder.join(name))?;
        }
        fs::write(folder.join("hosts"), format!("127.0.0.1 localhost\n{ADDRESS} node\n"))?;
        fs::write(folder.join("resolv.conf"), format!("nameserver {DNS}\nsearch svc.cluster.local\n"))?;
        drop(fs::remove_file(folder.join("ready")));
        let mut command = match life {
            Life::Ours => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "unshare"]);
                command
            }
            Life::Longer => Command::new("unshare"),
        };
        command.args(["--fork", "--pid", "--mount", "--net", "--mount-proc", "--kill-child=KILL", "bash", "-c", FIRST]);
        command.env("FOLDER", folder).env("ADDRESS", ADDRESS).env("ADMISSION", ADMISSION);
        let log = File::create(folder.join("log/node.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().context("setpriv and unshare of util-linux must be there")?;
        let first = wait("the node is up; see log/node.log", Duration::from_secs(10), || {
            if !folder.join("ready").exists() {
                return Ok(None);
            }
            let path = format!("/proc/{pid}/task/{pid}/children", pid = child.id());
            Ok(fs::read_to_string(path)?.split_whitespace().next().map(str::parse).transpose()?)
        })?;
        fs::write(folder.join("first"), format!("{first}"))?;
        Ok(Self { folder: folder.to_owned(), first, ours: Some(child), children: Mutex::default() })
    }

    /// One that runs.
    ///
    /// # Errors
    /// None does.
    pub fn find(folder: &Path) -> anyhow::Result<Self> {
        let first = fs::read_to_string(folder.join("first")).context("no cluster is up: `cargo xtask lab up`")?;
        let first: u32 = first.trim().parse()?;
        let command = fs::read_to_string(format!("/proc/{first}/cmdline")).unwrap_or_default();
        anyhow::ensure!(command.contains("node0"), "the cluster is gone: `cargo xtask lab up`");
        Ok(Self { folder: folder.to_owned(), first, ours: None, children: Mutex::default() })
    }

    /// Its first process, whose namespaces are the node's.
    #[must_use]
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs in the node, in the current directory.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--net", "--mount", "--pid", "--wdns=/", "--"]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// From now on the network of this thread is the node's.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn enter(&self) -> anyhow::Result<()> {
        let network = File::open(format!("/proc/{}/ns/net", self.first))?;
        Ok(move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Starts a program that runs as long as the node does. What it writes goes to `log/NAME.log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn background(&self, name: &str, mut command: Command) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.join(format!("log/{name}.log")))?;
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        if let Ok(mut children) = self.children.lock() {
            children.push(child);
        }
        Ok(())
    }

    /// Ends everything in it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn end(&mut self) -> anyhow::Result<()> {
        let killed = Command::new("kill").args(["-KILL", &self.first.to_string()]).status()?;
        anyhow::ensure!(killed.success(), "the node's first process cannot be ended");
        drop(fs::remove_file(self.folder.join("first")));
        if let Some(mut child) = self.ours.take() {
            child.wait()?;
        }
        if let Ok(mut children) = self.children.lock() {
            for mut child in children.drain(..) {
                child.wait()?;
            }
        }
        let gone = || Ok((!Path::new(&format!("/proc/{}", self.first)).exists()).then_some(()));
        wait("the node is gone", Duration::from_secs(20), gone)
    }

    /// Leaves it running.
    pub fn leave(mut self) {
        self.ours = None;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.ours.is_some() {
            drop(self.end());
        }
    }
}

/// Waits until `condition` gives something.
///
/// # Errors
/// Not within `limit`, or its own.
pub(crate) fn wait<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = condition()? {
            return Ok(found);
        }
        anyhow::ensure!(start.elapsed() < limit, "not within {limit:?}: {what}");
        // Nobody unparks: the loop looks again.
        thread::park_timeout(Duration::from_millis(50));
    }
}

//! What is needed beside a Rust toolchain: found, or installed once into a cache.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use clap::Args;
use sha2::{Digest as _, Sha256};

mod cluster;
mod daprd;

pub(crate) use cluster::Set;

use crate::check::cargo;

pub(crate) mod dotnet;

/// Holds licences, sources and versions of dependencies to `deny.toml`.
const CARGO_DENY: &str = "0.20.2";

/// Where tools are kept.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keeps what is built or installed once; `~/.cache/workmanager` unless set.
    #[arg(long, env = "WORKMANAGER_CACHE", global = true, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Which .NET the tests run with: packages that bring one, or the newest SDK of this machine.
    #[arg(long, env = "WORKMANAGER_DOTNET", global = true, value_enum, default_value_t = Net::Packages)]
    dotnet: Net,
}

/// Where .NET comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Net {
    /// Packages of Python and Node.js.
    Packages,
    /// The SDK that is installed.
    Sdk,
}

/// The tools of this machine.
pub(crate) struct Tools {
    cache: PathBuf,
    /// Whether an SDK is installed and shall be used.
    sdk: bool,
}

/// A tool, and how to get it if it is not there.
pub(crate) struct Tool {
    /// Where it is, or will be.
    pub(crate) path: PathBuf,
    /// What must run first.
    pub(crate) install: Option<Command>,
}

impl Tools {
    /// Tools under the cache that the options name.
    ///
    /// # Errors
    /// There is neither an option nor a home.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let home = || std::env::home_dir().map(|home| home.join(".cache/workmanager"));
        let cache = options.cache.clone().or_else(home).context("no home directory: set WORKMANAGER_CACHE")?;
        Ok(Self { cache: std::path::absolute(cache)?, sdk: options.dotnet == Net::Sdk })
    }

    /// cargo-deny from crates.io. Built without optimisation: it runs for a second, and builds in one minute
    /// instead of several.
    pub(crate) fn cargo_deny(&self) -> Tool {
        let folder = self.cache.join(format!("tools/cargo-deny-{CARGO_DENY}"));
        let path = folder.join("bin/cargo-deny");
        let install = (!path.exists()).then(|| {
            let mut install = cargo(&["install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--debug"]);
            install.args(["--no-default-features", "--root"]).arg(&folder);
            // Not among the workspace's own artefacts, and without the debug information nobody reads.
            install.env_remove("CARGO_TARGET_DIR").env("CARGO_PROFILE_DEV_DEBUG", "0");
            install
        });
        Tool { path, install }
    }

    /// A Python virtual environment that holds exactly `packages`, each pinned as in `name==1.2`. Made once per
    /// list. Returns its folder.
    ///
    /// # Errors
    /// There is no python3 with venv, a package is not pinned, or PyPI does not have it.
    pub(crate) fn venv(&self, packages: &[&str]) -> anyhow::Result<PathBuf> {
        if let Some(loose) = packages.iter().find(|package| !package.contains("==")) {
            anyhow::bail!("`{loose}` names no version: pin it with ==");
        }
        let folder = self.cache.join("venv").join(packages.join("+").replace("==", "-"));
        let complete = folder.join("complete");
        if complete.exists() {
            return Ok(folder);
        }
        eprintln!("making a Python environment with {}", packages.join(", "));
        // What an earlier, broken-off attempt left may be anything.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        ran(Command::new("python3").args(["-m", "venv"]).arg(&folder), "install python3 with its venv module")?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
        ran(&mut pip, "PyPI must be reachable")?;
        fs::write(complete, "")?;
        Ok(folder)
    }

    /// Installs what tests need, and prints it as a shell takes it, for those who run `cargo test` themselves.
    ///
    /// # Errors
    /// It cannot be installed.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        for (name, value) in self.dotnet()?.environment() {
            println!("export {name}='{}'", value.display());
        }
        Ok(())
    }

    /// Where the lab's cluster lives.
    pub(crate) fn lab(&self) -> PathBuf {
        self.cache.join("lab")
    }

    /// Where what the lab's images stand on is kept.
    pub(crate) fn bases(&self) -> PathBuf {
        self.cache.join("lab-bases")
    }

    /// What Debian has of a cluster: containers, their network, and a builder of images.
    ///
    /// # Errors
    /// A package is not there and cannot be installed.
    pub(crate) fn containers(&self) -> anyhow::Result<()> {
        let packages = [
            ("containerd", "containerd"),
            ("runc", "runc"),
            ("/usr/lib/cni/bridge", "containernetworking-plugins"),
            ("iptables", "iptables"),
            ("conntrack", "conntrack"),
            ("buildah", "buildah"),
            ("mmdebstrap", "mmdebstrap"),
        ];
        packages.iter().try_for_each(|(program, package)| installed(program, package).map(drop))
    }

    /// The load generator wrk: the one on the `PATH`, or Debian's package.
    ///
    /// # Errors
    /// It is not there and cannot be installed.
    pub(crate) fn wrk(&self) -> anyhow::Result<PathBuf> {
        installed("wrk", "wrk")
    }

    /// Redis: the one on the `PATH`, or Debian's package.
    ///
    /// # Errors
    /// It is not there and cannot be installed.
    pub(crate) fn redis(&self) -> anyhow::Result<PathBuf> {
        installed("redis-server", "redis-server")
    }

    /// RabbitMQ, as Debian has it. Its own program, because the one on the `PATH` becomes another user.
    ///
    /// # Errors
    /// It is not there and cannot be installed.
    pub(crate) fn rabbitmq(&self) -> anyhow::Result<PathBuf> {
        installed("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
    }

    /// A Python that has Dapr's own client: somebody else, who reads what we publish.
    ///
    /// # Errors
    /// There is no python3 with venv, or PyPI cannot be reached.
    pub(crate) fn dapr_python(&self) -> anyhow::Result<PathBuf> {
        Ok(self.venv(&["dapr==1.18.3"])?.join("bin/python"))
    }
}

/// Go itself.
fn go() -> anyhow::Result<PathBuf> {
    let go = on_path("go").or_else(|| Some(PathBuf::from("/usr/local/go/bin/go")).filter(|path| path.exists()));
    go.context("go is neither on the PATH nor in /usr/local/go/bin")
}

/// A digest of the files below a folder, for a name: 16 hex digits.
fn digest(folder: &Path) -> anyhow::Result<String> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort_unstable();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// A program on the `PATH`, or from Debian's `package`.
fn installed(program: &str, package: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = on_path(program) {
        return Ok(path);
    }
    eprintln!("installing {package}");
    let advice = format!("install {package} with your system's package manager, and run this again");
    // A machine that never asked knows no packages.
    ran(Command::new("apt-get").arg("update"), &advice)?;
    ran(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends", package]), &advice)?;
    on_path(program).with_context(|| format!("{program} is still not on the PATH: {advice}"))
}

/// Runs a command without input; its output is shown only if it fails.
fn ran(command: &mut Command, advice: &str) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}: {advice}"))?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    anyhow::ensure!(output.status.success(), "{command:?} failed: {advice}\n{}", said());
    Ok(())
}

/// A program's path, as a shell would find it.
fn on_path(program: &str) -> Option<PathBuf> {
    let output = Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdin(Stdio::null()).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(Path::new(path.trim()).to_owned()).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_version_is_refused() {
        let tools = Tools { cache: PathBuf::from("/nonexistent"), sdk: false };
        let error = tools.venv(&["func-python==0.8.1", "cloudevents"]).unwrap_err();
        assert!(error.to_string().contains("`cloudevents` names no version"), "{error}");
    }

    #[test]
    fn a_digest_changes_with_each_byte_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let with = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).unwrap();
            digest(folder.path()).unwrap()
        };
        fs::create_dir(folder.path().join("inner")).unwrap();
        let digests = [with("a", "1"), with("a", "2"), with("b", "2"), with("inner/b", "")];
        assert!(digests.iter().all(|digest| digest.len() == 16), "{digests:?}");
        assert!(digests.windows(2).all(|pair| pair[0] != pair[1]), "{digests:?}");
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-anywhere").is_none());
    }
}

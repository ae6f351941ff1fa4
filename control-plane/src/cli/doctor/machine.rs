//! What the machine has.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use workmanager_core_domain::EngineInfo;
use workmanager_core_kit::on_path;

use super::{Check, server::Running};

/// The oldest Python that runs workers.
const OLDEST: (u32, u32) = (3, 10);
/// How long a Python may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Machine")]
pub(super) struct Machine {
    /// The Python that shall run workers; the first `python3` on PATH when not given.
    #[arg(long, value_name = "PATH", env = "WORKMANAGER_PYTHON")]
    python: Option<PathBuf>,
    #[command(flatten)]
    dotnet: DotnetPlaces,
    /// The directory that keeps everything.
    #[arg(long, value_name = "DIRECTORY", env = "WORKMANAGER_DATA_DIR", default_value = ".workmanager")]
    data_dir: PathBuf,
    /// A port that a server needs; may be repeated.
    #[arg(long = "port", value_name = "PORT", default_values_t = [5001, 5003])]
    ports: Vec<u16>,
}

/// Where .NET is looked for.
#[derive(Debug, Clone, clap::Args)]
pub struct DotnetPlaces {
    /// The folder of the .NET runtimes; that of the `dotnet` on PATH, or a usual place, when not given.
    #[arg(long = "dotnet-root", env = "DOTNET_ROOT", value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The folder of the C# compiler; that of the newest .NET SDK when not given.
    #[arg(long = "csharp-compiler", env = "WORKMANAGER_CSHARP_COMPILER", value_name = "DIR")]
    pub compiler: Option<PathBuf>,
    /// CloudNative.CloudEvents.dll; that of a package that the machine has, or a stand-in, when not given.
    #[arg(long, env = "WORKMANAGER_CLOUDEVENTS", value_name = "FILE")]
    pub cloud_events: Option<PathBuf>,
    /// .NET is started by its own `dotnet` program.
    #[arg(long = "dotnet-exec", env = "WORKMANAGER_DOTNET_EXEC")]
    pub exec: bool,
    /// Where the .NET SDK keeps packages.
    #[arg(long, env = "NUGET_PACKAGES", hide = true)]
    pub nuget_packages: Option<PathBuf>,
    /// Where it keeps them otherwise.
    #[arg(long, env = "HOME", hide = true)]
    pub home: Option<PathBuf>,
    /// Where programs are looked for.
    #[arg(long, env = "PATH", hide = true)]
    pub path: Option<OsString>,
}

/// Says which .NET this machine has, and what holds a worker's process here. The engines are the program's to
/// choose, so it is the program that looks.
pub type LookForDotnet = fn(&DotnetPlaces) -> EngineInfo;

/// The checks. What a running server holds is not asked for a second time.
pub(super) async fn checks(args: &Machine, running: Running, look: LookForDotnet) -> Vec<Check> {
    let mut checks = vec![data_directory(&args.data_dir)];
    if running == Running::No {
        checks.push(python(args).await);
        checks.extend(dotnet(look(&args.dotnet)));
        checks.extend(args.ports.iter().copied().map(port));
    }
    checks
}

fn data_directory(path: &Path) -> Check {
    let shown = path.display();
    // What does not exist yet is made in the nearest directory that does.
    let existing = path.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let Some(directory) = existing.into_iter().find(|path| path.exists()) else {
        return Check::fail("data directory", format!("{shown} cannot be made"), "choose another with --data-dir");
    };
    match tempfile::tempfile_in(directory) {
        Ok(_) => Check::ok("data directory", format!("{shown} is writable")),
        Err(error) => {
            let advice = "change its permissions, or choose another with --data-dir";
            Check::fail("data directory", format!("{shown} is not writable: {error}"), advice)
        }
    }
}

fn port(port: u16) -> Check {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(address) {
        Ok(_) => Check::ok("port", format!("{port} is free")),
        Err(error) => {
            let advice = "another program has it: stop that, or choose another with --http-port or --internal-port";
            Check::warn("port", format!("{port} cannot be had: {error}"), advice)
        }
    }
}

/// .NET is for those who have workers for it; what holds a process holds those of every engine.
fn dotnet(found: EngineInfo) -> [Check; 2] {
    let missing = found.sandbox.iter().filter(|mechanism| !mechanism.active);
    let missing: Vec<_> = missing.map(|mechanism| mechanism.name.as_str()).collect();
    let sandbox = if missing.is_empty() {
        Check::ok("sandbox", "this system has all that can hold a worker's process")
    } else {
        let message = format!("this system is without {}", missing.join(", "));
        Check::warn("sandbox", message, "workers are contained less than they could be")
    };
    let runtime = found.runtime.unwrap_or_default();
    let dotnet = match found.reason {
        None => Check::ok("dotnet", runtime),
        Some(reason) => Check::warn("dotnet", reason, "C# and .NET workers do not run here until then"),
    };
    [dotnet, sandbox]
}

async fn python(args: &Machine) -> Check {
    let found = args.python.clone().or_else(|| on_path(args.dotnet.path.as_ref()?, "python3"));
    let Some(path) = found else {
        return Check::fail("python", "there is no python3 on PATH", "install Python 3.10 or later, or give --python");
    };
    let shown = path.display();
    let Some(text) = version_text(&path).await else {
        return Check::fail("python", format!("{shown} does not say its version"), "give another with --python");
    };
    match version(&text) {
        Some(version) if version >= OLDEST => Check::ok("python", format!("{text} at {shown}")),
        Some(_) => Check::fail("python", format!("{text} at {shown} is too old"), "install Python 3.10 or later"),
        None => Check::fail("python", format!("{shown} is no Python: it says `{text}`"), "give another with --python"),
    }
}

async fn version_text(python: &Path) -> Option<String> {
    let mut command = tokio::process::Command::new(python);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().chars().take(100).collect::<String>();
    output.status.success().then_some(text)
}

/// Major and minor of what `python3 --version` prints.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("Python ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_major_and_minor() {
        let table = [
            ("Python 3.11.7", Some((3, 11))),
            ("Python 3.14.0rc1", Some((3, 14))),
            ("Python 2.7", Some((2, 7))),
            ("PyPy", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(version(text), expected, "{text}");
        }
        assert!(version("Python 3.9.1").unwrap() < OLDEST);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_by_where_it_would_be() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(data_directory(&directory.path().join("a/b")).verdict, super::super::Verdict::Ok);
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(data_directory(&file.join("data")).verdict, super::super::Verdict::Fail);
    }

    #[test]
    fn a_port_that_is_taken_is_said() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        assert_eq!(port(number).verdict, super::super::Verdict::Warn);
        drop(taken);
        assert_eq!(port(number).verdict, super::super::Verdict::Ok);
    }
}

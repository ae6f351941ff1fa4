//! Which Python runs.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tracing::debug;
use workmanager_core_kit::on_path;
use workmanager_engines_host::{Errand, SpawnError};

/// How long a script may take to say it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Prints where the interpreter really is.
const WHERE: &str = "import sys; print(sys.executable)";

/// The interpreter itself, never a script that looks for one: that would be slower than Python. What a
/// script has said is kept in `cache`, and holds until the script changes.
pub(crate) fn find(given: Option<&Path>, path: Option<&OsStr>, cache: Option<&Path>) -> Result<PathBuf, SpawnError> {
    let search = |name: &Path| on_path(path?, name);
    let found = match given {
        Some(given) if given.components().count() > 1 => given.to_owned(),
        Some(name) => search(name).ok_or_else(|| missing(&format!("there is no `{}` on PATH", name.display())))?,
        None => search(Path::new("python3")).ok_or_else(|| missing("there is no `python3` on PATH"))?,
    };
    if is_program(&found)? {
        return Ok(found);
    }
    let answer = cache.and_then(|cache| Some((cache.join("python/executable"), stamp(&found)?)));
    if let Some(executable) = answer.as_ref().and_then(|(file, stamp)| remembered(file, stamp)) {
        return Ok(executable);
    }
    let executable = ask(&found, path)?;
    if let Some((file, stamp)) = answer
        && let Err(error) = fs::write(&file, format!("{stamp}\n{}", executable.display()))
    {
        debug!("the answer of `{}` is not kept: {error}", found.display());
    }
    Ok(executable)
}

/// What tells one state of a script from another.
fn stamp(script: &Path) -> Option<String> {
    let changed = script.metadata().ok()?.modified().ok()?;
    Some(format!("{} {:?}", script.display(), changed))
}

/// What the script said when it was last asked, if it is still the same and its answer still there.
fn remembered(file: &Path, stamp: &str) -> Option<PathBuf> {
    let kept = fs::read_to_string(file).ok()?;
    let executable = Path::new(kept.strip_prefix(stamp)?.strip_prefix('\n')?);
    executable.is_file().then(|| executable.to_owned())
}

fn is_program(path: &Path) -> Result<bool, SpawnError> {
    let cannot = |error| missing(&format!("cannot read `{}`: {error}", path.display()));
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read(&mut magic)).map_err(cannot)?;
    Ok(read == 4 && magic == *b"\x7fELF")
}

fn ask(script: &Path, path: Option<&OsStr>) -> Result<PathBuf, SpawnError> {
    let mut command = Command::new(script);
    command.args(["-I", "-S", "-c", WHERE]).stdin(Stdio::null());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = Errand::run(command, PATIENCE).map_err(SpawnError::system("run python"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let executable = Path::new(text.trim());
    if output.status.success() && executable.is_file() {
        return Ok(executable.to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(missing(&format!("`{}` is no Python ({}): {}", script.display(), output.status, said.trim())))
}

fn missing(what: &str) -> SpawnError {
    SpawnError::Missing(format!("{what}; install Python 3.9 or later, or name one with --python"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_script_is_asked_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("python")).unwrap();
        let (asked, script) = (folder.path().join("asked"), folder.path().join("python3"));
        let write = |executable: &str| {
            fs::write(&script, format!("#!/bin/sh\necho x >> {}\necho {executable}\n", asked.display())).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let find = || find(Some(&script), None, Some(folder.path())).unwrap();
        let count = || fs::read_to_string(&asked).unwrap().lines().count();
        write("/bin/sh");
        assert_eq!((find(), find(), count()), ("/bin/sh".into(), "/bin/sh".into(), 1));
        write("/bin/cat");
        fs::File::open(&script).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((find(), find(), count()), ("/bin/cat".into(), "/bin/cat".into(), 2));
    }
}

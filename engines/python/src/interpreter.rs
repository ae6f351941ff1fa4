//! Which Python runs.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use workmanager_engines_host::SpawnError;

/// Prints where the interpreter really is.
const WHERE: &str = "import sys; print(sys.executable)";

/// The interpreter itself, never a script that looks for one: that would be slower than Python.
pub(crate) fn find(given: Option<&Path>, path: Option<&OsStr>) -> Result<PathBuf, SpawnError> {
    let found = match given {
        Some(given) if given.components().count() > 1 => given.to_owned(),
        Some(name) => {
            search(name, path).ok_or_else(|| missing(&format!("there is no `{}` on PATH", name.display())))?
        }
        None => search(Path::new("python3"), path).ok_or_else(|| missing("there is no `python3` on PATH"))?,
    };
    if is_program(&found)? { Ok(found) } else { ask(&found, path) }
}

fn search(name: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
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
    let output = command.output().map_err(SpawnError::system("run python"))?;
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

//! The Python files, and where the interpreter finds them.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use workmanager_core_domain::Digest;

/// Name and text of each.
const FILES: [(&str, &str); 4] = [
    ("workmanager_sandbox.py", include_str!("runtime/workmanager_sandbox.py")),
    ("workmanager_wire.py", include_str!("runtime/workmanager_wire.py")),
    ("workmanager_worker.py", include_str!("runtime/workmanager_worker.py")),
    ("workmanager_zygote.py", include_str!("runtime/workmanager_zygote.py")),
];

/// What the interpreter runs; its argument is the directory of the files.
pub(crate) const START: &str =
    "import sys; sys.path.insert(0, sys.argv[1]); import workmanager_zygote as z; del sys.path[0]; z.main()";

/// Puts the files under `cache`, where their compiled form stays, and returns their directory. It is
/// named by their content, so programs of different versions share a cache.
pub(crate) fn unpack(cache: &Path) -> io::Result<PathBuf> {
    let all: String = FILES.iter().map(|(_, text)| *text).collect();
    let directory = cache.join("python").join(&Digest::of(all.as_bytes()).hex()[..16]);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    for (name, text) in FILES {
        let path = directory.join(name);
        // Whoever can write here could as well change the file between two starts: look, never trust.
        if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        let fresh = directory.join(format!("{name}.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        fs::rename(&fresh, &path)?;
    }
    Ok(directory)
}

//! Code, from files and from standard input.

use std::{
    ffi::OsStr,
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use workmanager_core_domain::MimeType;

use super::error::Error;

/// Where code or data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input, written `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl From<&OsStr> for Source {
    fn from(text: &OsStr) -> Self {
        if text == "-" { Self::Stdin } else { Self::File(text.into()) }
    }
}

impl Source {
    /// Reads all of it.
    pub(crate) fn read(&self) -> Result<Bytes, Error> {
        match self {
            Self::Stdin => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut bytes);
                let failed = |source| Error::Read { path: "standard input".into(), source };
                read.map(|_| Bytes::from(bytes)).map_err(failed)
            }
            Self::File(path) => read(path),
        }
    }

    /// The file's name without its extension, as a worker's name.
    pub(crate) fn stem(&self) -> Option<&str> {
        match self {
            Self::Stdin => None,
            Self::File(path) => path.file_stem()?.to_str(),
        }
    }

    /// What kind of code it is: `given`, else by the extension. Nothing for standard input: there the
    /// server has a default.
    pub(crate) fn mime_type(&self, given: Option<MimeType>) -> Result<Option<MimeType>, Error> {
        match (given, self) {
            (Some(given), _) => Ok(Some(given)),
            (None, Self::Stdin) => Ok(None),
            (None, Self::File(path)) => mime_type(path).map(Some),
        }
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Bytes, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    std::fs::read(path).map(Bytes::from).map_err(failed)
}

/// The kind of code that a file's extension says.
pub(crate) fn mime_type(path: &Path) -> Result<MimeType, Error> {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "py" => Ok(MimeType::Python),
        "cs" => Ok(MimeType::CSharp),
        "dll" | "zip" | "nupkg" => Ok(MimeType::Dll),
        _ => Err(Error::input(
            format!("{} has no extension that tells what kind of code it is", path.display()),
            "name it .py, .cs, .dll, .zip or .nupkg, or give --mime-type",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_tells_the_kind_of_code() {
        let table = [
            ("a/orders.py", Some(MimeType::Python)),
            ("Orders.CS", Some(MimeType::CSharp)),
            ("x.dll", Some(MimeType::Dll)),
            ("x.zip", Some(MimeType::Dll)),
            ("x.1.0.nupkg", Some(MimeType::Dll)),
            ("orders", None),
            (".py", None),
            ("orders.rb", None),
        ];
        for (path, expected) in table {
            assert_eq!(mime_type(Path::new(path)).ok(), expected, "{path}");
        }
        assert_eq!(Source::from(OsStr::new("a/orders.v2.py")).stem(), Some("orders.v2"));
        assert_eq!(Source::from(OsStr::new("-")).mime_type(None).unwrap(), None);
    }
}

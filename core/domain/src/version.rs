//! A worker's code: immutable, numbered versions.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, Timestamp, WorkerId, document::Document, ports::Collection, units::Size};

/// The kinds of code that can be saved. Which of them run here is said by `GET /v1/engines`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MimeType {
    /// `text/x-python`: source of one Python module.
    Python,
    /// `text/x-csharp`: C# source.
    CSharp,
    /// `text/x-dll`, also `application/x-dotnet-dll`: a .NET assembly, zip or nupkg.
    Dll,
}

/// Not a MIME type of any engine.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not one of text/x-python, text/x-csharp, text/x-dll")]
pub struct UnknownMimeType(String);

impl MimeType {
    /// Every MIME type, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Python, Self::CSharp, Self::Dll];

    /// The canonical text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "text/x-python",
            Self::CSharp => "text/x-csharp",
            Self::Dll => "text/x-dll",
        }
    }

    /// Whether its source is compiled, once, before it is loaded.
    #[must_use]
    pub const fn is_compiled(self) -> bool {
        matches!(self, Self::CSharp)
    }

    /// The language users see.
    #[must_use]
    pub const fn language(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::CSharp => "csharp",
            Self::Dll => "dotnet",
        }
    }
}

impl fmt::Display for MimeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MimeType {
    type Err = UnknownMimeType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "text/x-python" => Ok(Self::Python),
            "text/x-csharp" => Ok(Self::CSharp),
            "text/x-dll" | "application/x-dotnet-dll" => Ok(Self::Dll),
            _ => Err(UnknownMimeType(text.to_owned())),
        }
    }
}

impl TryFrom<String> for MimeType {
    type Error = UnknownMimeType;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MimeType> for String {
    fn from(mime_type: MimeType) -> Self {
        mime_type.as_str().to_owned()
    }
}

/// How the engine shall treat the code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EngineSettings {
    /// The function or class to call; found by the worker contract when absent.
    pub entry: Option<String>,
    /// .NET: culture-invariant globalisation, which starts faster.
    pub invariant: bool,
}

/// Everything a function process sees of a version. Its canonical form is its JSON as this struct
/// writes it (fields in this order, no white space); its digest is the SHA-256 of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Format of the manifest; 1.
    pub format: u32,
    /// What kind of code the source is.
    pub mime_type: MimeType,
    /// The source blob.
    pub source: Digest,
    /// What the engine compiled from it, if it compiles.
    pub artefact: Option<Digest>,
    /// How to treat it.
    pub engine: EngineSettings,
    /// Memory of an engine process.
    pub memory: Size,
    /// Extension attributes that every event gets unless it has them itself.
    pub config: BTreeMap<String, String>,
}

impl Manifest {
    /// The one format there is.
    pub const FORMAT: u32 = 1;

    /// The canonical bytes.
    ///
    /// # Errors
    /// Never for a manifest made of these types; the serialiser's error otherwise.
    pub fn canonical(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// What a source was compiled to, kept so that nobody compiles it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// What compiled it: compiler, framework and references, as the engine names them together.
    pub toolchain: String,
    /// The blob.
    pub artefact: Digest,
}

impl Made {
    /// The record's id for `source` under `name`, which stack traces show. The toolchain is not in it: whoever
    /// uses the record compares that, and the newest one counts.
    #[must_use]
    pub fn key(mime_type: MimeType, source: &Digest, name: &str) -> String {
        Digest::of(format!("{mime_type}\0{source}\0{name}").as_bytes()).hex()
    }
}

impl Document for Made {
    const COLLECTION: Collection = Collection::Artefact;
    const SCHEMA: u32 = 1;
}

/// Where a version is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VersionStatus {
    /// Loaded by an engine once; can be made active.
    Validated,
}

/// One immutable version of a worker's code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Whose it is.
    pub worker: WorkerId,
    /// 1, 2, 3, …
    pub number: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Where it is in its life.
    pub status: VersionStatus,
    /// SHA-256 of the manifest's canonical form.
    pub digest: Digest,
    /// What the function sees.
    pub manifest: Manifest,
}

impl Version {
    /// The key under which version `number` of `worker` is kept: sorts by number.
    #[must_use]
    pub fn key(worker: WorkerId, number: u32) -> String {
        format!("{worker}/{number:010}")
    }
}

impl Document for Version {
    const COLLECTION: Collection = Collection::Version;
    const SCHEMA: u32 = 1;
}

//! Workers that the process is started with.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use bytes::Bytes;
use uuid::Uuid;
use workmanager_core_domain::{
    Digest, Manifest, MimeType, WorkerId, WorkerName,
    name::InvalidName,
    outcome::{CodeError, Failure},
    version::EngineSettings,
};
use workmanager_core_frames::{ErrorHead, FailedWith, Kind, ValidateHead};
use workmanager_functions_dispatcher as dispatcher;

use crate::{Config, Given, router::Function};

/// A worker that was given cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file cannot be read.
    #[error("cannot read `{}`", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No engine is known for the file's extension.
    #[error("`{}` has none of the extensions .py, .cs, .dll", .0.display())]
    Extension(PathBuf),
    /// Neither an id nor a name.
    #[error("`{worker}` is neither an id nor a name")]
    Name {
        /// As given.
        worker: String,
        /// What is wrong with it.
        #[source]
        source: InvalidName,
    },
    /// Nothing could be loaded.
    #[error("worker `{worker}` cannot be loaded")]
    Dispatch {
        /// As given.
        worker: String,
        /// Why not.
        #[source]
        source: dispatcher::Error,
    },
    /// Its code does not load.
    #[error("worker `{worker}` does not load: {message}")]
    Rejected {
        /// As given.
        worker: String,
        /// The engine's message, with the stack.
        message: String,
    },
}

/// Loads every worker that was given.
pub(crate) async fn all(function: &Function, config: &Config) -> Result<(), Error> {
    for given in &config.workers {
        one(function, config, given).await?;
    }
    function.ready.cancel();
    Ok(())
}

async fn one(function: &Function, config: &Config, given: &Given) -> Result<(), Error> {
    let (worker, worker_name) = identity(&given.worker)?;
    let read = |source| Error::Read { file: given.file.clone(), source };
    let source = Bytes::from(std::fs::read(&given.file).map_err(read)?);
    let manifest = Manifest {
        format: Manifest::FORMAT,
        mime_type: mime_type(&given.file)?,
        source: Digest::of(&source),
        artefact: None,
        engine: EngineSettings::default(),
        memory: config.memory,
        config: BTreeMap::new(),
    };
    let timeout_ms = function.limits.timeout_ms;
    let head = ValidateHead { worker, worker_name, manifest, toolchain: None, timeout_ms };
    let failed = |source| Error::Dispatch { worker: given.worker.clone(), source };
    let answer = function.dispatcher.preload(head, source).await.map_err(failed)?;
    if answer.kind == Kind::Loaded {
        return Ok(());
    }
    let head: ErrorHead = answer.head().map_err(|error| failed(error.into()))?;
    let message = match head.error {
        FailedWith::Failed(Failure { errors, .. }) if !errors.is_empty() => lines(&errors),
        FailedWith::Failed(Failure { stack: Some(stack), .. }) => stack,
        FailedWith::Failed(Failure { message, .. }) | FailedWith::EngineLost { message } => message,
        FailedWith::TimedOut { limit_ms } => format!("it took longer than {limit_ms} ms"),
    };
    Err(Error::Rejected { worker: given.worker.clone(), message })
}

fn lines(errors: &[CodeError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A worker's id, and its name. One that is given by name gets the same id at every start.
fn identity(given: &str) -> Result<(WorkerId, String), Error> {
    if let Ok(worker) = given.parse::<WorkerId>() {
        return Ok((worker, given.to_owned()));
    }
    let name = WorkerName::from_str(given).map_err(|source| Error::Name { worker: given.to_owned(), source })?;
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_str().as_bytes());
    Ok((WorkerId::new(id), given.to_owned()))
}

fn mime_type(file: &Path) -> Result<MimeType, Error> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("py") => Ok(MimeType::Python),
        Some("cs") => Ok(MimeType::CSharp),
        Some("dll" | "zip" | "nupkg") => Ok(MimeType::Dll),
        _ => Err(Error::Extension(file.to_owned())),
    }
}

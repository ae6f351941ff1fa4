//! The files that become workers.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use workmanager_core_domain::{MimeType, Topic, WorkerName, worker::Desired};

use super::header::Header;
use crate::cli::{
    client::Client,
    definition::{Definition, Plan, carry_out, find, plan},
    error::Error,
    source,
};

/// The worker that is there when no file is.
const WELCOME: &str = include_str!("welcome.py");

/// A file and the worker that it is.
#[derive(Debug)]
pub(super) struct File {
    path: Option<PathBuf>,
    name: WorkerName,
    mime_type: MimeType,
    code: Bytes,
    /// What runs, as far as this session has seen.
    running: Option<Running>,
}

/// A worker that runs.
#[derive(Debug, Clone)]
struct Running {
    version: u64,
    topics: Vec<String>,
    reply_topic: Option<String>,
}

/// What became of a file.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A new worker runs.
    Created,
    /// The worker that was there has changed in these points.
    Changed(Vec<String>),
    /// The worker that was there is as the file is.
    Unchanged,
    /// It did not load. If an earlier version runs, it still does.
    Failed {
        /// Why.
        error: Error,
        /// The version that runs.
        running: Option<u64>,
    },
}

/// Opens the files, or the worker that greets if there is none.
///
/// # Errors
/// One cannot be read, is no code, or two would be the same worker.
pub(super) fn open(paths: &[PathBuf]) -> Result<Vec<File>, Error> {
    if paths.is_empty() {
        let name = parsed("welcome", Path::new("welcome.py"))?;
        let code = Bytes::from_static(WELCOME.as_bytes());
        return Ok(vec![File { path: None, name, mime_type: MimeType::Python, code, running: None }]);
    }
    let mut files: Vec<File> = Vec::with_capacity(paths.len());
    for path in paths {
        let file = File::open(path)?;
        if let Some(other) = files.iter().find(|other| other.name == file.name) {
            let message = format!("{} and {} would both be the worker `{}`", other.shown(), file.shown(), file.name);
            return Err(Error::input(message, "rename one of them"));
        }
        files.push(file);
    }
    Ok(files)
}

impl File {
    fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            let hint = format!("name its files, as in {}/*.py", path.display());
            return Err(Error::input(format!("{} is a directory", path.display()), hint));
        }
        let mime_type = source::mime_type(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = parsed(&stem, path)?;
        Ok(Self { path: Some(path.to_owned()), name, mime_type, code: source::read(path)?, running: None })
    }

    /// Where it is; the built-in worker is nowhere.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The path for people.
    pub(super) fn shown(&self) -> String {
        self.path.as_ref().map_or_else(|| "the built-in worker".to_owned(), |path| path.display().to_string())
    }

    /// The worker's name.
    pub(super) const fn name(&self) -> &WorkerName {
        &self.name
    }

    /// The code as it was read last.
    pub(super) fn code(&self) -> Bytes {
        self.code.clone()
    }

    /// The topics of the worker that runs.
    pub(super) fn topics(&self) -> &[String] {
        self.running.as_ref().map_or(&[], |running| &running.topics)
    }

    /// Where the replies of the worker that runs go.
    pub(super) fn reply_topic(&self) -> Option<&str> {
        self.running.as_ref()?.reply_topic.as_deref()
    }

    /// Takes a new content.
    pub(super) fn saved(&mut self, code: Bytes) {
        self.code = code;
    }

    /// Makes the worker as the file is.
    pub(super) async fn deploy(&mut self, client: &Client) -> Outcome {
        let deployed = self.try_deploy(client).await;
        deployed.unwrap_or_else(|error| {
            let running = self.running.as_ref().map(|running| running.version);
            Outcome::Failed { error, running }
        })
    }

    async fn try_deploy(&mut self, client: &Client) -> Result<Outcome, Error> {
        let current = find(client, self.name.as_str()).await?;
        self.seen(current.as_ref());
        let wanted = self.definition()?;
        let plan = plan(&wanted, current.as_ref())?;
        carry_out(client, &wanted, &plan).await?;
        self.seen(find(client, self.name.as_str()).await?.as_ref());
        Ok(match plan {
            Plan::Create => Outcome::Created,
            Plan::Change(change) if change.is_empty() => Outcome::Unchanged,
            Plan::Change(change) => Outcome::Changed(change.names()),
        })
    }

    fn seen(&mut self, worker: Option<&Value>) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.running = worker.map(|worker| Running {
            version: worker["version"].as_u64().unwrap_or_default(),
            topics: worker["topics"].as_array().into_iter().flatten().filter_map(text).collect(),
            reply_topic: text(&worker["replyTopic"]),
        });
    }

    fn definition(&self) -> Result<Definition, Error> {
        let topic: Topic = parsed(self.name.as_str(), Path::new(&self.shown()))?;
        let fixed: Map<String, Value> = [("mimeType".to_owned(), json!(self.mime_type))].into_iter().collect();
        Ok(Definition {
            name: self.name.clone(),
            code: self.code.clone(),
            fixed,
            with_code: Map::new(),
            fields: self.header()?.fields(&topic),
            status: Some(Desired::Running),
        })
    }

    fn header(&self) -> Result<Header, Error> {
        let text = match self.mime_type {
            MimeType::Python | MimeType::CSharp => std::str::from_utf8(&self.code).unwrap_or_default(),
            MimeType::Dll => "",
        };
        Header::read(text).map_err(|error| {
            let hint = "write it as `# workmanager: topic=orders filter=event.type == \"a\"`";
            Error::input(format!("the header of {} cannot be used: {error}", self.shown()), hint)
        })
    }
}

/// A file's stem as a name: what a name may not have becomes a dash.
fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(stem: &str, path: &Path) -> Result<T, Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = stem.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    name.trim_start_matches(['.', '_', '-']).parse().map_err(|error| {
        Error::input(format!("{} gives no name for its worker: {error}", path.display()), "rename the file")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_welcome_worker_is_one_like_any_other() {
        let files = open(&[]).unwrap();
        let definition = files[0].definition().unwrap();
        assert_eq!(definition.name.as_str(), "welcome");
        assert_eq!(definition.fields["topics"], json!(["hello"]));
        assert_eq!(definition.fields["replyTopic"], json!("greetings"));
    }

    #[test]
    fn a_file_is_named_after_itself() {
        let directory = tempfile::tempdir().unwrap();
        let table = [("orders.py", "orders"), ("my worker (1).py", "my-worker--1-"), ("_a.b.cs", "a.b")];
        for (file, name) in table {
            let path = directory.path().join(file);
            std::fs::write(&path, "").unwrap();
            assert_eq!(open(&[path]).unwrap()[0].name.as_str(), name);
        }
    }

    #[test]
    fn what_cannot_be_a_worker_is_refused_before_anything_runs() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("b")).unwrap();
        for file in ["a.py", "a.cs", "a.rb", "b/a.py", "__.py"] {
            std::fs::write(path(file), "").unwrap();
        }
        let table = [
            (vec!["none.py"], "cannot read"),
            (vec!["a.rb"], "no extension that tells"),
            (vec!["b"], "is a directory"),
            (vec!["a.py", "b/a.py"], "would both be the worker `a`"),
            (vec!["__.py"], "gives no name"),
        ];
        for (files, expected) in table {
            let paths: Vec<_> = files.iter().map(|file| path(file)).collect();
            let error = open(&paths).unwrap_err().to_string();
            assert!(error.contains(expected), "{files:?}: {error}");
        }
    }
}

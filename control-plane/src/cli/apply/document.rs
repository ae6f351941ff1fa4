//! Documents: the fields of a worker as people write them, and its code beside.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use serde_json::{Map, Value, json};
use workmanager_core_domain::{
    GroupName, MimeType, Topic, WorkerName,
    units::{Size, Span},
    worker::{Desired, Isolation, Ordering},
};

use crate::cli::{
    definition::Definition,
    error::Error,
    source::{self, Source},
};

/// One worker. What is not named is left as it is; null takes away.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    name: WorkerName,
    code: Option<PathBuf>,
    code_source: Option<Inline>,
    mime_type: Option<MimeType>,
    topic: Option<Topic>,
    topics: Option<Vec<Topic>>,
    #[serde(default, deserialize_with = "named")]
    filter: Option<Option<String>>,
    #[serde(default, deserialize_with = "named")]
    group: Option<Option<GroupName>>,
    #[serde(default, deserialize_with = "named")]
    reply_topic: Option<Option<Topic>>,
    config: Option<BTreeMap<String, String>>,
    tags: Option<BTreeMap<String, Option<String>>>,
    engine: Option<Engine>,
    isolation: Option<Isolation>,
    ordering: Option<Ordering>,
    limits: Option<Limits>,
    status: Option<Desired>,
    // What the server shows and nobody sets: passed over, so that what `get` shows can be applied.
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "language")]
    _language: Option<IgnoredAny>,
    #[serde(rename = "observed")]
    _observed: Option<IgnoredAny>,
    #[serde(rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(rename = "digest")]
    _digest: Option<IgnoredAny>,
    #[serde(rename = "createdAt")]
    _created_at: Option<IgnoredAny>,
    #[serde(rename = "updatedAt")]
    _updated_at: Option<IgnoredAny>,
    #[serde(rename = "revision")]
    _revision: Option<IgnoredAny>,
}

/// Code within the document, as the server shows it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inline {
    content: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Engine {
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    entry: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invariant: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_bytes: Option<Size>,
}

/// A field that is there, be it null.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads every document of `paths`, in order.
///
/// # Errors
/// A file cannot be read, a document is none, or two are about the same worker.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Definition>, Error> {
    let mut definitions: Vec<Definition> = Vec::new();
    for path in paths {
        for path in files(path)? {
            for definition in read_file(&path)? {
                if definitions.iter().any(|other| other.name == definition.name) {
                    let message = format!("{}: there is a second document for `{}`", path.display(), definition.name);
                    return Err(Error::input(message, "keep one of them"));
                }
                definitions.push(definition);
            }
        }
    }
    Ok(definitions)
}

/// The file itself, or the documents of a directory by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if matches!(ending, "yaml" | "yml" | "json") && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        let message = format!("{} has no .yaml, .yml or .json files", path.display());
        return Err(Error::input(message, "name the file itself"));
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Vec<Definition>, Error> {
    let bytes = Source::from(path.as_os_str()).read()?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Error::input(format!("{} is not UTF-8", path.display()), "save it as UTF-8"))?;
    let beside = path.parent().unwrap_or_else(|| Path::new(""));
    let mut definitions = Vec::new();
    // JSON is YAML, so one reader does for both.
    for (index, document) in serde_norway::Deserializer::from_str(text).enumerate() {
        let wrong = |reason: String| {
            let message = format!("{}, document {}: {reason}", path.display(), index + 1);
            Error::input(message, "docs/cli.md shows what a document may have")
        };
        // A document of nothing but comments is null.
        let document: Option<Document> =
            Deserialize::deserialize(document).map_err(|error| wrong(error.to_string()))?;
        if let Some(document) = document {
            definitions.push(document.define(beside, &wrong)?);
        }
    }
    Ok(definitions)
}

impl Document {
    fn define(self, beside: &Path, wrong: &dyn Fn(String) -> Error) -> Result<Definition, Error> {
        let (code, by_extension) = match (self.code, self.code_source) {
            (Some(path), None) => (source::read(&beside.join(&path))?, Some(path)),
            (None, Some(Inline { content })) => {
                let code =
                    STANDARD.decode(content.trim()).map_err(|_| wrong("codeSource.content is not base64".into()))?;
                (Bytes::from(code), None)
            }
            (None, None) => return Err(wrong("it has no `code`: name a file with it".into())),
            (Some(_), Some(_)) => return Err(wrong("it has `code` and `codeSource`: keep one".into())),
        };
        let mime_type = match (self.mime_type, by_extension) {
            (None, Some(path)) => Some(source::mime_type(&path)?),
            (given, _) => given,
        };
        let topics = match (self.topic, self.topics) {
            (Some(topic), Some(topics)) if topics.first() != Some(&topic) => {
                return Err(wrong("it has `topic` and `topics`: keep one".into()));
            }
            (topic, topics) => topics.or_else(|| topic.map(|topic| vec![topic])),
        };
        Ok(Definition {
            name: self.name,
            code,
            fixed: fields([("mimeType", told(&mime_type)), ("isolation", told(&self.isolation))]),
            with_code: fields([("config", told(&self.config)), ("engine", told(&self.engine))]),
            fields: fields([
                ("topics", told(&topics)),
                ("filter", told(&self.filter)),
                ("group", told(&self.group)),
                ("replyTopic", told(&self.reply_topic)),
                ("ordering", told(&self.ordering)),
                ("tags", told(&self.tags)),
                ("limits", told(&self.limits)),
            ]),
            status: self.status,
        })
    }
}

/// The value of a field that was named.
fn told(field: &Option<impl Serialize>) -> Option<Value> {
    field.as_ref().map(|value| json!(value))
}

fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

//! The checks of single fields. Each adds what is wrong to the problems and goes on.

use std::{collections::BTreeMap, fmt::Display, num::NonZeroU32, str::FromStr};

use bytes::Bytes;
use workmanager_core_delivery::Filter;
use workmanager_core_domain::{
    Digest, Limits, Topic,
    version::EngineSettings,
    worker::{Isolation, MAX_TAG_KEY, MAX_TAG_VALUE, MAX_TAGS, Ordering},
};

use super::{Change, CodeDraft, EngineDraft, Error, LimitsDraft, MAX_CODE, Problems};

/// Most topics of a worker.
const MAX_TOPICS: usize = 100;
/// Most entries of `config`.
const MAX_CONFIG: usize = 50;
/// Longest key of `config`, in characters.
const MAX_CONFIG_KEY: usize = 20;
/// Longest value of `config`, in characters.
const MAX_CONFIG_VALUE: usize = 1024;
/// Longest `engine.entry`, in characters.
const MAX_ENTRY: usize = 256;
/// What every event has or may have of its own.
const RESERVED: [&str; 10] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "database64"];

/// Parses a text.
pub(super) fn parse<T>(text: &str, pointer: &str, problems: &mut Problems) -> Option<T>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| problems.push(pointer, error.to_string())).ok()
}

/// At least one topic, none twice.
pub(super) fn topics(texts: &[String], problems: &mut Problems) -> Option<Vec<Topic>> {
    if texts.is_empty() || texts.len() > MAX_TOPICS {
        problems.push("/topics", format!("must have from 1 to {MAX_TOPICS} topics"));
        return None;
    }
    let mut topics = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let pointer = format!("/topics/{at}");
        match parse::<Topic>(text, &pointer, problems) {
            Some(topic) if topics.contains(&topic) => problems.push(pointer, "is there twice"),
            Some(topic) => topics.push(topic),
            None => {}
        }
    }
    (topics.len() == texts.len()).then_some(topics)
}

/// A filter that compiles.
pub(super) fn filter(text: String, problems: &mut Problems) -> Option<String> {
    if text.trim().is_empty() {
        problems.push("/filter", "must not be empty; leave it out to take every event");
        return None;
    }
    match Filter::compile(&text) {
        Ok(_) => Some(text),
        Err(error) => {
            problems.push("/filter", error.to_string());
            None
        }
    }
}

/// Extension attributes that no event has of its own.
pub(super) fn config(config: &BTreeMap<String, String>, problems: &mut Problems) {
    if config.len() > MAX_CONFIG {
        problems.push("/config", format!("must have at most {MAX_CONFIG} entries, has {}", config.len()));
    }
    for (key, value) in config {
        let well_named = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let reason = if key.is_empty() || key.len() > MAX_CONFIG_KEY || !well_named {
            "must be named with 1 to 20 of a-z and 0-9"
        } else if RESERVED.contains(&key.as_str()) || key.starts_with("workmanager") {
            "is a reserved name"
        } else if value.is_empty() || value.chars().count() > MAX_CONFIG_VALUE {
            "must have from 1 to 1024 characters"
        } else if value.chars().any(|c| c.is_ascii_control()) {
            "must not have control characters"
        } else {
            continue;
        };
        problems.push(format!("/config/{}", escape(key)), reason);
    }
}

/// At most 50 tags within their lengths.
pub(super) fn tags(tags: &BTreeMap<String, String>, problems: &mut Problems) {
    tags_at(tags, "/tags", problems);
}

/// [`tags`], for a body that is the tags.
pub(super) fn tags_at(tags: &BTreeMap<String, String>, at: &str, problems: &mut Problems) {
    if tags.len() > MAX_TAGS {
        problems.push(at, format!("must have at most {MAX_TAGS} tags, has {}", tags.len()));
    }
    for (key, value) in tags {
        let pointer = || format!("{at}/{}", escape(key));
        if key.is_empty() || key.chars().count() > MAX_TAG_KEY {
            problems.push(pointer(), format!("must have a key of 1 to {MAX_TAG_KEY} characters"));
        }
        if key.chars().any(char::is_control) {
            problems.push(pointer(), "must have a key without control characters");
        }
        if value.chars().count() > MAX_TAG_VALUE {
            problems.push(pointer(), format!("must have at most {MAX_TAG_VALUE} characters"));
        }
    }
}

/// How the engine treats the code.
pub(super) fn engine(draft: EngineDraft, base: EngineSettings, problems: &mut Problems) -> EngineSettings {
    let entry = draft.entry.or(base.entry);
    if let Some(entry) = &entry {
        let length = entry.chars().count();
        if length == 0 || length > MAX_ENTRY || entry.chars().any(|c| c.is_control() || c.is_whitespace()) {
            problems.push("/engine/entry", format!("must be a name of 1 to {MAX_ENTRY} characters without spaces"));
        }
    }
    EngineSettings { entry, invariant: draft.invariant.unwrap_or(base.invariant) }
}

/// Which of its events keep their order.
pub(super) fn ordering(text: String, problems: &mut Problems) -> Option<Ordering> {
    match text.as_str() {
        "none" => Some(Ordering::None),
        "partitionkey" => Some(Ordering::PartitionKey),
        other => {
            problems.push("/ordering", format!("must be `none` or `partitionkey`, not `{other}`"));
            None
        }
    }
}

/// Where its processes live.
pub(super) fn isolation(text: Option<&str>, problems: &mut Problems) -> Isolation {
    match text {
        None | Some("shared") => Isolation::Shared,
        Some("dedicated") => Isolation::Dedicated,
        Some(other) => {
            problems.push("/isolation", format!("must be `shared` or `dedicated`, not `{other}`"));
            Isolation::Shared
        }
    }
}

/// The limits that come out when `draft` is laid over `base`.
pub(super) fn limits(draft: &LimitsDraft, base: &Limits, problems: &mut Problems) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        timeout: unit(&draft.timeout, base.timeout, default.timeout, "/limits/timeout", problems),
        memory: unit(&draft.memory, base.memory, default.memory, "/limits/memory", problems),
        concurrency: count(&draft.concurrency, base.concurrency, default.concurrency, "/limits/concurrency", problems),
        max_attempts: count(
            &draft.max_attempts,
            base.max_attempts,
            default.max_attempts,
            "/limits/maxAttempts",
            problems,
        ),
        max_age: unit(&draft.max_age, base.max_age, default.max_age, "/limits/maxAge", problems),
        log_bytes: unit(&draft.log_bytes, base.log_bytes, default.log_bytes, "/limits/logBytes", problems),
    };
    for wrong in limits.out_of_range() {
        problems.push(format!("/limits/{}", wrong.field), wrong.reason);
    }
    limits
}

fn unit<T>(change: &Change<String>, base: T, default: T, pointer: &str, problems: &mut Problems) -> T
where
    T: FromStr,
    T::Err: Display,
{
    match change {
        Change::Keep => base,
        Change::Reset => default,
        Change::Set(text) => parse(text, pointer, problems).unwrap_or(base),
    }
}

fn count(
    change: &Change<u64>,
    base: NonZeroU32,
    default: NonZeroU32,
    pointer: &str,
    problems: &mut Problems,
) -> NonZeroU32 {
    match change {
        Change::Keep => base,
        Change::Reset => default,
        Change::Set(number) => {
            let number = u32::try_from(*number).ok().and_then(NonZeroU32::new);
            number.unwrap_or_else(|| {
                problems.push(pointer, "must be from 1 to 4294967295");
                base
            })
        }
    }
}

/// Exactly one of content and URL: the content, or `None` for a URL.
///
/// # Errors
/// `CodeTooLarge`.
pub(super) fn code(draft: Option<CodeDraft>, at: &str, problems: &mut Problems) -> Result<Option<Bytes>, Error> {
    let Some(CodeDraft { content, url, sha256 }) = draft else {
        if !problems.under(at) {
            problems.push(at, "is required");
        }
        return Ok(None);
    };
    if let Some(size) = content.as_ref().map(Bytes::len).filter(|size| *size > MAX_CODE) {
        return Err(Error::CodeTooLarge { size, limit: MAX_CODE });
    }
    match (&content, &url) {
        (Some(_), Some(_)) => problems.push(at, "must have `content` or `url`, not both"),
        (None, None) if !problems.under(at) => problems.push(at, "must have `content` or `url`"),
        (Some(content), None) if content.is_empty() => problems.push(format!("{at}/content"), "must not be empty"),
        (None, Some(url)) if !url.starts_with("http://") && !url.starts_with("https://") => {
            problems.push(format!("{at}/url"), "must begin with http:// or https://");
        }
        (None, _) | (Some(_), None) => {}
    }
    if let Some(text) = sha256 {
        let hex = text.strip_prefix("sha256:").unwrap_or(&text);
        match (Digest::from_hex(hex), &content) {
            (Err(_), _) => problems.push(format!("{at}/sha256"), "must be 64 hex digits"),
            (Ok(expected), Some(content)) if Digest::of(content) != expected => {
                problems.push(format!("{at}/sha256"), format!("is not that of the content, {}", Digest::of(content)));
            }
            (Ok(_), _) => {}
        }
    }
    Ok(content)
}

/// A member's name as a part of a JSON pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

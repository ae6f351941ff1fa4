//! A worker as a caller describes it, and the same once everything about it is checked.

use std::collections::BTreeMap;

use bytes::Bytes;
use workmanager_core_domain::{
    GroupName, Limits, MimeType, Topic, WorkerName,
    version::EngineSettings,
    worker::{Isolation, Ordering},
};

use super::{Change, Error, Problems, check};

/// Most code of one version, in bytes.
pub const MAX_CODE: usize = 50 << 20;
/// The topic of a worker that names none.
const DEFAULT_TOPIC: &str = "time-worker-topic";

/// A worker to be created, as its caller wrote it. What is absent gets its default.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Its name.
    pub name: Option<String>,
    /// The kind of its code.
    pub mime_type: Option<String>,
    /// Its one topic.
    pub topic: Option<String>,
    /// Its topics.
    pub topics: Option<Vec<String>>,
    /// Its filter.
    pub filter: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Where its replies go.
    pub reply_topic: Option<String>,
    /// Attributes for every event.
    pub config: BTreeMap<String, String>,
    /// For people and filters.
    pub tags: BTreeMap<String, String>,
    /// How the engine treats the code.
    pub engine: EngineDraft,
    /// Where its processes live.
    pub isolation: Option<String>,
    /// Which of its events keep their order.
    pub ordering: Option<String>,
    /// What it may use.
    pub limits: LimitsDraft,
    /// Its code.
    pub code: Option<CodeDraft>,
    /// Whether it is started at once.
    pub start: bool,
}

/// [`EngineSettings`] as a caller writes them.
#[derive(Debug, Clone, Default)]
pub struct EngineDraft {
    /// The function or class to call.
    pub entry: Option<String>,
    /// .NET: culture-invariant globalisation.
    pub invariant: Option<bool>,
}

/// [`Limits`] as a caller writes them: in a new worker, what is not set gets its default; in a change,
/// it stays.
#[derive(Debug, Clone, Default)]
pub struct LimitsDraft {
    /// As in `30s`.
    pub timeout: Change<String>,
    /// As in `256MiB`.
    pub memory: Change<String>,
    /// A number.
    pub concurrency: Change<u64>,
    /// A number.
    pub max_attempts: Change<u64>,
    /// As in `6h`.
    pub max_age: Change<String>,
    /// As in `64KiB`.
    pub log_bytes: Change<String>,
}

/// Code as a caller gives it.
#[derive(Debug, Clone, Default)]
pub struct CodeDraft {
    /// The bytes.
    pub content: Option<Bytes>,
    /// Where to fetch them.
    pub url: Option<String>,
    /// Their SHA-256, as 64 hex digits, with or without `sha256:` before them.
    pub sha256: Option<String>,
}

/// A worker to be created, with everything checked but whether its code loads.
#[derive(Debug, Clone)]
pub struct Definition {
    pub(super) name: Option<WorkerName>,
    pub(super) mime_type: MimeType,
    pub(super) topics: Vec<Topic>,
    pub(super) filter: Option<String>,
    pub(super) group: Option<GroupName>,
    pub(super) reply_topic: Option<Topic>,
    pub(super) config: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) engine: EngineSettings,
    pub(super) isolation: Isolation,
    pub(super) ordering: Ordering,
    pub(super) limits: Limits,
    pub(super) code: Bytes,
    pub(super) start: bool,
}

impl Draft {
    /// Checks everything and says all that is wrong at once, with what was `found` wrong before.
    ///
    /// # Errors
    /// `Invalid`; `CodeTooLarge` and `CodeUrl` when only that is wrong.
    pub fn check(self, found: Problems) -> Result<Definition, Error> {
        let mut problems = found;
        let p = &mut problems;
        let name = self.name.and_then(|name| check::parse(&name, "/name", p));
        let mime_type = self.mime_type.map_or(Some(MimeType::Python), |text| check::parse(&text, "/mimeType", p));
        let topics = topics(self.topic, self.topics, p);
        let filter = self.filter.and_then(|filter| check::filter(filter, p));
        let group = self.group.and_then(|group| check::parse(&group, "/group", p));
        let reply_topic = self.reply_topic.and_then(|topic| check::parse(&topic, "/replyTopic", p));
        check::config(&self.config, p);
        check::tags(&self.tags, p);
        let engine = check::engine(self.engine, EngineSettings::default(), p);
        let isolation = check::isolation(self.isolation.as_deref(), p);
        let ordering = self.ordering.and_then(|text| check::ordering(text, p)).unwrap_or_default();
        let limits = check::limits(&self.limits, &Limits::default(), p);
        let code = check::code(self.code, "/codeSource", p)?;
        let (mime_type, topics) = problems.none_or(mime_type.zip(topics))?;
        let definition = Definition {
            name,
            mime_type,
            topics,
            filter,
            group,
            reply_topic,
            config: self.config,
            tags: self.tags,
            engine,
            isolation,
            ordering,
            limits,
            code: code.ok_or(Error::CodeUrl)?,
            start: self.start,
        };
        Ok(definition)
    }
}

fn topics(one: Option<String>, many: Option<Vec<String>>, problems: &mut Problems) -> Option<Vec<Topic>> {
    match (one, many) {
        (Some(_), Some(_)) => {
            problems.push("/topic", "must not be given together with `topics`");
            None
        }
        (None, Some(many)) => check::topics(&many, problems),
        (one, None) => {
            let topic = one.unwrap_or_else(|| DEFAULT_TOPIC.to_owned());
            check::parse(&topic, "/topic", problems).map(|topic| vec![topic])
        }
    }
}

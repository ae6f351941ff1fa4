//! Changes of a definition: a JSON merge patch, field by field.

use std::collections::BTreeMap;

use workmanager_core_domain::{GroupName, Topic, Worker, WorkerName, ports::StoreError, worker::Ordering};

use super::{App, Condition, Error, LimitsDraft, Problems, View, check, version::Memory};

/// What a merge patch says about one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It is not there: the field stays.
    #[default]
    Keep,
    /// It is null: the field goes back to its default.
    Reset,
    /// It is a value.
    Set(T),
}

impl<T> Change<T> {
    /// The value, if there is one.
    #[must_use]
    pub fn into_set(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Reset => None,
        }
    }
}

/// What a merge patch says about a worker.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Its name.
    pub name: Change<String>,
    /// Its topics.
    pub topics: Change<Vec<String>>,
    /// Its filter.
    pub filter: Change<String>,
    /// Its group.
    pub group: Change<String>,
    /// Where its replies go.
    pub reply_topic: Change<String>,
    /// Which of its events keep their order.
    pub ordering: Change<String>,
    /// What it may use.
    pub limits: Change<LimitsDraft>,
    /// Its tags; a tag without a value goes.
    pub tags: Change<BTreeMap<String, Option<String>>>,
}

/// Changes whose own texts are checked.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    name: Option<WorkerName>,
    topics: Option<Vec<Topic>>,
    filter: Option<Option<String>>,
    group: Option<Option<GroupName>>,
    reply_topic: Option<Option<Topic>>,
    ordering: Option<Option<Ordering>>,
    limits: LimitsDraft,
    tags: Change<BTreeMap<String, Option<String>>>,
}

impl Changes {
    fn check(self, worker: &Worker, found: Problems) -> Result<Checked, Error> {
        let mut problems = found;
        let p = &mut problems;
        let name = required(self.name, "/name", p).and_then(|name| check::parse(&name, "/name", p));
        let topics = required(self.topics, "/topics", p).and_then(|topics| check::topics(&topics, p));
        let filter = optional(self.filter, p, check::filter);
        let group = optional(self.group, p, |text, p| check::parse(&text, "/group", p));
        let reply_topic = optional(self.reply_topic, p, |text, p| check::parse(&text, "/replyTopic", p));
        let ordering = optional(self.ordering, p, check::ordering);
        let limits = match self.limits {
            Change::Keep => LimitsDraft::default(),
            Change::Reset => LimitsDraft::reset(),
            Change::Set(draft) => draft,
        };
        check::limits(&limits, &worker.limits, p);
        check::tags(&patched(&worker.tags, &self.tags), p);
        let checked = Checked { name, topics, filter, group, reply_topic, ordering, limits, tags: self.tags };
        problems.none_or(Some(checked))
    }
}

fn required<T>(change: Change<T>, pointer: &str, problems: &mut Problems) -> Option<T> {
    match change {
        Change::Keep => None,
        Change::Reset => {
            problems.push(pointer, "must not be null");
            None
        }
        Change::Set(value) => Some(value),
    }
}

/// `None`: stays. `Some(None)`: goes.
#[expect(clippy::option_option, reason = "the two levels are the two questions: changed? to what?")]
fn optional<T>(
    change: Change<String>,
    problems: &mut Problems,
    check: impl FnOnce(String, &mut Problems) -> Option<T>,
) -> Option<Option<T>> {
    match change {
        Change::Keep => None,
        Change::Reset => Some(None),
        Change::Set(text) => check(text, problems).map(Some),
    }
}

/// The tags that come out when a patch is laid over `tags`.
pub(super) fn patched(
    tags: &BTreeMap<String, String>,
    patch: &Change<BTreeMap<String, Option<String>>>,
) -> BTreeMap<String, String> {
    let mut tags = match patch {
        Change::Reset => BTreeMap::new(),
        Change::Keep | Change::Set(_) => tags.clone(),
    };
    if let Change::Set(patch) = patch {
        for (key, value) in patch {
            match value {
                Some(value) => tags.insert(key.clone(), value.clone()),
                None => tags.remove(key),
            };
        }
    }
    tags
}

impl LimitsDraft {
    fn reset() -> Self {
        Self {
            timeout: Change::Reset,
            memory: Change::Reset,
            concurrency: Change::Reset,
            max_attempts: Change::Reset,
            max_age: Change::Reset,
            log_bytes: Change::Reset,
        }
    }
}

impl Checked {
    /// The worker with the changes. Limits are laid over what is there now, which may be newer than
    /// what they were checked against.
    fn apply(&self, worker: &Worker) -> Result<Worker, Error> {
        let mut next = worker.clone();
        if let Some(name) = &self.name {
            next.name = name.clone();
        }
        if let Some(topics) = &self.topics {
            next.topics.clone_from(topics);
        }
        if let Some(filter) = &self.filter {
            next.filter.clone_from(filter);
        }
        if let Some(group) = &self.group {
            next.group.clone_from(group);
        }
        if let Some(reply_topic) = &self.reply_topic {
            next.reply_topic.clone_from(reply_topic);
        }
        if let Some(ordering) = self.ordering {
            next.ordering = ordering.unwrap_or_default();
        }
        let mut problems = Problems::default();
        next.limits = check::limits(&self.limits, &worker.limits, &mut problems);
        next.tags = patched(&worker.tags, &self.tags);
        check::tags(&next.tags, &mut problems);
        problems.none_or(Some(next))
    }
}

impl App {
    /// Changes a worker's definition. New memory makes a new version, which must load first.
    ///
    /// # Errors
    /// What is wrong with the changes, all of it; `NameTaken`; those of a new version.
    pub async fn change(
        &self,
        reference: &str,
        changes: Changes,
        found: Problems,
        condition: Condition,
    ) -> Result<View, Error> {
        let member = self.get(reference).await?;
        condition.check(member.revision)?;
        let changes = changes.check(&member.worker, found)?;
        let app = self.clone();
        let wait = self.parts.settings.wait;
        self.to_the_end(async move {
            let id = member.worker.id;
            let wanted = changes.apply(&member.worker)?;
            let renamed = wanted.name != member.worker.name;
            let version = match wanted.limits.memory == member.worker.limits.memory {
                true => None,
                false => Some(app.with_memory(&member.worker, Memory(wanted.limits.memory), wait).await?),
            };
            if renamed {
                app.claim_name(&wanted.name, id).await?;
            }
            let edit = |worker: &Worker| {
                let mut next = changes.apply(worker)?;
                if let Some(version) = &version {
                    version.activate(&mut next);
                }
                Ok(next)
            };
            let changed = app.update(id, &condition, edit).await;
            match &changed {
                Ok(_) if renamed => app.release_name(&member.worker.name, id).await,
                // It may have happened: both names stay claimed until the next start.
                Ok(_) | Err(Error::Store(StoreError::Timeout)) => {}
                Err(_) if renamed => app.release_name(&wanted.name, id).await,
                Err(_) => {}
            }
            if let (Err(error), Some(version)) = (&changed, &version) {
                app.discard(version, error).await;
            }
            let changed = changed?;
            app.settle(&changed.worker).await.ok();
            Ok(app.view(&changed).await)
        })
        .await
    }
}

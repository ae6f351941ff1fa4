//! The workers, page by page.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use uuid::Uuid;
use workmanager_core_delivery::{Member, Standing};
use workmanager_core_domain::{GroupName, MimeType, Topic, WorkerId, worker::Desired};

use super::{App, View};

/// Bytes of code in one page; the page ends with the worker that passes it.
const PAGE_BYTES: usize = 16 << 20;
/// Workers whose code is read at the same time.
const READS: usize = 16;

/// Which workers are wanted; all that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// What the user asked for.
    pub status: Option<Desired>,
    /// One of its topics.
    pub topic: Option<Topic>,
    /// Its group.
    pub group: Option<GroupName>,
    /// The kind of its code.
    pub mime_type: Option<MimeType>,
    /// Its name.
    pub name: Option<String>,
    /// `key:value`, or `key` for any value.
    pub tags: Vec<String>,
}

/// Where to go on; opaque to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(WorkerId);

/// A page of workers in the order of their creation.
#[derive(Debug, Clone)]
pub struct Page {
    /// The workers.
    pub workers: Vec<View>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.uuid().as_bytes()))
    }
}

/// Not a cursor of an earlier answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("is not a cursor of an earlier answer")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let uuid = Uuid::from_slice(&bytes).map_err(|_| InvalidCursor)?;
        Ok(Self(WorkerId::new(uuid)))
    }
}

impl Filter {
    fn takes(&self, member: &Member) -> bool {
        let worker = &*member.worker;
        // Of such a one there is nothing to show; the quarantine lists it.
        if member.standing == Standing::Unknown {
            return false;
        }
        let tagged = |wanted: &String| {
            worker.tags.iter().any(|(key, value)| {
                wanted == key
                    || wanted.strip_prefix(key.as_str()).and_then(|rest| rest.strip_prefix(':')) == Some(value)
            })
        };
        self.status.is_none_or(|status| status == worker.desired)
            && self.topic.as_ref().is_none_or(|topic| worker.topics.contains(topic))
            && self.group.as_ref().is_none_or(|group| worker.group.as_ref() == Some(group))
            && self.mime_type.is_none_or(|mime_type| mime_type == worker.mime_type)
            && self.name.as_ref().is_none_or(|name| name == worker.name.as_str())
            && self.tags.iter().all(tagged)
    }
}

impl App {
    /// Up to `limit` workers that `filter` takes, after `cursor`.
    pub async fn list(&self, filter: &Filter, limit: usize, cursor: Option<Cursor>) -> Page {
        let mut found: Vec<Arc<Member>> = {
            let snapshot = self.parts.roster.snapshot();
            let after = snapshot.members_after(cursor.map(|Cursor(id)| id));
            after.filter(|member| filter.takes(member)).take(limit.saturating_add(1)).cloned().collect()
        };
        let mut more = found.len() > limit;
        found.truncate(limit);
        let count = found.len();
        let view = |member: Arc<Member>| async move { self.view(&member).await };
        let mut read = stream::iter(found).map(view).buffered(READS);
        let (mut workers, mut size): (Vec<View>, usize) = (Vec::with_capacity(count), 0);
        while let Some(view) = read.next().await {
            size += view.code.as_ref().map_or(0, Bytes::len);
            workers.push(view);
            if size > PAGE_BYTES && workers.len() < count {
                more = true;
                break;
            }
        }
        let last = workers.last().map(|view| Cursor(view.worker.id));
        Page { workers, next: last.filter(|_| more) }
    }
}

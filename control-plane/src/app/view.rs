//! A worker as it is shown: its definition, its code, and what is true of it now.

use std::sync::Arc;

use bytes::Bytes;
use tracing::warn;
use workmanager_core_delivery::{Member, Reach};
use workmanager_core_domain::{
    Digest, Timestamp, Worker,
    ports::{Revision, ServiceState},
    units::Span,
    worker::{Desired, Isolation},
};

use super::{App, quarantine};
use crate::router::{IntakeState, TopicState};

/// What is true of a worker now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObservedState {
    /// The next event runs it.
    Ready,
    /// On the way there.
    Loading,
    /// It does not get there without help.
    Failed,
    /// Something it needs cannot be read, or its engine dies again and again.
    Quarantined,
    /// It takes no events.
    Stopped,
}

impl ObservedState {
    /// As users see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Loading => "Loading",
            Self::Failed => "Failed",
            Self::Quarantined => "Quarantined",
            Self::Stopped => "Stopped",
        }
    }
}

/// What is true of a worker, since when, and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The state.
    pub state: ObservedState,
    /// In words, where there is something to say.
    pub message: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A worker as it is shown.
#[derive(Debug, Clone)]
pub struct View {
    /// Its definition.
    pub worker: Arc<Worker>,
    /// The definition's revision.
    pub revision: Revision,
    /// What is true of it now.
    pub observed: Observed,
    /// The active version's source, if it is in the store.
    pub code: Option<Bytes>,
}

impl App {
    /// A worker as it is now.
    pub async fn view(&self, member: &Member) -> View {
        let code = self.code(&member.worker.source).await;
        let mut observed = self.observed(member);
        if code.is_none() && observed.state != ObservedState::Stopped {
            observed.state = ObservedState::Quarantined;
            observed.message = Some("its code cannot be read from the store".to_owned());
        }
        View { worker: member.worker.clone(), revision: member.revision, observed, code }
    }

    /// Code, if it can be had.
    pub(super) async fn code(&self, source: &Digest) -> Option<Bytes> {
        match self.parts.blobs.get(source).await {
            Ok(Some(code)) => Some(code),
            Ok(None) => {
                warn!("blob {source} is not in the store");
                None
            }
            Err(error) => {
                warn!("blob {source} cannot be read: {error}");
                None
            }
        }
    }

    fn observed(&self, member: &Member) -> Observed {
        use ObservedState::{Failed, Loading, Quarantined, Ready, Stopped};
        let (worker, told) = (&*member.worker, |state, message, since| Observed { state, message, since });
        if member.is_quarantined() {
            let entry = quarantine::entry_of_worker(worker.id);
            let message = format!("its record cannot be read; restore it by POST /v1/quarantine/{entry}/repair");
            return told(Quarantined, Some(message), worker.updated_at);
        }
        if worker.desired == Desired::Stopped {
            return told(Stopped, None, worker.updated_at);
        }
        if let Some(left) = self.parts.router.pause(worker.id) {
            let message = format!("its engine died again and again: no attempt starts for {}", Span(left));
            return told(Quarantined, Some(message), self.parts.clock.now());
        }
        if let Some(failure) = self.parts.router.board().get(worker.id) {
            return told(Failed, Some(failure.message), failure.since);
        }
        for state in worker.topics.iter().filter_map(|topic| self.parts.router.topic(topic)) {
            let TopicState { topic, since, error, .. } = state;
            match state.state {
                IntakeState::Open => {}
                IntakeState::Failing => {
                    let error = error.as_deref().unwrap_or("the bus refuses");
                    return told(Failed, Some(format!("topic `{topic}` cannot be taken: {error}")), since);
                }
                IntakeState::Opening | IntakeState::Closed => {
                    return told(Loading, Some(format!("topic `{topic}` is being opened")), since);
                }
            }
        }
        if worker.isolation == Isolation::Dedicated {
            let Some(dedicated) = &self.parts.dedicated else {
                let message = "it has no service of its own: this control plane runs without --dedicated";
                return told(Failed, Some(message.to_owned()), worker.updated_at);
            };
            let (state, since) = dedicated.of(worker);
            return match state {
                ServiceState::Ready => told(Ready, None, since),
                ServiceState::Starting { message } => told(Loading, Some(message), since),
                ServiceState::Failed { message } => told(Failed, Some(message), since),
            };
        }
        match self.parts.target.reach(worker.mime_type) {
            Reach::Warm | Reach::Unknown => told(Ready, None, worker.updated_at),
            Reach::Starting => told(Loading, Some("a function is starting".to_owned()), worker.updated_at),
            Reach::Cold => {
                let message = "scaled to zero: the next event starts a function process";
                told(Ready, Some(message.to_owned()), worker.updated_at)
            }
        }
    }
}

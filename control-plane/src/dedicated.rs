//! Services that belong to one worker each: what the platform has follows the definitions.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::{info, warn};
use workmanager_core_delivery::Member;
use workmanager_core_domain::{
    Timestamp, Worker, WorkerId,
    ports::{OwnService, Revision, ServiceError, ServiceState, Services},
    worker::Isolation,
};
use workmanager_core_kit::{chain, field::WORKER_NAME};

use crate::app::App;

/// How often what is not ready is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often everything is compared, whatever has changed: the shared service may have a new image.
const COMPARE: Duration = Duration::from_secs(30);

/// What was last seen of one worker's service.
#[derive(Debug, Clone)]
struct Seen {
    /// The definition that was applied.
    revision: Revision,
    /// Since when there is that.
    updated_at: Timestamp,
    /// When, on the monotonic clock.
    at: Duration,
    state: ServiceState,
    since: Timestamp,
}

/// What was last seen of every worker's own service. Cloning shares it.
#[derive(Clone)]
pub struct Dedicated {
    services: Arc<dyn Services>,
    seen: Arc<Mutex<HashMap<WorkerId, Seen>>>,
}

impl Dedicated {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(services: Arc<dyn Services>) -> Self {
        Self { services, seen: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a worker's service is, and since when. Of the definition before it says nothing.
    #[must_use]
    pub fn of(&self, worker: &Worker) -> (ServiceState, Timestamp) {
        let starting = || ServiceState::Starting { message: "its service is being made".to_owned() };
        let seen = self.lock().get(&worker.id).filter(|seen| seen.updated_at == worker.updated_at).cloned();
        seen.map(|seen| (seen.state, seen.since)).unwrap_or_else(|| (starting(), worker.updated_at))
    }

    /// Makes the platform follow the definitions until the program stops. After each change, because the next must
    /// not wait; and from time to time, because a crash may have come between a definition and its service.
    pub async fn keep(self, app: App) {
        let stopping = app.parts().tasks.stopping();
        let (roster, clock) = (app.parts().roster.clone(), app.parts().clock.clone());
        let mut changes = roster.changes();
        let follow = async {
            let (mut has_changed, mut compared) = (true, clock.monotonic());
            loop {
                self.apply_all(&app).await;
                let now = clock.monotonic();
                if has_changed || now.saturating_sub(compared) >= COMPARE {
                    self.remove_orphans(&app).await;
                    compared = now;
                }
                has_changed = tokio::select! {
                    () = tokio::time::sleep(LOOK) => false,
                    changed = changes.changed() => changed.is_ok(),
                };
            }
        };
        tokio::select! {
            () = follow => {}
            () = stopping.cancelled() => {}
        }
    }

    /// Applies what was never applied, what has changed, what is not ready, and now and then the rest.
    async fn apply_all(&self, app: &App) {
        let (snapshot, clock) = (app.parts().roster.snapshot(), &app.parts().clock);
        self.lock().retain(|id, _| snapshot.get(*id).is_some());
        let whole = snapshot.members().filter(|member| !member.is_quarantined());
        for member in whole.filter(|member| member.worker.isolation == Isolation::Dedicated) {
            let now = clock.monotonic();
            let is_due = self.lock().get(&member.worker.id).is_none_or(|seen| {
                let is_ready = seen.state == ServiceState::Ready;
                seen.revision != member.revision || !is_ready || now.saturating_sub(seen.at) >= COMPARE
            });
            if is_due {
                let applied = self.services.apply(&member.worker).await;
                let is_away = matches!(applied, Err(ServiceError::Unavailable { .. }));
                self.note(member, applied, now, clock.now());
                if is_away {
                    // The others would wait as long for nothing.
                    return;
                }
            }
        }
    }

    fn note(&self, member: &Member, applied: Result<ServiceState, ServiceError>, at: Duration, now: Timestamp) {
        let name = &member.worker.name;
        let mut seen = self.lock();
        let state = applied.unwrap_or_else(|error| match (&error, seen.get(&member.worker.id)) {
            // It runs on, or does not, as before: nobody can say.
            (ServiceError::Unavailable { .. }, Some(known)) if known.revision == member.revision => known.state.clone(),
            (ServiceError::Unavailable { .. }, _) => ServiceState::Starting { message: chain(&error) },
            _ => ServiceState::Failed { message: chain(&error) },
        });
        let since = match seen.entry(member.worker.id) {
            Entry::Occupied(known) if known.get().state == state => known.get().since,
            Entry::Occupied(_) | Entry::Vacant(_) => {
                match &state {
                    ServiceState::Ready => info!({ WORKER_NAME } = %name, "the service of worker `{name}` is ready"),
                    ServiceState::Starting { .. } => {}
                    ServiceState::Failed { message } => {
                        warn!({ WORKER_NAME } = %name, "the service of worker `{name}`: {message}");
                    }
                }
                now
            }
        };
        let (revision, updated_at) = (member.revision, member.worker.updated_at);
        seen.insert(member.worker.id, Seen { revision, updated_at, at, state, since });
    }

    /// Removes services whose worker is gone. The store has the last word: another control plane may have made the
    /// worker a moment ago.
    async fn remove_orphans(&self, app: &App) {
        let services = match self.services.list().await {
            Ok(services) => services,
            Err(error) => return warn!("services without a worker are not known: {}", chain(&error)),
        };
        let is_known = |service: &OwnService| app.parts().roster.snapshot().get(service.worker).is_some();
        for service in services.iter().filter(|service| !is_known(service)) {
            if app.has_record(service.worker).await.unwrap_or(true) {
                continue;
            }
            match self.services.remove(service).await {
                Ok(()) => info!("service {} is removed: its worker is gone", service.name),
                Err(error) => warn!("service {} has no worker, and stays: {}", service.name, chain(&error)),
            }
        }
    }
}

//! The use cases, shared by every API: what can be asked of a control plane, checked once and done in
//! an order that leaves nothing half made.

mod artefact;
mod change;
mod check;
mod claim;
mod code;
mod create;
mod dead_letters;
mod definition;
mod delete;
mod error;
mod explain;
mod invoke;
mod lifecycle;
mod list;
mod load;
mod name;
mod problem;
mod publish;
mod quarantine;
mod settings;
mod store;
mod tags;
mod topics;
mod update;
mod version;
mod view;

use std::{
    collections::HashSet,
    future::Future,
    sync::{Arc, Mutex},
};

pub use change::{Change, Changes};
pub(crate) use check::escape;
pub use claim::{Answer, Claimed, Hold, Request};
pub use code::{CodeChange, HistoryEntry, HistoryPage};
pub use dead_letters::{Letter, LetterFilter, Letters, Many};
pub use definition::{CodeDraft, Definition, Draft, EngineDraft, LimitsDraft, MAX_CODE};
pub use error::{Code, Error};
pub use explain::Story;
pub use invoke::Reply;
pub use list::{Cursor, Filter, Page};
pub use load::{Loaded, load};
pub use problem::{Problem, Problems};
pub use publish::Tail;
pub use quarantine::{Entry, Repaired};
pub use settings::Settings;
pub use topics::TopicView;
pub use update::Condition;
pub use view::{Observed, ObservedState, View};
use workmanager_core_delivery::{Member, Roster, Target};
use workmanager_core_domain::{
    WorkerId,
    ports::{Blobs, Bus, Clock, Ids, Records},
};
use workmanager_core_kit::Tasks;

use crate::{dedicated::Dedicated, router::Router};

/// What the use cases work with.
#[derive(Clone)]
pub struct Parts {
    /// Definitions, versions, names, claims.
    pub records: Arc<dyn Records>,
    /// Code.
    pub blobs: Arc<dyn Blobs>,
    /// Events.
    pub bus: Arc<dyn Bus>,
    /// Where workers run.
    pub target: Arc<dyn Target>,
    /// Services of single workers; without it every worker shares a function.
    pub dedicated: Option<Dedicated>,
    /// The workers that are known here; filled by [`load`] before the router starts.
    pub roster: Arc<Roster>,
    /// Who takes events to them.
    pub router: Router,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
    /// Who runs what must go on when its caller goes away.
    pub tasks: Tasks,
    /// Waits and limits.
    pub settings: Settings,
}

/// The use cases. Cloning shares them.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    /// One at a time changes a worker here, so that the roster follows the store in order.
    writing: Arc<[tokio::sync::Mutex<()>; SHARDS]>,
    /// Claims that a request of this process holds.
    held: Arc<Mutex<HashSet<String>>>,
}

/// Workers that can be changed at the same time.
const SHARDS: usize = 64;

impl App {
    /// The use cases over `parts`.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let writing = Arc::new(std::array::from_fn(|_| tokio::sync::Mutex::new(())));
        Self { parts: Arc::new(parts), writing, held: Arc::default() }
    }

    /// What they work with.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The worker with this id or name.
    ///
    /// # Errors
    /// `NoWorker`, or `WorkerQuarantined` for one whose record cannot be read.
    pub fn find(&self, reference: &str) -> Result<Arc<Member>, Error> {
        let snapshot = self.parts.roster.snapshot();
        let member = match reference.parse::<WorkerId>() {
            Ok(id) => snapshot.get(id),
            Err(_) => snapshot.named(reference),
        };
        let reference = || reference.to_owned();
        match member {
            None => Err(Error::NoWorker { reference: reference() }),
            Some(member) if member.is_quarantined() => {
                let entry = quarantine::entry_of_worker(member.worker.id);
                Err(Error::WorkerQuarantined { reference: reference(), entry })
            }
            Some(member) => Ok(member.clone()),
        }
    }

    /// [`App::find`], which also asks the store: another replica may have made it a moment ago, or of a worker its id
    /// alone is known here.
    ///
    /// # Errors
    /// `NoWorker`, or `WorkerQuarantined`.
    pub async fn get(&self, reference: &str) -> Result<Arc<Member>, Error> {
        match self.find(reference) {
            Err(Error::NoWorker { .. }) => {}
            answer => return answer,
        }
        let id = self.id_of(reference).await;
        if let Some(id) = id
            && self.reread(id).await.is_ok()
            && let Ok(member) = self.find(reference)
        {
            return Ok(member);
        }
        Err(self.unknown(reference, id).await)
    }

    /// Runs a change to its end even if whoever asked for it is gone, so that nothing is left half
    /// made by a closed connection.
    async fn to_the_end<T, F>(&self, change: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.parts.tasks.spawn_infallible(async move {
            // Nobody waiting is fine.
            let _ = sender.send(change.await);
        });
        let stopping = self.parts.tasks.stopping();
        receiver.await.map_err(|_| if stopping.is_cancelled() { Error::Cut } else { Error::Panicked })?
    }

    async fn lock(&self, worker: WorkerId) -> tokio::sync::MutexGuard<'_, ()> {
        let byte = worker.uuid().as_bytes()[15];
        self.writing[usize::from(byte) % SHARDS].lock().await
    }
}

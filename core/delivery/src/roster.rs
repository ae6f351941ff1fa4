//! The workers that are known here, ready to be matched.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};
use workmanager_core_domain::{Topic, Worker, WorkerId, ports::Revision, worker::Desired};

use crate::filter::{Filter, InvalidFilter};

/// How many deliveries may wait in line for a worker, besides those that run.
const IN_LINE: usize = 8;

/// A worker with what matching and running it needs. Replaced as a whole when its definition changes,
/// so whoever holds one sees one definition only.
#[derive(Debug)]
pub struct Member {
    /// Its definition.
    pub worker: Arc<Worker>,
    /// The definition's revision.
    pub revision: Revision,
    /// Room for attempts in flight; shared with the member's successors while the limit stays.
    pub slots: Arc<Semaphore>,
    /// Room for deliveries that are open for it: those that run, and some that wait in line.
    pub places: Arc<Semaphore>,
    /// The definition's filter; shared with the member's successors while its text stays.
    pub filter: MemberFilter,
    /// Whether its record can be read.
    pub standing: Standing,
}

/// Whether a member's record can be read. One that cannot be read does not run; what waits for its worker
/// waits on, and what comes is kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Whole,
    /// It cannot; its definition is known from elsewhere.
    Held,
    /// It cannot, and nothing is known but its id: any topic may be its own.
    Unknown,
}

/// A member's filter.
#[derive(Debug, Clone)]
pub enum MemberFilter {
    /// There is none: every event of its topics matches.
    All,
    /// There is one.
    Stored(Arc<StoredFilter>),
}

/// A filter as its worker's definition has it. It is compiled when it is first asked for, so that a
/// start with many workers does not wait for all of theirs.
#[derive(Debug)]
pub struct StoredFilter {
    text: Box<str>,
    compiled: OnceLock<Result<Filter, InvalidFilter>>,
}

impl StoredFilter {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The filter itself.
    ///
    /// # Errors
    /// A stored text that does not compile any more: no event matches.
    pub fn compiled(&self) -> Result<&Filter, &InvalidFilter> {
        self.compiled.get_or_init(|| Filter::compile(&self.text)).as_ref()
    }
}

impl Member {
    /// Whether it takes events now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.worker.desired == Desired::Running && !self.is_quarantined()
    }

    /// Whether its record cannot be read.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.standing != Standing::Whole
    }
}

/// All members at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    members: BTreeMap<WorkerId, Arc<Member>>,
    names: HashMap<String, WorkerId>,
    topics: HashMap<Topic, Vec<Arc<Member>>>,
    /// Whether there is a worker whose topics are not known.
    has_unknown: bool,
}

/// The current snapshot, and a signal when it changes. Readers never wait.
#[derive(Debug)]
pub struct Roster {
    current: ArcSwap<Snapshot>,
    changed: watch::Sender<u64>,
    writing: std::sync::Mutex<()>,
}

impl Snapshot {
    fn new(members: BTreeMap<WorkerId, Arc<Member>>) -> Self {
        let mut topics: HashMap<Topic, Vec<Arc<Member>>> = HashMap::new();
        let mut names = HashMap::new();
        for member in members.values() {
            let name = member.worker.name.as_str().to_owned();
            // What a second copy says may be older than who has the name now.
            if member.is_quarantined() {
                names.entry(name).or_insert(member.worker.id);
            } else {
                names.insert(name, member.worker.id);
            }
            for topic in &member.worker.topics {
                topics.entry(topic.clone()).or_default().push(member.clone());
            }
        }
        let has_unknown = members.values().any(|member| member.standing == Standing::Unknown);
        Self { members, names, topics, has_unknown }
    }

    /// A member by its id.
    #[must_use]
    pub fn get(&self, id: WorkerId) -> Option<&Arc<Member>> {
        self.members.get(&id)
    }

    /// A member by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Member>> {
        self.names.get(name).and_then(|id| self.members.get(id))
    }

    /// Every member, in the order of ids, which is the order of creation.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// Members after `after`, in the order of ids.
    pub fn members_after(&self, after: Option<WorkerId>) -> impl Iterator<Item = &Arc<Member>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        self.members.range((start, Unbounded)).map(|(_, member)| member)
    }

    /// The members of a topic, running or not.
    #[must_use]
    pub fn on(&self, topic: &Topic) -> &[Arc<Member>] {
        self.topics.get(topic).map_or(&[], Vec::as_slice)
    }

    /// Every topic that a member names.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.keys()
    }

    /// Whether some member takes events of `topic` now.
    #[must_use]
    pub fn is_open(&self, topic: &Topic) -> bool {
        self.on(topic).iter().any(|member| member.is_running())
    }

    /// Whether some member owns `topic`'s events: it ran once and is not deleted. While there is one
    /// whose topics are not known, it may be any topic's owner.
    #[must_use]
    pub fn is_owned(&self, topic: &Topic) -> bool {
        self.has_unknown || self.on(topic).iter().any(|member| member.worker.started_once)
    }
}

impl Default for Roster {
    fn default() -> Self {
        Self { current: ArcSwap::default(), changed: watch::Sender::new(0), writing: std::sync::Mutex::new(()) }
    }
}

impl Roster {
    /// The members now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Tells of every change from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Puts all `workers` in at once, as at a start.
    pub fn load(&self, workers: impl IntoIterator<Item = (Worker, Revision)>) {
        self.change(|members| {
            for (worker, revision) in workers {
                insert(members, worker, revision, Standing::Whole);
            }
        });
    }

    /// Puts `worker` in, or replaces its definition if `revision` is newer than the known one.
    pub fn put(&self, worker: Worker, revision: Revision) {
        self.change(|members| insert(members, worker, revision, Standing::Whole));
    }

    /// Puts workers in whose records cannot be read, unless their definitions are known from before.
    pub fn hold(&self, workers: impl IntoIterator<Item = (Worker, Revision, Standing)>) {
        let mut workers = workers.into_iter().peekable();
        if workers.peek().is_none() {
            return;
        }
        self.change(|members| {
            for (worker, revision, standing) in workers {
                if members.get(&worker.id).is_none_or(|known| known.is_quarantined()) {
                    insert(members, worker, revision, standing);
                }
            }
        });
    }

    /// Takes a worker out.
    pub fn remove(&self, id: WorkerId) {
        self.change(|members| {
            members.remove(&id);
        });
    }

    fn change(&self, edit: impl FnOnce(&mut BTreeMap<WorkerId, Arc<Member>>)) {
        let _writing = self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut members = self.current.load().members.clone();
        edit(&mut members);
        self.current.store(Arc::new(Snapshot::new(members)));
        self.changed.send_modify(|count| *count += 1);
    }
}

fn insert(members: &mut BTreeMap<WorkerId, Arc<Member>>, worker: Worker, revision: Revision, standing: Standing) {
    let known = members.get(&worker.id);
    // A record that cannot be read says nothing by its revision.
    if known.is_some_and(|known| !known.is_quarantined() && known.revision >= revision) {
        return;
    }
    let concurrency = worker.limits.concurrency.get() as usize;
    let (slots, places) =
        known.filter(|known| known.worker.limits.concurrency == worker.limits.concurrency).map_or_else(
            || (room(concurrency), room(concurrency + IN_LINE)),
            |known| (known.slots.clone(), known.places.clone()),
        );
    let filter = known
        .filter(|known| known.worker.filter == worker.filter)
        .map_or_else(|| worker.filter.as_deref().map_or(MemberFilter::All, stored), |known| known.filter.clone());
    members.insert(worker.id, Arc::new(Member { worker: Arc::new(worker), revision, slots, places, filter, standing }));
}

fn room(places: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(places))
}

fn stored(text: &str) -> MemberFilter {
    MemberFilter::Stored(Arc::new(StoredFilter { text: text.into(), compiled: OnceLock::new() }))
}

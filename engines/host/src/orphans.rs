//! Processes that a worker started and left behind. Because this process is a subreaper they become
//! its children; they are killed once their worker is gone.

use std::{
    collections::HashSet,
    fs,
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use ::metrics::counter;
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use tracing::warn;
use workmanager_core_kit::Tasks;

use crate::{Child, metrics::ORPHANS};

static KNOWN: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);
static OWNS_ALL: AtomicBool = AtomicBool::new(false);
static NEWBORN: AtomicUsize = AtomicUsize::new(0);

/// Makes this process the parent of what its descendants leave behind, and every child that it does not
/// know an orphan to be killed. For a process that starts nothing but engines.
///
/// # Errors
/// The system has no subreapers.
pub fn own_all_children() -> std::io::Result<()> {
    adopt_descendants()?;
    OWNS_ALL.store(true, Ordering::SeqCst);
    Ok(())
}

/// Makes this process the parent of what its descendants leave behind.
fn adopt_descendants() -> std::io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// While it lives, a child that is not known may be one that is just being born.
#[derive(Debug)]
pub struct Newborn(());

impl Newborn {
    /// Expects a child that is forked by another process and comes here by losing its parent.
    ///
    /// # Errors
    /// The system has no subreapers.
    pub fn expect() -> std::io::Result<Self> {
        adopt_descendants()?;
        Ok(Self::begin())
    }

    /// Begins before a child of this process is started, and ends when it is known.
    pub(crate) fn begin() -> Self {
        NEWBORN.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Newborn {
    fn drop(&mut self) {
        NEWBORN.fetch_sub(1, Ordering::SeqCst);
    }
}

fn known() -> MutexGuard<'static, HashSet<Pid>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn know(pid: Pid) {
    known().insert(pid);
}

pub(crate) fn forget(pid: Pid) {
    known().remove(&pid);
}

/// Ends children that were forked for this process and never said who they are.
pub fn end_stillborn(tasks: &Tasks) {
    sweep_where(tasks, |_| false);
}

/// Kills what the worker that led session `session` left behind. The killed become known children and
/// are reaped like all others; what they leave behind in turn is swept then.
pub(crate) fn sweep(session: Pid, tasks: &Tasks) {
    sweep_where(tasks, |pid| session_of(pid) == Some(session));
}

fn sweep_where(tasks: &Tasks, ours: impl Fn(Pid) -> bool) {
    let children = children();
    // Only now: who was born before that is known by now, unless somebody is still being born.
    let all = OWNS_ALL.load(Ordering::SeqCst) && NEWBORN.load(Ordering::SeqCst) == 0;
    for pid in children {
        if known().contains(&pid) || !(all || ours(pid)) {
            continue;
        }
        counter!(ORPHANS).increment(1);
        let killed = kill_process(pid, Signal::KILL);
        if let Err(error) = killed.map_err(std::io::Error::from).and_then(|()| Child::watch(pid, tasks).map(drop)) {
            warn!("cannot end process {pid}, which a worker left behind: {error}");
        }
    }
}

/// The children of every thread of this process.
fn children() -> Vec<Pid> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let text: String = lists.collect();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect()
}

/// The session of a process: the sixth field of its `stat`, counted after the name in parentheses.
fn session_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(3)?.parse().ok().and_then(Pid::from_raw)
}

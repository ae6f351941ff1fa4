//! A run in a few lines, for people and for programs.

use std::{collections::BTreeMap, fmt, fs::OpenOptions, io::Write as _, path::Path, time::Duration};

use serde::Serialize;
use workmanager_core_domain::EventRecord;

use crate::{
    fault::{Kind, Target},
    history::{Execution, History},
    injector::count,
    oracle::{Judgement, Violation},
};

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Repeats its plan.
    pub seed: u64,
    /// Events that were published.
    pub events: usize,
    /// Of those, accepted.
    pub accepted: usize,
    /// Publications that were sent again.
    pub sent_again: u64,
    /// Copies that were told to be copies.
    pub duplicate_copies: u64,
    /// Runs of workers.
    pub executions: usize,
    /// Kills by target.
    pub kills: BTreeMap<Target, usize>,
    /// Pauses by target.
    pub pauses: BTreeMap<Target, usize>,
    /// Second executions that a kill explains, by whose kill it was.
    pub duplicates: BTreeMap<Target, usize>,
    /// Second executions that nothing explains.
    pub unexplained: usize,
    /// Replies that were published again, explained.
    pub duplicate_replies: usize,
    /// The longest time from a kill until work went on without the killed: for a child until the event
    /// that it had ran again, else until the next execution elsewhere.
    pub longest_recovery_ms: BTreeMap<Target, u64>,
    /// The longest time from an event's acceptance until every worker was done with it.
    pub longest_delivery_ms: u64,
    /// From the last fault until there was nothing to do.
    pub settled_ms: u64,
    /// The whole run.
    pub elapsed_ms: u64,
    /// What must not have happened.
    pub violations: Vec<String>,
}

/// How long a run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) settled: Duration,
    pub(crate) elapsed: Duration,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Summary {
    pub(crate) fn new(seed: u64, history: &History, judgement: &Judgement, times: Times) -> Self {
        let publications = &history.publications;
        let by_target = |is: fn(Kind) -> bool| {
            let counts = Target::ALL.map(|target| (target, count(&history.faults, target, is)));
            counts.into_iter().filter(|(_, count)| *count > 0).collect()
        };
        let mut duplicates = BTreeMap::new();
        for duplicate in &judgement.duplicates {
            *duplicates.entry(duplicate.killed).or_default() += 1;
        }
        Self {
            seed,
            events: publications.len(),
            accepted: publications.iter().filter(|publication| publication.accepted.is_some()).count(),
            sent_again: publications.iter().map(|publication| u64::from(publication.tries) - 1).sum(),
            duplicate_copies: history.records.iter().map(|record| u64::from(record.duplicates)).sum(),
            executions: history.executions.len(),
            kills: by_target(|kind| kind == Kind::Kill),
            pauses: by_target(|kind| kind != Kind::Kill),
            duplicates,
            unexplained: judgement.violations.iter().filter(|one| matches!(one, Violation::RunAgain { .. })).count(),
            duplicate_replies: judgement.duplicate_replies,
            longest_recovery_ms: recoveries(history, judgement),
            longest_delivery_ms: history.records.iter().filter_map(took).map(millis).max().unwrap_or(0),
            settled_ms: millis(times.settled),
            elapsed_ms: millis(times.elapsed),
            violations: judgement.violations.iter().map(ToString::to_string).collect(),
        }
    }

    /// Adds itself to a file as a line of JSON.
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn append(&self, path: &Path) {
        let mut line = serde_json::to_vec(self).expect("a summary is JSON");
        line.push(b'\n');
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(&line)).expect("the report can be written");
    }
}

fn took(record: &EventRecord) -> Option<Duration> {
    record.finished_at.map(|at| at.since(record.accepted_at))
}

fn recoveries(history: &History, judgement: &Judgement) -> BTreeMap<Target, u64> {
    let mut longest = BTreeMap::new();
    let mut note = |target, after| {
        let longest: &mut u64 = longest.entry(target).or_default();
        *longest = millis(after).max(*longest);
    };
    let mut runs: Vec<&Execution> = history.executions.iter().collect();
    runs.sort_by_key(|run| run.started);
    for fault in history.faults.iter().filter(|fault| fault.kind == Kind::Kill) {
        let is_elsewhere = |run: &Execution| match fault.target {
            Target::ControlPlane => history.homes.get(&run.function) != Some(&fault.pid),
            Target::Function => run.function != fault.pid,
            Target::Zygote | Target::Child => false,
        };
        let later = &runs[runs.partition_point(|run| run.started <= fault.at)..];
        if let Some(next) = later.iter().find(|run| is_elsewhere(run)) {
            note(fault.target, next.started.since(fault.at));
        }
    }
    for duplicate in judgement.duplicates.iter().filter(|duplicate| duplicate.killed == Target::Child) {
        note(Target::Child, duplicate.after);
    }
    longest
}

/// `3 control plane, 4 child`, or `none`.
fn by_target<N: fmt::Display>(counts: &BTreeMap<Target, N>, unit: &str) -> String {
    let parts: Vec<_> = counts.iter().map(|(target, count)| format!("{count}{unit} {target}")).collect();
    if parts.is_empty() { "none".into() } else { parts.join(", ") }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, events, accepted, sent_again, duplicate_copies, executions, .. } = self;
        let seconds = Duration::from_millis(self.elapsed_ms).as_secs_f64();
        writeln!(f, "chaos: seed {seed}, {seconds:.1} s, {} violations", self.violations.len())?;
        writeln!(f, "  events      {events} published, {accepted} accepted, {sent_again} sent again")?;
        writeln!(f, "  executions  {executions}, {duplicate_copies} copies told apart")?;
        writeln!(f, "  kills       {}", by_target(&self.kills, ""))?;
        writeln!(f, "  pauses      {}", by_target(&self.pauses, ""))?;
        let reasons = by_target(&self.duplicates, " by the kill of a");
        writeln!(f, "  ran again   {reasons}; {} without a reason", self.unexplained)?;
        writeln!(f, "  recovery    {} at the longest", by_target(&self.longest_recovery_ms, " ms"))?;
        writeln!(f, "  delivery    {} ms at the longest", self.longest_delivery_ms)?;
        writeln!(f, "  settled     {} ms after the last fault", self.settled_ms)
    }
}

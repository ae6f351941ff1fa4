//! One run, from the first start to the judgement.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use workmanager_tests_e2e::within;

use crate::{
    client::Client,
    family,
    fault::{FaultLog, Target},
    history::{Descriptors, History},
    injector::Injector,
    ledger, leftovers,
    oracle::{self, Judgement},
    plan::{Mix, Plan},
    plane::{Place, Plane},
    publishers::{Load, Publishers},
    replies,
    sink::Sink,
    summary::{Summary, Times},
    workload::{self, WORKERS},
};

/// Mean time between two faults.
const EVERY: Duration = Duration::from_millis(300);
/// From one event to the next.
const PACE: Duration = Duration::from_millis(10);
/// How much longer than its publication the work may take while faults go on.
const STRUGGLE: Duration = Duration::from_secs(30);
/// How long it may take, once nothing is broken any more, until there is nothing to do.
const HEAL: Duration = Duration::from_secs(60);

/// What a run is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Repeats the plan.
    pub seed: u64,
    /// How many events.
    pub events: u64,
    /// What is broken.
    pub mix: Mix,
    /// Where the summary goes as JSON.
    pub report: Option<PathBuf>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// In a few lines.
    pub summary: Summary,
    /// What happened.
    pub history: History,
    /// What the judge found.
    pub judgement: Judgement,
    /// Logs and data, kept if something was found.
    pub kept: Option<PathBuf>,
}

impl Outcome {
    /// Fails if anything happened that must not.
    ///
    /// # Panics
    /// Something did.
    #[track_caller]
    pub fn expect_clean(&self) {
        const SHOWN: usize = 20;
        let violations = &self.summary.violations;
        if !violations.is_empty() {
            let (seed, shown) = (self.summary.seed, violations[..violations.len().min(SHOWN)].join("\n"));
            let kept = self.kept.as_deref().unwrap_or(Path::new("nowhere")).display();
            panic!(
                "{} violations; WORKMANAGER_CHAOS_SEED={seed} repeats the plan; logs and data are in {kept}:\n{shown}",
                violations.len()
            );
        }
    }
}

/// Runs the lab.
///
/// # Panics
/// It cannot be set up, or the product does not come to rest.
#[must_use]
pub fn run(settings: &Settings) -> Outcome {
    let Settings { seed, events, .. } = settings;
    say(&format!("chaos: {events} events, seed {seed}; WORKMANAGER_CHAOS_SEED={seed} repeats the plan\n"));
    let begun = Instant::now();
    let directory = tempfile::Builder::new().prefix("workmanager-chaos-").tempdir().expect("a temporary directory");
    let mut history = History { workers: WORKERS.to_vec(), ..History::default() };
    let settled = experiment(settings, directory.path(), &mut history);
    let judgement = oracle::judge(&history);
    let times = Times { settled, elapsed: begun.elapsed() };
    let summary = Summary::new(*seed, &history, &judgement, times);
    say(&summary.to_string());
    if let Some(report) = &settings.report {
        summary.append(report);
    }
    let kept = (!judgement.violations.is_empty()).then(|| directory.keep());
    Outcome { summary, history, judgement, kept }
}

/// Fills in the history; says how long it took to settle after the last fault.
fn experiment(settings: &Settings, directory: &Path, history: &mut History) -> Duration {
    let sink = Sink::listen();
    let place = Place::new(directory.to_owned(), directory.join("data"), &[]);
    let (port, data, temporary) = (place.port, place.data.clone(), place.temporary());
    let plane = Arc::new(Plane::start(place));
    let client = Client::new(port);
    workload::deploy(&client, sink.address());
    workload::warm_up(&client);
    quiet(&client, settings.seed);
    let before = census(&plane);

    let log = Arc::new(FaultLog::create(&directory.join("faults.jsonl")));
    let plan = Plan::new(settings.seed, settings.mix.clone(), EVERY);
    let injector = Injector::start(plan, plane.clone(), log.clone());
    let span = PACE.mul_f64(settings.events as f64);
    let deadline = Instant::now() + span + STRUGGLE;
    let publishers = Publishers::start(port, Load { events: settings.events, pace: PACE, deadline });
    history.publications = publishers.finish();
    let all = (history.publications.len() + 1) * WORKERS.len();
    while sink.finished() < all && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    injector.stop();
    let healed = Instant::now();
    plane.healthy();
    quiet(&client, settings.seed);
    let settled = healed.elapsed();

    history.replies = replies::read(&client);
    history.descriptors = compare(&before, &plane);
    let mut plane = Arc::into_inner(plane).expect("the injector has let go of it");
    let status = plane.stop();
    history.leftovers = leftovers::find(directory, &temporary);
    if !status.success() {
        history.leftovers.push(format!("the last control plane ended with {status}"));
    }
    let ledger = ledger::read(&data);
    (history.records, history.stuck) = (ledger.records, ledger.stuck);
    history.executions = sink.close();
    (history.faults, history.homes, history.deaths) = (log.all(), plane.homes(), plane.deaths());
    workload::forget_warm_up(history);
    settled
}

fn quiet(client: &Client, seed: u64) {
    within(HEAL, &format!("there is nothing to do any more (seed {seed})"), || {
        workload::is_quiet(client).filter(|is_quiet| *is_quiet)
    });
}

/// The processes that live now, and their descriptors.
fn census(plane: &Plane) -> Vec<(&'static str, u32, usize)> {
    let Some(control_plane) = plane.pid() else { return Vec::new() };
    let function = family::find(control_plane, Target::Function);
    let named = [("the control plane", Some(control_plane)), ("the function", function.first().copied())];
    named.into_iter().filter_map(|(name, pid)| Some((name, pid?, family::descriptors(pid?)?))).collect()
}

/// Whoever lived through it all, once there are no more descriptors than before, or for what there is.
fn compare(before: &[(&'static str, u32, usize)], plane: &Plane) -> Vec<Descriptors> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let start = Instant::now();
    loop {
        let now = census(plane);
        let same = before.iter().filter_map(|(process, pid, before)| {
            let (_, _, after) = now.iter().find(|(_, other, _)| other == pid)?;
            Some(Descriptors { process, before: *before, after: *after })
        });
        let same: Vec<_> = same.collect();
        if same.iter().all(|one| one.after <= one.before) || start.elapsed() > PATIENCE {
            return same;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Not by `eprintln!`, which the test harness keeps to itself.
fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).expect("standard error");
}

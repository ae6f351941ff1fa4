//! One run, from the first start to the judgement.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use workmanager_tests_e2e::within;

use crate::{
    client::{Answer, Client},
    family,
    fault::{FaultLog, Target},
    history::{Descriptors, History},
    injector::{self, Injector},
    ledger, leftovers,
    oracle::{self, Judgement},
    plan::{Mix, Plan},
    plane::{Place, Plane},
    publishers::{Load, Publishers},
    replies,
    sink::Sink,
    summary::{Summary, Times},
    workload::{self, TOPIC, WORKERS},
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
    /// Logs and data, kept if something must not have happened.
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
    let (lab, mut history) = (Lab::open(None), History::default());
    let settled = lab.struggle(settings, &mut history);
    let directory = lab.close(&mut history);
    let judgement = oracle::judge(&history);
    let times = Times { settled, elapsed: begun.elapsed() };
    let summary = Summary::new(*seed, &history, &judgement, times);
    say(&summary.to_string());
    if let Some(report) = &settings.report {
        summary.append(report);
    }
    let kept = (!judgement.violations.is_empty()).then(|| keep(directory, &history));
    Outcome { summary, history, judgement, kept }
}

/// Keeps the logs and the data, with everything that the judge knew.
fn keep(directory: TempDir, history: &History) -> PathBuf {
    let directory = directory.keep();
    std::fs::write(directory.join("history.txt"), format!("{history:#?}")).expect("the history can be kept");
    directory
}

/// A running product with its witnesses.
#[derive(Debug)]
pub struct Lab {
    directory: TempDir,
    place: Place,
    sink: Sink,
    plane: Arc<Plane>,
    client: Client,
    log: Arc<FaultLog>,
}

impl Lab {
    /// Starts everything; the data is in `data`, or in the lab's own directory.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn open(data: Option<PathBuf>) -> Self {
        let made = tempfile::Builder::new().prefix("workmanager-chaos-").tempdir();
        let directory = made.expect("a temporary directory");
        let own = directory.path().join("data");
        let place = Place::new(directory.path().to_owned(), data.unwrap_or(own));
        let (sink, plane) = (Sink::listen(), Arc::new(Plane::start(place.clone())));
        let client = Client::new(place.port);
        workload::deploy(&client, sink.address());
        let log = Arc::new(FaultLog::create(&directory.path().join("faults.jsonl")));
        Self { directory, place, sink, plane, client, log }
    }

    /// Asks the control plane.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Publishes an event once. It keeps each worker busy for so long, and is larger than it must be by
    /// `padding` bytes.
    #[must_use]
    pub fn publish(&self, event: u64, millis: u64, padding: usize) -> Option<Answer> {
        self.client.publish(TOPIC, &event.to_string(), &workload::data(event, millis, padding))
    }

    /// How many pairs of event and worker have an execution that came to its end.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.sink.finished()
    }

    /// Kills the control plane the moment it has a process below it, and waits until it is gone.
    ///
    /// # Panics
    /// It does not come to have one.
    pub fn kill_with_newborn(&self) {
        let strike = |pid: &u32| family::has_child(*pid) && injector::kill(*pid, &self.log);
        let killed = within(HEAL, "there is a process below the control plane", || {
            // Looks many times before it pauses: a process is new for a few milliseconds only.
            (0..1_000).find_map(|_| self.plane.pid().filter(strike))
        });
        within(HEAL, "the killed is gone", || (self.plane.pid() != Some(killed)).then_some(()));
    }

    /// Waits until the control plane says that there is nothing to do any more.
    ///
    /// # Panics
    /// Not in time.
    pub fn quiet(&self) {
        within(HEAL, "there is nothing to do any more", || {
            workload::is_quiet(&self.client).filter(|is_quiet| *is_quiet)
        });
    }

    /// Stops everything, and adds to the history what the witnesses say. Gives back the directory with the
    /// logs.
    ///
    /// # Panics
    /// It does not stop, or its store cannot be read.
    #[must_use]
    pub fn close(self, history: &mut History) -> TempDir {
        let Self { directory, place, sink, plane, client, log } = self;
        history.workers = WORKERS.to_vec();
        history.replies = replies::read(&client);
        let mut plane = Arc::into_inner(plane).expect("nobody else has it");
        let status = plane.stop();
        history.leftovers = leftovers::find(directory.path(), &place.temporary());
        if !status.success() {
            history.leftovers.push(format!("the last control plane ended with {status}"));
        }
        let ledger = ledger::read(&place.data);
        (history.records, history.stuck) = (ledger.records, ledger.stuck);
        history.executions = sink.close();
        (history.faults, history.homes, history.deaths) = (log.all(), plane.homes(), plane.deaths());
        workload::forget_warm_up(history);
        directory
    }

    /// Publishes while things are broken, until all is done. Says how long it took to settle after the last
    /// fault.
    fn struggle(&self, settings: &Settings, history: &mut History) -> Duration {
        workload::warm_up(&self.client);
        self.quiet();
        let before = census(&self.plane);
        let plan = Plan::new(settings.seed, settings.mix.clone(), EVERY);
        let injector = Injector::start(plan, self.plane.clone(), self.log.clone());
        let deadline = Instant::now() + PACE.mul_f64(settings.events as f64) + STRUGGLE;
        let load = Load { events: settings.events, pace: PACE, deadline };
        history.publications = Publishers::start(self.place.port, load).finish();
        // What warmed up is one event more.
        let all = (history.publications.len() + 1) * WORKERS.len();
        while self.sink.finished() < all && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        injector.stop();
        let healed = Instant::now();
        self.plane.healthy();
        self.quiet();
        let settled = healed.elapsed();
        history.descriptors = compare(&before, &self.plane);
        settled
    }
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

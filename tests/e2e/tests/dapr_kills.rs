//! Two replicas, their sidecars, Redis, functions and workers are killed at random while events come in over
//! eight topics: the broker has a reply to every accepted event in the end, and no two with different ids.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a lab that cannot go on fails, and says what it does")]

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use ureq::Agent;
use workmanager_tests_e2e::{Redis, Sidecar, base64, command_line, descendants, eventually};

const TOPICS: u64 = 8;
/// Each run says something else.
const ECHO: &str =
    "import uuid\n\ndef Process(event):\n    return {'type': 'done', 'data': [event['data'], str(uuid.uuid4())]}\n";
/// How long what was accepted may take to its end, once nothing is killed any more.
const SETTLED: Duration = Duration::from_secs(120);
/// How long the answer to a publication can be on its way, in milliseconds.
const ANSWERED: u64 = 1_000;

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    ControlPlane,
    Sidecar,
    Redis,
    Function,
    Worker,
}

const VICTIMS: [Victim; 5] = [Victim::ControlPlane, Victim::Sidecar, Victim::Redis, Victim::Function, Victim::Worker];

/// A control plane that is started again and again.
struct Plane {
    url: String,
    command: Command,
    child: Option<Child>,
}

impl Plane {
    fn new(redis: &Redis, sidecar: &Sidecar, name: &str) -> Self {
        let (mut command, url) = redis.serve(sidecar, name);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut plane = Self { url, command, child: None };
        plane.run();
        plane
    }

    fn run(&mut self) {
        self.child = Some(self.command.spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Everything that can be killed.
struct Lab {
    redis: Redis,
    sidecars: [Sidecar; 2],
    planes: [Plane; 2],
    chance: fastrand::Rng,
    /// Who is still to be killed in this round: everybody is, once, before anybody is again.
    deck: Vec<Victim>,
    killed: BTreeMap<Victim, u32>,
    /// When, in milliseconds since 1970.
    kills: Vec<u64>,
}

impl Lab {
    /// Kills something, and starts it again a moment later.
    fn kill(&mut self) {
        self.kills.push(u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap());
        if self.deck.is_empty() {
            self.deck = VICTIMS.to_vec();
            self.chance.shuffle(&mut self.deck);
        }
        let (victim, at) = (self.deck[0], self.chance.usize(..2));
        let pause = Duration::from_millis(self.chance.u64(..500));
        match victim {
            Victim::ControlPlane => {
                self.planes[at].kill();
                thread::park_timeout(pause);
                self.planes[at].run();
            }
            Victim::Sidecar => {
                self.sidecars[at].kill();
                thread::park_timeout(pause);
                self.sidecars[at].run();
            }
            Victim::Redis => {
                self.redis.kill();
                thread::park_timeout(pause);
                self.redis.run();
            }
            Victim::Function | Victim::Worker => {
                let Some(plane) = self.planes[at].child.as_ref().map(Child::id) else { return };
                let is_function = |pid: &u32| command_line(*pid).contains("workmanager function");
                let mut found = descendants(plane);
                found.retain(|pid| is_function(pid) == (victim == Victim::Function));
                let Some(pid) = self.chance.choice(found) else {
                    // The other replica may have one.
                    return self.deck.rotate_left(1);
                };
                // It may have ended by itself meanwhile.
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
                if kill_process(pid, Signal::KILL).is_err() {
                    return;
                }
            }
        }
        self.deck.remove(0);
        *self.killed.entry(victim).or_default() += 1;
    }
}

fn agent(patience: Duration) -> Agent {
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience)).build().into()
}

fn is_healthy(agent: &Agent, url: &str) -> Option<()> {
    let answer = agent.get(format!("{url}/health")).call().ok()?;
    (answer.status() == 200).then_some(())
}

/// Publishes every eighth event to its topic, at one replica or the other until one has accepted it.
fn publish(urls: &[String; 2], events: impl Iterator<Item = u64>, accepted: &AtomicU64, mut chance: fastrand::Rng) {
    let agent = agent(Duration::from_secs(5));
    for number in events {
        let topic = number % TOPICS;
        let event =
            json!({ "specversion": "1.0", "id": number.to_string(), "source": "/lab", "type": "t", "data": number });
        let event = event.to_string();
        let mut at = chance.usize(..2);
        loop {
            let request = agent.post(format!("{}/v1/topics/t{topic}/events", urls[at]));
            let answer = request.header("content-type", "application/cloudevents+json").send(&event);
            if answer.is_ok_and(|answer| answer.status() == 202) {
                break;
            }
            at = 1 - at;
            thread::park_timeout(Duration::from_millis(100));
        }
        accepted.fetch_add(1, Ordering::Relaxed);
        thread::park_timeout(Duration::from_millis(chance.u64(..160)));
    }
}

/// A reply as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reply {
    /// When the broker took it.
    at: u64,
    id: String,
    /// Tells the run that it is of.
    run: String,
}

/// The replies that the broker has, by the id of the event that each answers.
fn replies(redis: &Redis) -> BTreeMap<String, Vec<Reply>> {
    let mut replies: BTreeMap<String, Vec<Reply>> = BTreeMap::new();
    for (at, reply) in redis.entries("replies") {
        let text = |name: &str| reply[name].as_str().unwrap_or_default().to_owned();
        let run = reply["data"][1].as_str().unwrap_or_default().to_owned();
        replies.entry(text("causationid")).or_default().push(Reply { at, id: text("id"), run });
    }
    replies
}

impl Lab {
    /// Two replicas that take eight topics. `None`, with a loud word, where a tool is missing.
    fn start() -> Option<Self> {
        let seed = seed();
        let redis = Redis::start()?;
        println!("WORKMANAGER_CHAOS_SEED={seed}");
        let mut sidecars = [redis.sidecar(None), redis.sidecar(None)];
        sidecars.iter_mut().for_each(Sidecar::run);
        let planes = [Plane::new(&redis, &sidecars[0], "one"), Plane::new(&redis, &sidecars[1], "other")];
        let agent = agent(Duration::from_secs(60));
        planes.iter().for_each(|plane| eventually("a replica is healthy", || is_healthy(&agent, &plane.url)));
        let topics: Vec<_> = (0..TOPICS).map(|topic| format!("t{topic}")).collect();
        let worker = json!({ "name": "w", "topics": topics, "replyTopic": "replies", "start": true,
                             "limits": { "maxAttempts": 100 }, "codeSource": { "content": base64(ECHO) } });
        let request = agent.post(format!("{}/v1/workers", planes[0].url)).header("content-type", "application/json");
        assert_eq!(request.send(worker.to_string()).unwrap().status(), 201);
        eventually("the other replica takes the topics too", || {
            let mut answer = agent.get(format!("{}/v1/workers/w", planes[1].url)).call().ok()?;
            answer.body_mut().read_to_string().ok()?.contains("\"Ready\"").then_some(())
        });
        let chance = fastrand::Rng::with_seed(seed);
        Some(Self { redis, sidecars, planes, chance, deck: Vec::new(), killed: BTreeMap::new(), kills: Vec::new() })
    }

    /// Has so many events accepted, and kills all the time meanwhile.
    fn flood(&mut self, events: u64) {
        let (accepted, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let urls = self.planes.each_ref().map(|plane| plane.url.clone());
        let chances: Vec<_> = (0..TOPICS).map(|_| self.chance.fork()).collect();
        thread::scope(|scope| {
            let killer = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    thread::park_timeout(Duration::from_millis(self.chance.u64(300..3_000)));
                    self.sidecars.iter_mut().for_each(Sidecar::revive);
                    self.kill();
                }
            });
            let publisher = |(chance, first): (fastrand::Rng, u64)| {
                let (urls, accepted) = (&urls, &accepted);
                let numbers = (first..events).step_by(TOPICS as usize);
                scope.spawn(move || publish(urls, numbers, accepted, chance))
            };
            let publishers: Vec<_> = chances.into_iter().zip(0..).map(publisher).collect();
            publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
            over.store(true, Ordering::Relaxed);
            killer.join().unwrap();
        });
        assert_eq!(accepted.into_inner(), events);
        println!("{events} events accepted; killed: {:?}", self.killed);
    }

    /// What each replica knows of an event.
    fn story(&self, number: u64) -> Vec<String> {
        let agent = agent(Duration::from_secs(5));
        let ask = |plane: &Plane| {
            let answer = agent.get(format!("{}/v1/events/{number}", plane.url)).call();
            answer.map_or_else(|error| error.to_string(), |mut answer| answer.body_mut().read_to_string().unwrap())
        };
        self.planes.iter().map(ask).collect()
    }

    /// When each event came to the broker first.
    fn arrivals(&self) -> BTreeMap<String, u64> {
        let mut arrivals = BTreeMap::new();
        for (at, event) in (0..TOPICS).flat_map(|topic| self.redis.entries(&format!("t{topic}"))) {
            let first = arrivals.entry(event["id"].as_str().unwrap().to_owned()).or_insert(at);
            *first = at.min(*first);
        }
        arrivals
    }

    /// Whether something was killed between an event's arrival and the second publication of its reply, or so
    /// shortly before that the answer to its publisher could not come back.
    fn explains(&self, arrival: u64, second: u64) -> bool {
        self.kills.iter().any(|kill| (arrival.saturating_sub(ANSWERED)..=second).contains(kill))
    }

    /// Looks at what the broker has in the end.
    fn judge(&mut self, events: u64) {
        let missing = |redis: &Redis| {
            let replies = replies(redis);
            (0..events).filter(|number| !replies.contains_key(&number.to_string())).collect::<Vec<_>>()
        };
        let end = Instant::now() + SETTLED;
        while !missing(&self.redis).is_empty() && Instant::now() < end {
            self.sidecars.iter_mut().for_each(Sidecar::revive);
            thread::park_timeout(Duration::from_secs(1));
        }
        let missing = missing(&self.redis);
        let stories: Vec<_> = missing.iter().take(3).map(|number| self.story(*number)).collect();
        let folder = if missing.is_empty() { None } else { Some(self.redis.keep().to_owned()) };
        assert!(missing.is_empty(), "no reply to {} events, {missing:?}: {stories:#?}, see {folder:?}", missing.len());
        let replies = replies(&self.redis);
        let different = replies.values().filter(|all| all.iter().any(|reply| reply.id != all[0].id)).count();
        assert_eq!((replies.len() as u64, different), (events, 0));
        let arrivals = self.arrivals();
        let again = |(event, all): (&String, &Vec<Reply>)| all[1..].iter().map(|r| (arrivals[event], r.at)).collect();
        let twice: Vec<(u64, u64)> = replies.iter().flat_map(|entry| -> Vec<_> { again(entry) }).collect();
        let unexplained: Vec<_> = twice.iter().filter(|(arrival, at)| !self.explains(*arrival, *at)).collect();
        assert!(unexplained.is_empty(), "published twice though nothing was killed: {unexplained:?}");
        let of_two_runs = replies.values().filter(|all| all.iter().any(|reply| reply.run != all[0].run)).count();
        let twice = twice.len();
        println!(
            "0 lost; {twice} replies were published twice, each under one id, for a kill; {of_two_runs} are of two runs"
        );
        for victim in VICTIMS {
            assert!(self.killed.contains_key(&victim), "no {victim:?} was killed");
        }
    }
}

/// The one that is given, or another each time.
#[expect(clippy::disallowed_methods, reason = "a run is repeated by its seed")]
fn seed() -> u64 {
    let given = std::env::var("WORKMANAGER_CHAOS_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..))
}

fn run(events: u64) {
    let Some(mut lab) = Lab::start() else { return };
    lab.flood(events);
    lab.judge(events);
}

#[test]
fn nothing_is_lost_while_everything_is_killed() {
    run(2_000);
}

#[test]
#[ignore = "the long form of the test above; takes minutes"]
fn nothing_of_ten_thousand_is_lost_while_everything_is_killed() {
    run(10_000);
}

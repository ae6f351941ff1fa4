//! WorkManager on a real cluster: Kubernetes, Knative, Dapr and Redis, with images built from `docker`.
//! `cargo xtask lab test` runs this inside the cluster's node.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

#[path = "lab/scene.rs"]
mod scene;
#[path = "lab/wake.rs"]
mod wake;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use scene::{Lab, PATIENCE};
use serde_json::{Value, json};
use wake::Wake;
use workmanager_tests_e2e::Dotnet;

const ECHO: &str = "def Process(event):\n    return {'type': 'done', 'data': event['data']}\n";
/// After this a pod is warm: a quarter of a second until a spare process is started, and its start.
const WARM: Duration = Duration::from_secs(1);
/// Full rounds of a measured number.
const ROUNDS: usize = 10;

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The whole story in one test: a cluster is too dear to be filled for each sentence.
#[test]
#[ignore = "needs a cluster: cargo xtask lab test"]
fn the_quick_start_wakes_a_function_from_zero_and_what_was_applied_goes_without_a_trace() {
    let lab = Lab::find();
    lab.install();
    lab.eventually("the ingress knows the function", PATIENCE, || match lab.knock() {
        200 => Ok(()),
        other => Err(other.to_string()),
    });
    the_processes_are_confined(&lab);
    let worker = lab.quick_start();
    let start = Instant::now();
    lab.wait_for_zero();
    eprintln!("K3 back to zero {:.1} s after the last request, with a window of 6 s", start.elapsed().as_secs_f64());

    let mut bare: Vec<_> = (0..3)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(lab.knock(), 200);
            let woken = start.elapsed();
            lab.hurry_to_zero();
            woken
        })
        .collect();
    let bare = median(&mut bare);
    eprintln!("K1 a bare request from zero: {bare:.1?}");
    let second = lab.worker("second", "second", ECHO);
    rounds(&lab, "K1 Python", &worker, &second);
    lab.remove();
}

/// From zero: an event to the one worker, then one to the other, whose code this pod has never seen.
fn rounds(lab: &Lab, what: &str, first: &Value, second: &Value) {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        lab.hurry_to_zero();
        for (worker, wakes) in [(first, &mut cold), (second, &mut warm)] {
            let (name, topic) = (worker["name"].as_str().unwrap(), worker["topic"].as_str().unwrap());
            let id = format!("{name}-{round}");
            let published = lab.publish(topic, &id);
            let wake = lab.wake(&id, name, published);
            eprintln!("{what} {id}: {wake}");
            wakes.push(wake);
            // What makes a pod warm: a moment after its first event, when there is a spare process again.
            std::thread::park_timeout(WARM);
        }
    }
    lab.hurry_to_zero();
    let median = |wakes: &[Wake], of: fn(&Wake) -> Duration| median(&mut wakes.iter().map(of).collect::<Vec<_>>());
    let (whole, ours) = (median(&cold, |wake| wake.whole), median(&cold, Wake::ours));
    eprintln!("{what}: from zero {whole:.1?}, of which ours {ours:.1?}; medians of {ROUNDS}");
    let (whole, received) = (median(&warm, |wake| wake.whole), median(&warm, Wake::received));
    eprintln!("{what}: a second worker {whole:.1?}, from the function's receipt {received:.1?}; medians of {ROUNDS}");
}

const CSHARP: &str = "using CloudNative.CloudEvents;\n\
    public static class Echo\n\
    {\n    public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = \"done\", Data = e.Data };\n}\n";

#[test]
#[ignore = "needs a cluster: cargo xtask lab test"]
fn csharp_and_dlls_wake_their_functions_and_a_second_worker_finds_a_warm_pod() {
    let lab = Lab::find();
    lab.install();
    lab.wait_until_ready("function-dotnet");
    lab.wait_until_ready("function-dll");
    the_processes_are_confined(&lab);
    let dll = lab.dll(&Dotnet::found().unwrap(), CSHARP);
    for (what, mime_type, code) in
        [("csharp", "text/x-csharp", CSHARP.as_bytes()), ("dll", "text/x-dll", dll.as_slice())]
    {
        let [first, second] = ["first", "second"].map(|name| lab.worker_of(mime_type, &format!("{what}-{name}"), code));
        assert_eq!(first["status"], "Running");
        rounds(&lab, &format!("K2 {what}"), &first, &second);
    }
    lab.remove();
}

/// What the kernel says about the processes of both images.
fn the_processes_are_confined(lab: &Lab) {
    for program in ["/usr/local/bin/workmanager serve", "/usr/local/bin/workmanager-function"] {
        let found = lab.processes(program);
        assert!(!found.is_empty(), "no process `{program}` runs");
        for pid in found {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.split_whitespace().next().unwrap().to_owned()
            };
            let seen = ["Uid:", "CapEff:", "NoNewPrivs:", "Seccomp:"].map(field);
            assert_eq!(seen, ["65532", "0000000000000000", "1", "2"], "{program}");
            let mounts = std::fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
            let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
            assert!(root.split(' ').nth(3).unwrap().starts_with("ro,"), "{program}: {root}");
        }
    }
}

/// After how many seconds, what, and how.
type Harm = (u64, &'static str, fn(&Lab));

#[test]
#[ignore = "needs a cluster: cargo xtask lab test"]
fn nothing_is_lost_while_pods_routers_and_sidecars_die_and_images_change() {
    const EVENTS: usize = 500;
    // As fast as they are taken.
    const BURST: usize = 300;
    let lab = Lab::find();
    lab.install();
    let worker = lab.worker("k4", "k4", ECHO);
    assert_eq!(worker["status"], "Running");
    lab.hurry_to_zero();
    let start = Instant::now();
    let mut harm: Vec<Harm> = vec![
        (5, "a rolling update of the function", Lab::update_function),
        (10, "every function pod killed", Lab::kill_functions),
        (15, "a router killed", Lab::kill_router),
        (20, "a sidecar killed", Lab::kill_sidecar),
    ];
    harm.reverse();
    for event in 0..EVENTS {
        // Twenty a second, whatever the harm takes.
        let due = Duration::from_millis(50) * u32::try_from(event).unwrap();
        std::thread::park_timeout(due.saturating_sub(start.elapsed()));
        if harm.last().is_some_and(|(at, ..)| start.elapsed() >= Duration::from_secs(*at)) {
            let (_, what, harm) = harm.pop().unwrap();
            eprintln!("{:.1} s: {what}", start.elapsed().as_secs_f64());
            harm(&lab);
        }
        lab.publish("k4", &format!("k4-{event}"));
    }
    assert!(harm.is_empty(), "not everything was done");
    each_has_one_reply(&lab, "k4", EVENTS);
    lab.hurry_to_zero();
    let start = Instant::now();
    for event in 0..BURST {
        lab.publish("k4", &format!("burst-{event}"));
    }
    let published = start.elapsed().as_secs_f64();
    each_has_one_reply(&lab, "burst", BURST);
    eprintln!(
        "K4 {BURST} events from zero within {published:.1} s, all finished {:.1} s after the first",
        start.elapsed().as_secs_f64()
    );
    lab.hurry_to_zero();
    lab.remove();
}

/// None of these events is lost, and none has two replies that differ.
fn each_has_one_reply(lab: &Lab, name: &str, count: usize) {
    let expected: BTreeSet<_> = (0..count).map(|event| format!("{name}-{event}")).collect();
    let replies = lab.eventually("every event has a reply", PATIENCE, || {
        let mut replies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for reply in lab.replies() {
            let text = |name: &str| reply[name].as_str().unwrap_or_default().to_owned();
            replies.entry(text("causationid")).or_default().insert(text("id"));
        }
        replies.retain(|cause, _| expected.contains(cause));
        (replies.len() == count).then_some(replies).ok_or_else(|| "some are missing".to_owned())
    });
    let twice: Vec<_> = replies.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "replies that differ for one event: {twice:?}");
    let published =
        lab.replies().iter().filter(|reply| expected.contains(reply["causationid"].as_str().unwrap())).count();
    eprintln!("K4 {count} events, 0 lost, {} replies published a second time with their first id", published - count);
    lab.eventually("every event is finished", PATIENCE, || {
        let open = expected.iter().filter(|id| lab.state(id) != "Finished").count();
        (open == 0).then_some(()).ok_or_else(|| format!("{open} are open"))
    });
}

/// Answers with the name of its pod.
const WHERE: &str = "import os\ndef Process(event):\n    return {'type': 'done', 'data': os.uname().nodename}\n";

#[test]
#[ignore = "needs a cluster: cargo xtask lab test"]
fn a_worker_with_a_service_of_its_own_is_ready_limited_and_removed_and_one_that_cannot_start_says_why() {
    let lab = Lab::find();
    lab.install();
    let start = Instant::now();
    let limits = json!({ "memory": "300MiB", "concurrency": 2, "timeout": "20s" });
    let worker = lab.dedicated("own", WHERE, &limits);
    let own = format!("worker-{}", worker["id"].as_str().unwrap());
    lab.observed("own", "Ready", "");
    eprintln!("K5 ready {:.1} s after it was asked for", start.elapsed().as_secs_f64());
    // 64 MiB asked for in the lab, and for each of two 300 and the 24 that the pool has above 256.
    let expected = (64 + 2 * (300 + 24)) << 20;
    let limited = lab.eventually("the kernel holds its limit", PATIENCE, || {
        let found: Vec<_> = lab.processes("/usr/local/bin/workmanager-function");
        let limits: Vec<_> = found.into_iter().filter_map(|pid| lab.memory_limit(pid)).collect();
        limits.contains(&expected).then_some(limits.len()).ok_or_else(|| format!("{limits:?}, not {expected}"))
    });
    assert!(limited >= 1);
    lab.publish("own", "own-1");
    let pod = lab.reply_to("own-1")["data"].as_str().unwrap().to_owned();
    assert!(pod.starts_with(&own), "it ran in {pod}");

    let changed = json!({ "limits": { "concurrency": 3 } });
    assert_eq!(lab.call("PATCH", "/v1/workers/own", &changed).0, 200);
    lab.eventually("its new limit is applied", PATIENCE, || {
        let service = lab.object("ksvc", &own).ok_or("it is not there")?;
        let spec = &service["spec"]["template"]["spec"];
        (spec["containerConcurrency"] == 3).then_some(()).ok_or_else(|| spec.to_string())
    });
    lab.observed("own", "Ready", "");
    let start = Instant::now();
    assert_eq!(lab.call("DELETE", "/v1/workers/own", &Value::Null).0, 204);
    lab.wait_until_gone(&own);
    eprintln!("K5 gone {:.1} s after the delete", start.elapsed().as_secs_f64());
    those_that_cannot_start_say_why(&lab);
    // A pod that is stopping has ten minutes for it, and while there is one the namespace waits.
    lab.kill_functions();
    lab.wait_for_zero();
    lab.remove();
}

/// The shared service goes on with what it was; a new one with its new shape does not begin.
fn those_that_cannot_start_say_why(lab: &Lab) {
    let container = "/spec/template/spec/containers/0";
    let deadline = "/spec/template/metadata/annotations/serving.knative.dev~1progress-deadline";
    let good = lab.object("ksvc", "function-python").unwrap();
    for (name, at, bad, says) in [
        ("no-image", "image", json!("dev.local/none:lab"), "dev.local/none:lab"),
        ("crashes", "args", json!(["--no-such-option"]), "--no-such-option"),
        ("too-large", "resources/requests/memory", json!("2Ti"), "Insufficient memory"),
    ] {
        let path = format!("{container}/{at}");
        let mut patch = vec![
            json!({ "op": "replace", "path": deadline, "value": "20s" }),
            json!({ "op": "replace", "path": path, "value": bad }),
        ];
        if name == "too-large" {
            let limits = format!("{container}/resources/limits/memory");
            patch.push(json!({ "op": "replace", "path": limits, "value": "2Ti" }));
        }
        lab.change_function(&Value::Array(patch));
        lab.dedicated(name, ECHO, &json!({}));
        let start = Instant::now();
        let message = lab.observed(name, "Failed", says);
        eprintln!("K5 {name}: Failed after {:.1} s: {message}", start.elapsed().as_secs_f64());
        assert_eq!(lab.call("DELETE", &format!("/v1/workers/{name}"), &Value::Null).0, 204);
        let back = good.pointer(&path).unwrap();
        let patch = json!([{ "op": "replace", "path": path, "value": back },
                           { "op": "replace", "path": format!("{container}/resources"),
                             "value": good.pointer(&format!("{container}/resources")).unwrap() }]);
        lab.change_function(&patch);
    }
}

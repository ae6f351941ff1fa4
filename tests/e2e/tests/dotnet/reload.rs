//! New C# code under running events.

use std::{
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use serde_json::json;
use workmanager_tests_e2e::{Dotnet, Server, Tail, base64, command_line, descendants, eventually};

/// For so long nothing starts and nothing ends, where nothing is due: a spare process comes a moment after the last one
/// was taken.
const REST: Duration = Duration::from_secs(3);

/// Says its number twice, from two places, with time between: mixed code would show.
fn version(number: u32) -> String {
    format!(
        "using CloudNative.CloudEvents;
static class Other {{ public static int Number() => {number}; }}
class Worker
{{
    static readonly int own = {number};
    public CloudEvent Process(CloudEvent e)
    {{
        Thread.Sleep(2);
        return new() {{ Type = \"v\", Data = new[] {{ own, Other.Number() }} }};
    }}
}}"
    )
}

/// What the function holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    processes: usize,
    descriptors: usize,
    kib: u64,
}

fn held(server: &Server) -> Held {
    let family = descendants(server.pid());
    let function = family.iter().copied().find(|pid| command_line(*pid).contains(" function ")).unwrap();
    let status = fs::read_to_string(format!("/proc/{function}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib = line.trim().trim_end_matches(" kB").parse().unwrap();
    let descriptors = fs::read_dir(format!("/proc/{function}/fd")).unwrap().count();
    Held { processes: family.len(), descriptors, kib }
}

/// What is held once nothing has changed for so long that a spare process was started, if one was due.
fn at_rest(server: &Server) -> Held {
    let (mut last, mut since) = (held(server), Instant::now());
    eventually("nothing starts or ends any more", || {
        let now = held(server);
        if now.processes != last.processes {
            since = Instant::now();
        }
        last = now;
        (since.elapsed() >= REST).then_some(())
    });
    last
}

fn reloads(count: u32) {
    let Some(dotnet) = Dotnet::found() else { return };
    let server = Server::with_dotnet(&dotnet, "serve", &[]);
    let code = json!({ "content": base64(&version(1)) });
    let body = json!({ "name": "w", "topic": "in", "mimeType": "text/x-csharp", "codeSource": code, "start": true });
    let _ = server.call("POST", "/v1/workers", &body).expect(201);
    let replies = server.tail("replies", "");
    let mut load = Load { server: &server, replies: &replies, published: 0, number: 1 };
    // The first versions, so that everything is there that is made once.
    load.reload(5);
    let before = at_rest(&server);
    load.reload(count);
    let calm = |now: &Held| now.processes <= before.processes && now.descriptors <= before.descriptors + 2;
    let after = eventually("processes and descriptors are as before", || Some(held(&server)).filter(calm));
    // A reload may leave what allocators keep, and no more.
    let grown = after.kib.saturating_sub(before.kib);
    assert!(grown <= 8 << 10, "{before:?} became {after:?} with {count} reloads");
    // Not by `eprintln!`, which the test harness keeps to itself.
    let line = format!("{count} reloads: {before:?} became {after:?}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

struct Load<'a> {
    server: &'a Server,
    replies: &'a Tail,
    published: u32,
    number: u32,
}

impl Load<'_> {
    /// Loads as many versions, with events all the time; none is lost, and none sees two versions.
    fn reload(&mut self, count: u32) {
        let first = self.published;
        for _ in 0..count {
            self.number += 1;
            for _ in 0..5 {
                self.server.publish("in", &self.published.to_string(), &json!(null));
                self.published += 1;
            }
            let code = json!({ "content": base64(&version(self.number)) });
            let _ = self.server.call("PUT", "/v1/workers/w/code", &code).expect(200);
        }
        self.server.publish("in", &self.published.to_string(), &json!(null));
        self.published += 1;
        let seen: Vec<_> = (first..self.published).map(|_| self.replies.next()["data"].clone()).collect();
        assert!(seen.iter().all(|data| data[0] == data[1]), "one event saw two versions");
        assert_eq!(seen.last().unwrap()[0], self.number, "what is published after a load runs on the new version");
    }
}

#[test]
fn reloads_under_load_lose_nothing_mix_nothing_and_leave_nothing() {
    reloads(25);
}

#[test]
#[ignore = "it takes minutes; `cargo test -p workmanager-tests-e2e --test dotnet -- --ignored`"]
fn five_hundred_reloads_under_load_lose_nothing_mix_nothing_and_leave_nothing() {
    reloads(500);
}

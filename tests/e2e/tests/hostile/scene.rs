//! A hostile worker and its neighbour in one function process.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use workmanager_tests_e2e::{Answer, Server, Tail, base64, command_line, descendants, eventually, is_alive};

/// Until the next event is answered, after whatever happened before.
const RECOVERED: Duration = Duration::from_secs(1);

const NEIGHBOUR: &str = "def Process(event): return {'type': 'fine', 'data': 'neighbour'}";

/// A control plane with a worker `hostile` and a worker `neighbour`, each on the topic of its name.
pub(crate) struct Scene {
    pub(crate) server: Server,
    replies: Tail,
}

impl Scene {
    /// What `hostile` does is `act`, lines of Python; an event with the data `"good"` it answers.
    pub(crate) fn of(act: &str) -> Self {
        Self::limited(act, &json!({ "timeout": "500ms" }))
    }

    /// The same with these limits.
    pub(crate) fn limited(act: &str, limits: &Value) -> Self {
        Self::on(Server::serve(&[]), act, limits)
    }

    /// The same, where `DATA` is the server's data directory.
    pub(crate) fn with_data(act: &str) -> Self {
        let server = Server::serve(&[]);
        let data = server.directory().join("data");
        let act = act.replace("DATA", &format!("{:?}", data.display().to_string()));
        Self::on(server, &act, &json!({ "timeout": "5s" }))
    }

    fn on(server: Server, act: &str, limits: &Value) -> Self {
        let act = act.trim().replace('\n', "\n    ");
        let source = format!(
            "import os, sys, time\nseen = []\ndef Process(event):\n    \
             if event['data'] == 'good': return {{'type': 'fine', 'data': 'hostile'}}\n    {act}\n"
        );
        let body = json!({
            "name": "hostile", "topic": "hostile", "start": true, "limits": limits,
            "codeSource": { "content": base64(&source) },
        });
        let _ = server.call("POST", "/v1/workers", &body).expect(201);
        server.worker("neighbour", "neighbour", NEIGHBOUR);
        let replies = server.tail("replies", "");
        Self { server, replies }
    }

    /// Runs the hostile worker on one event now.
    pub(crate) fn provoke(&self) -> Answer {
        self.invoke("bad")
    }

    fn invoke(&self, data: &str) -> Answer {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", data),
            ("ce-source", "/test"),
            ("ce-type", "test"),
            ("content-type", "application/json"),
        ];
        self.server.send("POST", "/v1/workers/hostile/invoke", &headers, format!("\"{data}\"").as_bytes())
    }

    /// The hostile worker fails with this code, in these words; all else is well.
    #[track_caller]
    pub(crate) fn fails(self, code: &str, says: &str) {
        let answer = self.provoke().json();
        assert_eq!(answer["code"], code, "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(says), "`{detail}` should say `{says}`");
        self.ends_well();
    }

    /// The hostile worker answers with this data, so it did no harm even to itself; all else is well.
    #[track_caller]
    pub(crate) fn answers(self, data: &Value) {
        let answer = self.provoke().expect(200).json();
        assert_eq!(&answer["data"], data);
        self.ends_well();
    }

    /// The neighbour and the worker itself answer their next events, and then all processes end.
    #[track_caller]
    pub(crate) fn ends_well(mut self) {
        for worker in ["neighbour", "hostile"] {
            self.server.publish(worker, &format!("after-{worker}"), &json!("good"));
            let reply = self.replies.next_within(RECOVERED);
            assert_eq!(reply.unwrap_or_else(|| panic!("{worker} does not answer"))["data"], worker);
        }
        let family = descendants(self.server.pid());
        assert!(family.len() >= 3, "function, zygote and workers: {family:?}");
        self.server.signal(Signal::TERM);
        assert!(self.server.ended().success());
        for pid in family {
            eventually(&format!("process {pid} ({}) is gone", command_line(pid)), || (!is_alive(pid)).then_some(()));
        }
    }
}

//! A lab with WorkManager in it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use workmanager_tests_cluster::{Kubectl, Node, Programs};
use workmanager_tests_e2e::{
    Dotnet, base64,
    doc_blocks::{block, root},
};

/// The token of these tests.
const TOKEN: &str = "wm_lab";
const FUNCTION: &str = "function-python.workmanager.svc.cluster.local";
/// What runs in functions' pods.
const PROGRAM: &str = "/usr/local/bin/workmanager-function --listen";
/// Functions of every kind.
const PODS: &str = "app.kubernetes.io/name=function";
/// Long, because everything on the machine may be held up for minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// The API of the router, and what stands around it.
pub(crate) struct Lab {
    node: Node,
    programs: Programs,
    agent: ureq::Agent,
}

#[expect(clippy::disallowed_methods, reason = "the test runner says where the cluster is")]
fn variable(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask lab test`")).into()
}

#[expect(clippy::disallowed_methods, reason = "what Redis says is on the wall clock")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

impl Lab {
    pub(crate) fn find() -> Self {
        let node = Node::find(&variable("WORKMANAGER_TEST_LAB")).unwrap();
        let agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(90)));
        Self { node, programs: Programs::new(variable("WORKMANAGER_TEST_CLUSTER")), agent: agent.build().into() }
    }

    fn kubectl(&self) -> Kubectl<'_> {
        Kubectl::new(&self.node, &self.programs)
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.kubectl().run(&[&["-n", "workmanager"], arguments].concat()).unwrap()
    }

    pub(crate) fn eventually<T>(&self, what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
        let start = Instant::now();
        loop {
            match look() {
                Ok(found) => return found,
                Err(seen) => assert!(start.elapsed() < limit, "not within {limit:?}: {what}: {seen}"),
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn overlay() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("files/lab")
    }

    /// Types what the page says, with the lab's overlay instead of a reader's own.
    pub(crate) fn install(&self) {
        let start = Instant::now();
        let typed = [block("deployment-secret"), block("deployment-apply")].map(|block| block.script()).join("\n");
        let typed = typed.replace("-k deploy/knative", "-k tests/cluster/files/lab");
        let binaries = self.programs.program("kubectl").parent().unwrap().display().to_string();
        let mut shell = self.node.command("bash");
        shell.args(["-euo", "pipefail", "-c", &format!("cd {}\nPATH={binaries}:$PATH\n{typed}", root().display())]);
        shell.env("KUBECONFIG", self.node.folder().join("admin.kubeconfig")).env("WORKMANAGER_TOKEN", TOKEN);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{typed}\n{}", String::from_utf8_lossy(&output.stderr));
        self.run(&["rollout", "status", "deployment/publisher", "--timeout=180s"]);
        eprintln!("installed after {:.1} s", start.elapsed().as_secs_f64());
    }

    /// Removes it again. Nothing may be left.
    pub(crate) fn remove(&self) {
        self.kubectl().run(&["delete", "-k", Self::overlay().to_str().unwrap(), "--timeout=180s"]).unwrap();
        assert!(self.kubectl().run(&["get", "namespace", "workmanager"]).is_err(), "its namespace is still there");
        let kinds = "ksvc,revisions,components,resiliencies,pods,networkpolicies,pdb";
        let left =
            self.kubectl().run(&["get", kinds, "-A", "-o", "name", "-l", "app.kubernetes.io/part-of=workmanager"]);
        assert_eq!(left.unwrap(), "");
        self.redis(&["flushall"]);
    }

    fn address(&self, service: &str, namespace: &str) -> String {
        let path = "-o=jsonpath={.spec.clusterIP}";
        self.kubectl().run(&["-n", namespace, "get", "service", service, path]).unwrap()
    }

    /// A request to the router.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("http://{}:5001{path}", self.address("workmanager", "workmanager"));
        let request = ureq::http::Request::builder().method(method).uri(url);
        let request =
            request.header("authorization", format!("Bearer {TOKEN}")).header("content-type", "application/json");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut answer = self.agent.run(request.body(text).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The README's quick start, with a token.
    pub(crate) fn quick_start(&self) -> Value {
        let shell = workmanager_tests_e2e::QUICK_START.replace("localhost:5001", "$ADDRESS:5001");
        let shell = shell.replace("-H \"Content", &format!("-sS -H \"Authorization: Bearer {TOKEN}\" -H \"Content"));
        let mut curl = std::process::Command::new("bash");
        curl.args(["-c", &shell]).env("ADDRESS", self.address("workmanager", "workmanager"));
        let output = curl.output().unwrap();
        let worker: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let id = worker["id"].as_str().unwrap_or_else(|| panic!("{worker}"));
        // By whichever router is reached.
        let (status, answer) = self.call("POST", &format!("/v1/workers/{id}/start"), &Value::Null);
        assert_eq!(status, 200, "{answer}");
        worker
    }

    /// A started worker.
    pub(crate) fn worker(&self, name: &str, topic: &str, source: &str) -> Value {
        let content = base64(source);
        let limits = json!({"concurrency": 4});
        self.create(&json!({
            "name": name, "topic": topic, "codeSource": {"content": content}, "limits": limits, "start": true,
        }))
    }

    /// A started worker of any kind of code, on a topic of its name.
    pub(crate) fn worker_of(&self, mime_type: &str, name: &str, code: &[u8]) -> Value {
        let code = json!({"content": base64(code)});
        self.create(&json!({ "name": name, "topic": name, "mimeType": mime_type, "codeSource": code, "start": true }))
    }

    /// A library of this source, against the type of events that a function's image has.
    pub(crate) fn dll(&self, dotnet: &Dotnet, source: &str) -> Vec<u8> {
        let image = |pid: u32| Path::new("/proc").join(pid.to_string()).join("root");
        let mut copies = self.processes(PROGRAM).into_iter().filter_map(|pid| {
            let made = std::fs::read_dir(image(pid).join("var/cache/workmanager/function/dotnet")).ok()?;
            made.flatten().map(|made| made.path().join("host/CloudNative.CloudEvents.dll")).find(|copy| copy.is_file())
        });
        let events = copies.next().unwrap();
        let work = tempfile::tempdir().unwrap();
        let (file, library) = (work.path().join("Echo.cs"), work.path().join("Echo.dll"));
        std::fs::write(&file, source).unwrap();
        dotnet.compile_against(&events, &library, &[file], &[]);
        std::fs::read(library).unwrap()
    }

    /// Waits until Knative says that a service is ready.
    pub(crate) fn wait_until_ready(&self, service: &str) {
        self.run(&["wait", &format!("ksvc/{service}"), "--for=condition=Ready", "--timeout=300s"]);
    }

    /// What the functions that run have written.
    pub(crate) fn function_logs(&self) -> String {
        self.run(&["logs", "-l", PODS, "-c", "function", "--tail=-1"])
    }

    /// A started worker with a service of its own, on a topic of its name.
    pub(crate) fn dedicated(&self, name: &str, source: &str, limits: &Value) -> Value {
        let content = base64(source);
        self.create(&json!({
            "name": name, "topic": name, "codeSource": {"content": content}, "limits": limits, "start": true,
            "isolation": "dedicated",
        }))
    }

    fn create(&self, body: &Value) -> Value {
        let (status, worker) = self.call("POST", "/v1/workers", body);
        assert_eq!(status, 201, "{worker}");
        worker
    }

    /// Waits until this is true of a worker; gives the words for it.
    pub(crate) fn observed(&self, name: &str, state: &str, says: &str) -> String {
        self.eventually(&format!("worker {name} is {state}"), PATIENCE, || {
            let observed = self.call("GET", &format!("/v1/workers/{name}"), &Value::Null).1["observed"].clone();
            let message = observed["message"].as_str().unwrap_or_default();
            let holds = observed["state"] == state && message.contains(says);
            holds.then(|| message.to_owned()).ok_or_else(|| observed.to_string())
        })
    }

    /// An object of the namespace, if it is there.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let text = self.kubectl().run(&["-n", "workmanager", "get", kind, name, "-o", "json"]).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Changes the shared service by a JSON patch.
    pub(crate) fn change_function(&self, patch: &Value) {
        self.run(&["patch", "ksvc", "function-python", "--type=json", "-p", &patch.to_string()]);
    }

    /// Waits until nothing of a service is left, pods included.
    pub(crate) fn wait_until_gone(&self, service: &str) {
        self.eventually(&format!("{service} is gone"), PATIENCE, || {
            let pods = self.pods(&format!("serving.knative.dev/service={service}"))?;
            let is_gone = pods.is_empty() && self.object("ksvc", service).is_none();
            is_gone.then_some(()).ok_or_else(|| pods.join(", "))
        });
    }

    /// The reply to an event.
    pub(crate) fn reply_to(&self, cause: &str) -> Value {
        self.reply(cause);
        self.replies().into_iter().find(|reply| reply["causationid"] == cause).unwrap()
    }

    /// The most memory that the container of a process may have, as the kernel holds it.
    pub(crate) fn memory_limit(&self, pid: u32) -> Option<u64> {
        let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let of = |controller: &str| {
            cgroups.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (name, path) = rest.split_once(':')?;
                (name == controller).then(|| path.to_owned())
            })
        };
        let (file, path) = match of("memory") {
            Some(path) => ("memory.limit_in_bytes", format!("/sys/fs/cgroup/memory{path}")),
            None => ("memory.max", format!("/sys/fs/cgroup{}", of("")?)),
        };
        std::fs::read_to_string(Path::new(&path).join(file)).ok()?.trim().parse().ok()
    }

    /// Publishes by Dapr, from another pod's sidecar. When it was accepted may be told twice, never not at all.
    pub(crate) fn publish(&self, topic: &str, id: &str) -> Duration {
        let event = json!({ "specversion": "1.0", "id": id, "source": "/lab", "type": "t", "replytopic": "replies",
                            "datacontenttype": "application/json", "data": {"id": id} });
        let path = "-o=jsonpath={.items[0].status.podIP}";
        static PUBLISHER: std::sync::Mutex<String> = std::sync::Mutex::new(String::new());
        let mut address = PUBLISHER.lock().unwrap();
        loop {
            if address.is_empty() {
                *address = self.run(&["get", "pods", "-l", "app=publisher", path]);
            }
            let url = format!("http://{}:3500/v1.0/publish/pubsub/{topic}", *address);
            let sent = now();
            let request = self.agent.post(url).header("content-type", "application/cloudevents+json");
            match request.send(event.to_string()) {
                Ok(answer) if answer.status() == 204 => return sent,
                // The publisher of an earlier test is gone with it.
                Ok(answer) => panic!("publishing {id}: {}", answer.status()),
                Err(_) => address.clear(),
            }
        }
    }

    fn redis(&self, arguments: &[&str]) -> Vec<u8> {
        self.node.command("redis-cli").args(arguments).output().unwrap().stdout
    }

    fn stream(&self) -> Vec<(Duration, Value)> {
        let output = self.redis(&["--json", "xrange", "replies", "-", "+"]);
        let entries: Vec<(String, Vec<String>)> = serde_json::from_slice(&output).unwrap();
        let read = |(id, fields): (String, Vec<String>)| {
            let data = fields.into_iter().skip_while(|field| field != "data").nth(1)?;
            let at = id.split('-').next()?.parse().ok()?;
            Some((Duration::from_millis(at), serde_json::from_str(&data).ok()?))
        };
        entries.into_iter().filter_map(read).collect()
    }

    /// Every reply, as the broker has it.
    pub(crate) fn replies(&self) -> Vec<Value> {
        self.stream().into_iter().map(|(_, reply)| reply).collect()
    }

    /// When the broker had the reply to an event.
    pub(crate) fn reply(&self, cause: &str) -> Duration {
        self.eventually("the broker has the reply", PATIENCE, || {
            let found = self.stream().into_iter().find(|(_, reply)| reply["causationid"] == cause);
            found.map(|(at, _)| at).ok_or_else(|| cause.to_owned())
        })
    }

    pub(crate) fn story(&self, id: &str) -> Value {
        self.call("GET", &format!("/v1/events/{id}"), &Value::Null).1["events"][0].clone()
    }

    /// Where an event is.
    pub(crate) fn state(&self, id: &str) -> String {
        self.story(id)["state"].as_str().unwrap_or("Unknown").to_owned()
    }

    fn pods(&self, label: &str) -> Result<Vec<String>, String> {
        let names = self.kubectl().run(&["-n", "workmanager", "get", "pods", "-l", label, "-o", "name"]);
        names.map(|names| names.lines().map(str::to_owned).collect()).map_err(|error| error.to_string())
    }

    /// Until no function runs.
    pub(crate) fn wait_for_zero(&self) {
        self.eventually("no function runs", PATIENCE, || {
            let pods = self.pods(PODS)?;
            if pods.is_empty() { Ok(()) } else { Err(pods.join(", ")) }
        });
    }

    /// The same without the half minute in which a pod that Knative has given up waits for requests.
    pub(crate) fn hurry_to_zero(&self) {
        let stopping = r#"-o=jsonpath={range .items[*]}{.metadata.name}={.metadata.deletionTimestamp} {end}"#;
        self.eventually("no function runs", PATIENCE, || {
            let seen = self.run(&["get", "pods", "-l", PODS, stopping]);
            if seen.split_whitespace().any(|pod| pod.ends_with('=')) {
                return Err(seen);
            }
            // Those that wait are Knative's proxies; with them and what they wait for gone, so is the pod.
            for pid in [PROGRAM, "/queue"].into_iter().flat_map(|program| self.processes(program)) {
                let _ended_already = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            }
            if seen.is_empty() { Ok(()) } else { Err(seen) }
        });
    }

    /// A request to the function that means nothing.
    pub(crate) fn knock(&self) -> u16 {
        let url = format!("http://{}/livez", self.address("ingress", "knative-serving"));
        self.agent.get(url).header("host", FUNCTION).call().unwrap().status().as_u16()
    }

    /// Every process on this machine whose command line begins so.
    pub(crate) fn processes(&self, command: &str) -> Vec<u32> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let runs = |pid: &u32| workmanager_tests_e2e::command_line(*pid).starts_with(command);
        pids.filter(runs).collect()
    }

    /// Another revision of the function.
    pub(crate) fn update_function(&self) {
        let patch = r#"{"spec":{"template":{"metadata":{"annotations":{"example.com/change":"1"}}}}}"#;
        self.run(&["patch", "ksvc", "function-python", "--type=merge", "-p", patch]);
    }

    /// Every function pod, at once and without a word.
    pub(crate) fn kill_functions(&self) {
        let all = "app.kubernetes.io/name=function";
        self.run(&["delete", "pods", "-l", all, "--grace-period=0", "--force", "--wait=false"]);
    }

    /// One of the routers.
    pub(crate) fn kill_router(&self) {
        let router = self.pods("app.kubernetes.io/name=workmanager").unwrap().remove(0);
        self.run(&["delete", &router, "--grace-period=0", "--force", "--wait=false"]);
    }

    /// The sidecar of one router, which its kubelet starts again.
    pub(crate) fn kill_sidecar(&self) {
        let is_router = |pid: &u32| workmanager_tests_e2e::command_line(*pid).contains("--app-id workmanager");
        let pid = self.processes("/daprd").into_iter().find(is_router).unwrap();
        assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    }
}

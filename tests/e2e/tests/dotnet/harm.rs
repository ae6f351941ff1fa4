//! C# workers that mean harm, or are broken as if they did: each one's event has an outcome that says what happened,
//! its neighbour does not notice, its own next event succeeds, and nothing is left of it.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use workmanager_tests_e2e::{Answer, Dotnet, Server, base64, command_line, descendants, eventually, is_alive};

/// Until the next event is answered, after whatever happened before.
const RECOVERED: Duration = Duration::from_secs(30);

struct Scene {
    server: Server,
}

impl Scene {
    /// What `hostile` does is `act`, statements of C#; an event with the data `"good"` it answers.
    fn of(act: &str) -> Option<Self> {
        Self::limited(act, &json!({ "timeout": "30s" }))
    }

    fn limited(act: &str, limits: &Value) -> Option<Self> {
        let server = Server::with_dotnet(&Dotnet::found()?, "serve", &[]);
        let worker = |name: &str, act: &str| {
            let source = format!(
                "using CloudNative.CloudEvents;
using System.Runtime.InteropServices;
class Bomb {{ ~Bomb() => throw new Exception(\"final\"); }}
class Worker
{{
    [DllImport(\"libc\")] static extern nint strlen(nint text);
    [DllImport(\"libc\")] static extern int kill(int pid, int signal);
    [DllImport(\"libc\")] static extern nint syscall(nint number, nint one, nint two, nint three);
    [DllImport(\"libc\")] static extern nint ptrace(nint request, nint pid, nint address, nint data);
    static int Deep(int n) => Deep(n + 1) + 1;
    static async void Elsewhere() {{ await Task.Yield(); throw new Exception(\"elsewhere\"); }}
    public CloudEvent Process(CloudEvent e)
    {{
        if (e.Data?.ToString() == \"good\") return new() {{ Type = \"fine\", Data = \"{name}\" }};
        {act}
        return new() {{ Type = \"fine\", Data = \"done\" }};
    }}
}}"
            );
            let code = json!({ "content": base64(&source) });
            let body = json!({
                "name": name, "topic": name, "start": true, "limits": limits, "mimeType": "text/x-csharp", "codeSource": code,
            });
            let _ = server.call("POST", "/v1/workers", &body).expect(201);
        };
        worker("hostile", act);
        worker("neighbour", "");
        Some(Self { server })
    }

    fn provoke(&self) -> Answer {
        self.invoke("hostile")
    }

    fn invoke(&self, worker: &str) -> Answer {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "bad"),
            ("ce-source", "/test"),
            ("ce-type", "test"),
            ("content-type", "application/json"),
        ];
        self.server.send("POST", &format!("/v1/workers/{worker}/invoke"), &headers, b"\"bad\"")
    }

    #[track_caller]
    fn fails(self, code: &str, says: &str) {
        let answer = self.provoke().json();
        assert_eq!(answer["code"], code, "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(says), "`{detail}` should say `{says}`");
        self.ends_well();
    }

    #[track_caller]
    fn answers(self, data: impl Into<Value>) {
        let answer = self.provoke().expect(200).json();
        assert_eq!(answer["data"], data.into());
        self.ends_well();
    }

    #[track_caller]
    fn ends_well(mut self) {
        let replies = self.server.tail("replies", "");
        for worker in ["neighbour", "hostile"] {
            self.server.publish(worker, &format!("after-{worker}"), &json!("good"));
            let reply = replies.next_within(RECOVERED);
            assert_eq!(reply.unwrap_or_else(|| panic!("{worker} does not answer"))["data"], worker);
        }
        let family = descendants(self.server.pid());
        assert!(family.len() >= 3, "function and workers: {family:?}");
        self.server.signal(Signal::TERM);
        assert!(self.server.ended().success());
        for pid in family {
            eventually(&format!("process {pid} ({}) is gone", command_line(pid)), || (!is_alive(pid)).then_some(()));
        }
    }
}

#[test]
fn an_infinite_loop_is_ended_at_the_time_limit() {
    let Some(scene) = Scene::limited("while (true) { }", &json!({ "timeout": "2s" })) else { return };
    scene.fails("timed-out", "the worker did not answer within 2s");
}

#[test]
fn an_exit_says_its_code() {
    let Some(scene) = Scene::of("Environment.Exit(7);") else { return };
    scene.fails("engine-lost", "the worker's process exited with code 7");
}

#[test]
fn a_fail_fast_says_its_signal() {
    let Some(scene) = Scene::of("Environment.FailFast(\"enough\");") else { return };
    scene.fails("engine-lost", "SIGABRT");
}

#[test]
fn a_stack_overflow_is_the_end_of_its_own_process() {
    let Some(scene) = Scene::of("Deep(0);") else { return };
    scene.fails("engine-lost", "SIGABRT");
}

#[test]
fn an_exception_of_a_task_that_nobody_awaits_does_no_harm() {
    let act = "_ = Task.Run(() => throw new Exception(\"unseen\"));
        Thread.Sleep(50); GC.Collect(); GC.WaitForPendingFinalizers();";
    let Some(scene) = Scene::of(act) else { return };
    scene.answers("done");
}

#[test]
fn an_exception_that_leaves_an_async_void_is_the_end_of_its_own_process() {
    let Some(scene) = Scene::of("Elsewhere(); Thread.Sleep(25000);") else { return };
    scene.fails("engine-lost", "SIGABRT");
}

#[test]
fn a_gibibyte_on_the_console_is_cut_off_and_the_answer_counts() {
    let act = "var line = new string('x', 1 << 20); for (var n = 0; n < 1024; n++) Console.WriteLine(line);";
    let Some(scene) = Scene::limited(act, &json!({ "timeout": "60s", "logBytes": "1KiB" })) else { return };
    scene.answers("done");
}

#[test]
fn a_crash_in_native_code_says_its_signal() {
    let Some(scene) = Scene::of("strlen(1);") else { return };
    scene.fails("engine-lost", "the worker's process was killed by SIG");
}

#[test]
fn threads_without_end_are_the_end_of_their_own_process() {
    let act = "while (true) new Thread(() => Thread.Sleep(600000), 64 << 10).Start();";
    let Some(scene) = Scene::limited(act, &json!({ "timeout": "20s" })) else { return };
    let answer = scene.provoke().json();
    let (code, detail) = (answer["code"].as_str().unwrap(), answer["detail"].as_str().unwrap());
    assert!(code == "out-of-memory" || code == "engine-lost" && detail.contains("512 are allowed"), "{answer}");
    scene.ends_well();
}

#[test]
fn a_finalizer_that_throws_is_the_end_of_its_own_process() {
    let act =
        "for (var n = 0; n < 100; n++) new Bomb(); GC.Collect(); GC.WaitForPendingFinalizers(); Thread.Sleep(25000);";
    let Some(scene) = Scene::of(act) else { return };
    scene.fails("engine-lost", "SIGABRT");
}

#[test]
fn closing_the_channel_and_going_on_is_ended_at_once() {
    let act = "new Microsoft.Win32.SafeHandles.SafeFileHandle((IntPtr)3, true).Dispose(); Thread.Sleep(600000);";
    let Some(scene) = Scene::limited(act, &json!({ "timeout": "60s" })) else { return };
    scene.fails("engine-lost", "the worker's process closed its channel and was killed");
}

#[test]
fn memory_without_end_is_out_of_memory() {
    let act = "var all = new List<byte[]>(); while (true) all.Add(new byte[1 << 20]);";
    let Some(scene) = Scene::limited(act, &json!({ "timeout": "10s", "memory": "64MiB" })) else { return };
    scene.fails("out-of-memory", "OutOfMemoryException");
}

#[test]
fn signals_and_debuggers_in_every_way_reach_nobody() {
    // Signal 0 asks whether another one would arrive, and PTRACE_SEIZE stops nobody: a sandbox that lets this through
    // fails the test, and not the machine.
    let act = "
        var (tkill, tgkill) = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? (130, 131) : (200, 234);
        var all = Directory.GetDirectories(\"/proc\").Select(path => int.TryParse(Path.GetFileName(path), out var pid) ? pid : 0);
        var others = all.Where(pid => pid > 0 && pid != Environment.ProcessId).ToList();
        var neighbours = others.Count(pid => File.ReadAllText($\"/proc/{pid}/cmdline\").Contains(\"dotnet-launch\"));
        var reached = others.Append(-1).Append(0).Where(pid => kill(pid, 0) == 0)
            .Concat(others.Where(pid => syscall(tkill, pid, 0, 0) == 0))
            .Concat(others.Where(pid => syscall(tgkill, pid, pid, 0) == 0))
            .Concat(others.Where(pid => syscall(434, pid, 0, 0) >= 0))
            .Concat(others.Where(pid => ptrace(0x4206, pid, 0, 0) == 0)).ToList();
        return new() { Type = \"fine\", Data = new object[] { neighbours > 0, reached } };";
    let Some(scene) = Scene::of(act) else { return };
    // Its process is there then.
    let _ = scene.invoke("neighbour").expect(200);
    scene.answers(json!([true, []]));
}

#[test]
fn the_memory_of_others_and_their_files_stay_closed() {
    let act = "
        var all = Directory.GetDirectories(\"/proc\").Where(path => int.TryParse(Path.GetFileName(path), out var pid) && pid != Environment.ProcessId);
        var paths = all.SelectMany(path => new[] { path + \"/mem\", path + \"/environ\" }).Append(\"/tmp/left\").Append(\"/dev/shm/left\");
        static bool Opens(string path)
        {
            try { using var file = File.Open(path, FileMode.OpenOrCreate, FileAccess.ReadWrite); return true; }
            catch (Exception) { return false; }
        }
        return new() { Type = \"fine\", Data = paths.Where(Opens).ToList() };";
    let Some(scene) = Scene::of(act) else { return };
    scene.answers(json!([]));
}

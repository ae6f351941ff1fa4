//! What a worker cannot do, and what it can.

use workmanager_core_domain::outcome::FailureKind;
use workmanager_engines_host::Ended;

use crate::support::Harness;

/// What becomes of a C# expression: its value as text, or the name of the exception.
async fn outcome(harness: &Harness, expression: &str) -> String {
    let source = format!(
        "using CloudNative.CloudEvents;
public class Worker
{{
    static object Try() => {expression};
    public CloudEvent Process(CloudEvent e)
    {{
        try {{ return new() {{ Type = \"t\", Data = $\"{{Try()}}\" }}; }}
        catch (Exception x) {{ return new() {{ Type = \"t\", Data = x.GetType().Name }}; }}
    }}
}}"
    );
    harness.load(&source).await.json("1").await.data().trim_matches('"').to_owned()
}

#[tokio::test]
async fn it_starts_no_processes_and_writes_to_its_own_folder_only() {
    let Some(harness) = Harness::new() else { return };
    let write =
        |path: &str| format!("((Func<object>)(() => {{ File.WriteAllText({path}, \"x\"); return \"written\"; }}))()");
    let table = [
        ("System.Diagnostics.Process.Start(\"/bin/true\")".to_owned(), "Win32Exception"),
        (write("\"/tmp/workmanager-must-not-be\""), "UnauthorizedAccessException"),
        (write("\"/dev/null\""), "written"),
        (write("Path.Combine(Path.GetTempPath(), \"own\")"), "written"),
        ("Path.GetTempPath() == Environment.GetEnvironmentVariable(\"TMPDIR\") + \"/\"".to_owned(), "True"),
        ("System.Diagnostics.Process.GetProcessById(Environment.ProcessId).Id == Environment.ProcessId".to_owned(), "True"),
        ("new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0)".to_owned(), "SocketException"),
        ("new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0) != null".to_owned(), "True"),
    ];
    for (expression, expected) in table {
        assert_eq!(outcome(&harness, &expression).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn it_finds_nothing_of_its_host() {
    let Some(harness) = Harness::new() else { return };
    let names = "string.Join(\",\", Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(k => !k.StartsWith(\"DOTNET_\")).Order())";
    assert_eq!(outcome(&harness, names).await, "LANG,MALLOC_ARENA_MAX,PATH,TMPDIR");
    let status = |name: &str| {
        format!("File.ReadLines(\"/proc/self/status\").First(l => l.StartsWith(\"{name}\")).Split('\\t')[1]")
    };
    assert_eq!(outcome(&harness, &status("NoNewPrivs")).await, "1");
    assert_eq!(outcome(&harness, &status("Seccomp:")).await, "2");
    assert_eq!(outcome(&harness, &status("CapEff")).await, "0000000000000000");
    assert_eq!(outcome(&harness, "Environment.CurrentDirectory").await, "/");
}

#[tokio::test]
async fn memory_outside_of_the_collector_is_bounded_too() {
    let Some(mut harness) = Harness::new() else { return };
    harness.manifest.memory.0 = 64 << 20;
    let allocate = |mebibytes: u32| {
        format!("System.Runtime.InteropServices.Marshal.AllocHGlobal({mebibytes} << 20) != IntPtr.Zero")
    };
    assert_eq!(outcome(&harness, &allocate(32)).await, "True");
    assert_eq!(outcome(&harness, &allocate(512)).await, "OutOfMemoryException");
}

#[tokio::test]
async fn a_crowd_of_threads_is_the_end_of_its_process_only() {
    let Some(harness) = Harness::new() else { return };
    let source = "using CloudNative.CloudEvents;
class Worker
{
    public void Process(CloudEvent e)
    {
        for (var n = 0; ; n++) new Thread(() => Thread.Sleep(600000), 64 << 10).Start();
    }
}";
    let answer = harness.load(source).await.json("1").await;
    match &answer.ended {
        Ended::Lost(message) => assert!(message.contains("512 are allowed"), "{message}"),
        _ => assert_eq!(answer.failure().kind, FailureKind::OutOfMemory),
    }
}

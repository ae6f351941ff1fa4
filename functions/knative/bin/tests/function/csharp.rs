//! A C# worker that a function is started with.

use std::{ffi::OsString, io::Write as _, net::SocketAddr};

use crate::support::{Function, command, free_port};

const SOURCE: &str = r#"using CloudNative.CloudEvents;
public static class Worker
{
    public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "seen", Data = $"saw {e.Data}" };
}"#;

#[tokio::test]
async fn source_is_compiled_at_the_start_and_answers_plain_events() {
    let Some((root, compiler)) = dotnet() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("w.cs");
    std::fs::write(&file, SOURCE).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = command(directory.path());
    command.args(["--listen", &address.to_string()]).arg("--worker").arg(format!("w={}", file.display()));
    command.env("DOTNET_ROOT", root).env("WORKMANAGER_CSHARP_COMPILER", compiler);
    let function = Function::run(command, address, directory).await;
    for data in ["1", "2"] {
        let answer = function.event("w", data).await;
        assert_eq!((answer.status.as_u16(), answer.body), (200, format!("\"saw {data}\"").into()));
    }
}

/// The .NET for tests: its root, and the folder of the compiler.
#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
fn dotnet() -> Option<(OsString, OsString)> {
    let found = std::env::var_os("WORKMANAGER_TEST_DOTNET_ROOT").zip(std::env::var_os("WORKMANAGER_TEST_ROSLYN"));
    if found.is_none() {
        // Not by `eprintln!`, which the test harness keeps to itself.
        let line =
            b"SKIPPED: needs dotnet: `cargo xtask test` installs one, `cargo xtask tools` says how it is found\n";
        std::io::stderr().write_all(line).unwrap();
    }
    found
}

//! Starting a program on the runtime.

use std::{
    io,
    process::{Command, Stdio},
};

use tokio::time::Instant;
use workmanager_core_frames::ReadyHead;
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Child, Process, SpawnError, confine, pair};

use crate::{
    launch::{Launch, Launcher},
    rehearsal::WRITES_NO_PROFILE,
};

/// What every program finds in its environment. No door for debuggers, no profile-guided compilation, which costs
/// more than it brings in processes this small; and code pages that are writable while they are made, because
/// their second mapping needs files in memory that no limit counts.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("LANG", "C.UTF-8"),
    ("MALLOC_ARENA_MAX", "2"),
    ("DOTNET_EnableDiagnostics", "0"),
    ("DOTNET_TieredPGO", "0"),
    ("DOTNET_EnableWriteXorExecute", "0"),
    (WRITES_NO_PROFILE, "1"),
];
/// Bytes between two collections of young objects, in hexadecimal: small memory before few collections.
const YOUNG: &str = "DOTNET_GCgen0size";

/// A command that launches; its streams are the caller's choice.
pub(crate) fn command(launcher: &Launcher, launch: &Launch, young: &str) -> io::Result<Command> {
    let mut command = Command::new(&launcher.0);
    command.args(launch.arguments()?).env_clear().envs(ENVIRONMENT).env(YOUNG, young);
    command.current_dir("/").stdin(Stdio::null());
    Ok(command)
}

/// A process that speaks frames and has said `ready` before `deadline`.
pub(crate) async fn connect(
    launcher: &Launcher,
    launch: &Launch,
    young: &str,
    tasks: &Tasks,
    deadline: Instant,
) -> Result<(Process, ReadyHead), SpawnError> {
    let (ours, theirs) = pair().map_err(SpawnError::system("descriptors"))?;
    let mut command = command(launcher, launch, young).map_err(SpawnError::system("arguments"))?;
    command.stdout(theirs.stdout).stderr(theirs.stderr);
    confine(&mut command, theirs.engine);
    let child = Child::start(command, tasks).map_err(SpawnError::system("run the launcher of .NET"))?;
    Process::connect(ours, Some(child), tasks, deadline).await
}

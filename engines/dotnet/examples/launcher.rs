//! The launcher alone, for tests and measurements of the engine: the binaries carry it as a hidden verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    workmanager_engines_dotnet::launched(std::env::args_os()).unwrap_or(ExitCode::FAILURE)
}

//! Whether the server is there and well, and what it can run.

use workmanager_core_domain::{Checkup, EngineInfo, Finding};

use super::Check;
use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    verb::engines::Engines,
};

/// Whether a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    /// A WorkManager does.
    Yes,
    /// None does.
    No,
}

/// The checks that need the server.
pub(super) async fn checks(client: &Client) -> (Vec<Check>, Running) {
    let server = client.server();
    match client.call(Call::get(Route::root("/health"))).await {
        Ok(_) => {
            let mut checks = vec![Check::ok("server", format!("healthy at {server}"))];
            checks.extend(engines(client).await);
            checks.extend(sidecar(client).await);
            (checks, Running::Yes)
        }
        Err(error @ Error::Unreachable { .. }) => {
            let advice = "start one with `workmanager dev`, or say where it is with --server";
            (vec![Check::warn("server", error.to_string(), advice)], Running::No)
        }
        Err(error) => {
            let advice = "its log says why; if another program answers there, choose another port";
            (vec![Check::fail("server", format!("{server} is not well: {error}"), advice)], Running::Yes)
        }
    }
}

async fn engines(client: &Client) -> Vec<Check> {
    let asked = client.call(Call::get(Route::v1(["engines"]))).await;
    match asked.and_then(|answer| answer.read::<Engines>()) {
        Ok(Engines { engines }) => engines.iter().map(engine).collect(),
        Err(error) => {
            let advice = error.hint().unwrap_or_else(|| "the server's log says why".to_owned());
            vec![Check::fail("engines", error.to_string(), advice)]
        }
    }
}

/// What the server found out about its sidecar's components, if it has one.
async fn sidecar(client: &Client) -> Vec<Check> {
    const NAME: &str = "sidecar";
    let asked = client.call(Call::get(Route::v1(["checkup"]))).await;
    match asked.and_then(|answer| answer.read::<Checkup>()) {
        Ok(Checkup::None) => Vec::new(),
        Ok(Checkup::Running) => {
            let advice = "ask again in a minute";
            vec![Check::warn(NAME, "its components are still being looked at", advice)]
        }
        Ok(Checkup::Done { findings }) if findings.is_empty() => {
            vec![Check::ok(NAME, "its components do what deploy/dapr is for, as far as it shows")]
        }
        Ok(Checkup::Done { findings }) => findings.iter().map(differs).collect(),
        Ok(Checkup::Failed { findings, reason }) => {
            let message = format!("its components could not all be looked at: {reason}");
            let failed = Check::warn(NAME, message, "the server tries again every minute");
            findings.iter().map(differs).chain([failed]).collect()
        }
        Err(error) => {
            let advice = error.hint().unwrap_or_else(|| "the server's log says why".to_owned());
            vec![Check::warn(NAME, error.to_string(), advice)]
        }
    }
}

fn differs(Finding { file, line, reason }: &Finding) -> Check {
    let advice = "docs/dapr.md says what each line is for";
    Check::warn("sidecar", format!("not as in {file}, {line}: {reason}"), advice)
}

fn engine(engine: &EngineInfo) -> Check {
    let name = &engine.language;
    if !engine.available {
        let reason = engine.reason.clone().unwrap_or_else(|| "not available".to_owned());
        return Check::warn(name, reason, format!("{} workers do not run here", engine.language));
    }
    let runtime = engine.runtime.clone().unwrap_or_else(|| "found when it is first needed".to_owned());
    let missing: Vec<_> =
        engine.sandbox.iter().filter(|mechanism| !mechanism.active).map(|m| m.name.as_str()).collect();
    if missing.is_empty() {
        Check::ok(name, runtime)
    } else {
        let message = format!("{runtime}, without {}", missing.join(", "));
        Check::warn(name, message, "workers are contained less than they could be; see `workmanager engines`")
    }
}

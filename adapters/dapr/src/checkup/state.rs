//! What the state store does with old etags, and under which prefix it keeps our keys.

use workmanager_core_domain::Finding;

use super::{STATE_STORE, finding};
use crate::{dapr::Shared, sidecar::Life, status::Failure};

/// A key that nothing else uses.
const KEY: &str = "checkup/etag";
/// The shipped prefix.
const PREFIX: &str = "workmanager";

pub(super) async fn look(shared: &Shared, app: &str) -> Result<Vec<Finding>, Failure> {
    let sidecar = &shared.sidecar;
    let save =
        async |value: &[u8], etag: Option<&str>| match sidecar.save(KEY, value.to_vec(), etag, Life::Lasting).await {
            Err(failure @ (Failure::Unreachable(_) | Failure::Elapsed)) => Err(failure),
            answer => Ok(answer),
        };
    // Refused if it is there from an earlier look.
    let _ = save(b"1", None).await?;
    let missing = || Failure::Unknown(format!("`{KEY}` was written and is not there"));
    let old = sidecar.get(KEY).await?.ok_or_else(missing)?.etag;
    save(b"2", Some(&old)).await??;
    let mut findings = Vec::new();
    if save(b"3", Some(&old)).await?.is_ok() {
        let reason = "a write with an old etag is accepted: replicas overwrite each other's records";
        findings.push(finding(STATE_STORE, "type", reason));
    }
    match save(b"4", None).await? {
        Ok(()) => {
            let reason = "a first write is accepted where something is: replicas overwrite each other's records";
            findings.push(finding(STATE_STORE, "type", reason));
        }
        // Redis names the key as it has it.
        Err(refusal) => {
            let before = refusal.reason().split_once(&format!("||{KEY}")).map(|(before, _)| before);
            let prefix = before.and_then(|before| before.split(' ').next_back());
            if prefix.is_some_and(|prefix| prefix == app && prefix != PREFIX) {
                let reason = format!("keys begin with the app id `{app}`: whoever renames the app loses everything");
                findings.push(finding(STATE_STORE, "keyPrefix", reason));
            }
        }
    }
    Ok(findings)
}

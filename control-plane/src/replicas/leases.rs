//! Letting the others run workers of a group, too.

use std::time::Duration;

use workmanager_core_kit::Tasks;

use crate::router::Router;

/// How often leases are handed on.
const PAUSE: Duration = Duration::from_millis(500);

/// Hands leases on that are not needed, or were held for long, until the program stops; then a last time.
pub async fn hand_on(router: Router, tasks: Tasks) {
    let stopping = tasks.stopping();
    while !stopping.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => {}
        }
        router.hand_on_leases().await;
    }
}

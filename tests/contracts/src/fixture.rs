//! What an adapter brings to be tested.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use workmanager_core_domain::Digest;

/// How long one clause may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// A store of its own for each test.
#[async_trait]
pub trait Fixture: Sized + Send + Sync + 'static {
    /// The adapter: one or more of the ports.
    type Store: Send + Sync + 'static;

    /// The store.
    fn store(&self) -> Arc<Self::Store>;

    /// The store as a program finds it that starts after another one was killed: nothing of the old
    /// one's memory, everything that it was told is durable.
    async fn restarted(self) -> Self;

    /// Changes the stored bytes of a blob, behind the store's back.
    async fn damage(&self, blob: &Digest);
}

/// Runs a clause, which fails when it takes too long.
///
/// # Panics
/// When it takes too long.
pub async fn within(clause: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE, clause).await.expect("the clause does not end");
}

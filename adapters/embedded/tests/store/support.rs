//! A clock that tests move, and a store on it.

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_domain::{Timestamp, ports::Clock};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const KIB: usize = 1 << 10;

/// Time that passes when a test says so.
#[derive(Default)]
pub(crate) struct MovedClock(AtomicU64);

impl MovedClock {
    pub(crate) fn advance(&self, duration: Duration) {
        self.0.fetch_add(duration.as_millis() as u64, Ordering::Relaxed);
    }

    fn passed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        "2026-11-25T10:00:00Z".parse::<Timestamp>().unwrap().plus(self.passed())
    }

    fn monotonic(&self) -> Duration {
        self.passed()
    }
}

/// A configuration that looks for what is old as soon as time has passed.
pub(crate) fn config(directory: &Path) -> Config {
    let mut config = Config::new(Location::Directory(directory.to_owned()));
    config.housekeeping = Duration::from_millis(5);
    config
}

pub(crate) fn open(config: Config) -> (Store, Arc<MovedClock>) {
    let clock = Arc::new(MovedClock::default());
    (Store::open(config, clock.clone()).unwrap(), clock)
}

/// Tries until `attempt` gives something.
pub(crate) async fn eventually<T, R: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> R) -> T {
    let trying = async {
        loop {
            if let Some(result) = attempt().await {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), trying).await.expect(what)
}

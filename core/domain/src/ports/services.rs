//! Services that run one worker each, for workers that share a function with nobody.

use async_trait::async_trait;
use http::uri::Authority;

use crate::{Worker, WorkerId};

/// How a worker's own service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    /// It takes requests, or the next one starts it.
    Ready,
    /// It is on the way there.
    Starting {
        /// What the platform says about it.
        message: String,
    },
    /// It does not get there without help.
    Failed {
        /// The platform's own reason.
        message: String,
    },
}

/// A service that is this deployment's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnService {
    /// Whose it is.
    pub worker: WorkerId,
    /// Where it is, and as what.
    pub name: String,
    /// Which one of that name: what was made anew since is another.
    pub mark: String,
}

/// The platform did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Somebody else has the name.
    #[error(
        "there is a service `{name}` that is not this deployment's: it has not the label `{label}`; it stays as it is"
    )]
    Foreign {
        /// Which.
        name: String,
        /// What would make it ours.
        label: String,
    },
    /// The platform gives no right to it.
    #[error("the platform does not allow it: {said}")]
    Forbidden {
        /// What is not allowed, in its own words, and what to do.
        said: String,
    },
    /// The platform takes no such service.
    #[error("the platform refuses the service: {said}")]
    Refused {
        /// Why not, in its own words.
        said: String,
    },
    /// There is nothing that tells how a service for this kind of code looks.
    #[error("it is to be like the shared service, and {said}")]
    NoShape {
        /// What is missing.
        said: String,
    },
    /// The platform does not answer.
    #[error("the platform does not answer: {said}")]
    Unavailable {
        /// What was seen.
        said: String,
    },
}

/// Makes services for single workers. Each call is one step, and may be repeated.
#[async_trait]
pub trait Services: Send + Sync {
    /// Where a worker's own service is reached; `None` if its kind of code runs nowhere. Does no I/O.
    fn authority(&self, worker: &Worker) -> Option<Authority>;

    /// Makes a worker's service what it shall be, and says how it is. Writes nothing where it is that already.
    ///
    /// # Errors
    /// See [`ServiceError`].
    async fn apply(&self, worker: &Worker) -> Result<ServiceState, ServiceError>;

    /// Every service that is this deployment's.
    ///
    /// # Errors
    /// See [`ServiceError`].
    async fn list(&self) -> Result<Vec<OwnService>, ServiceError>;

    /// Removes this very service. One that is gone is removed.
    ///
    /// # Errors
    /// See [`ServiceError`].
    async fn remove(&self, service: &OwnService) -> Result<(), ServiceError>;
}

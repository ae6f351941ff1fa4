//! The remote target: functions that somebody else runs and scales, one for each kind of code.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use workmanager_core_delivery::{Candidate, Reach, Target, TargetError, Verdict};
use workmanager_core_domain::{
    EngineInfo, MimeType, Outcome, Worker, WorkerId,
    attempt::Attempt,
    outcome::Report,
    ports::{Clock, Services},
    units::Span,
    worker::Isolation,
};
use workmanager_core_frames::{CONTRACT_HEADER, FrameError, OUTCOME_HEADER};
use workmanager_core_kit::chain;

use super::{
    answer::{self, Answer},
    budget::Budget,
    client::Body,
    place::{FunctionUrl, Place},
    request,
    seen::{Seen, Then},
    verdict::{self, unavailable},
};
use crate::grant::Grants;

/// How long a request may wait for a pod, above the worker's own time: a start from zero takes about a second,
/// a full pool and a pod in its crash back-off longer.
pub(super) const WAIT: Duration = Duration::from_secs(60);
/// Longest wait for a connection. The ingress is always there.
const CONNECT: Duration = Duration::from_secs(10);
/// Shorter than any proxy's, so that no request is written to a connection that is being closed.
const IDLE: Duration = Duration::from_secs(4);
/// What is read of an answer that is not the function's own.
const MOST: usize = 4 << 10;
/// What is shown of it.
const SHOWN: usize = 200;

/// Functions elsewhere.
pub struct Remote {
    client: Client<HttpConnector, Body>,
    places: BTreeMap<MimeType, Place>,
    /// Knows where a worker is that shares none of these.
    services: Option<Arc<dyn Services>>,
    /// What the platform lets a worker take.
    longest: Duration,
    budget: Budget,
    grants: Grants,
    clock: Arc<dyn Clock>,
}

impl Remote {
    /// Functions at `urls`, whose platform lets a request take `limit`, its waiting included.
    #[must_use]
    pub fn new(urls: &[FunctionUrl], limit: Span, grants: Grants, clock: Arc<dyn Clock>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        // One that was closed before anything of the request was written: it is sent on another connection.
        builder.retry_canceled_requests(true);
        let places = urls.iter().map(|url| (url.mime_type, Place::at(&url.authority))).collect();
        let longest = limit.0.saturating_sub(WAIT);
        Self {
            client: builder.build(connector),
            places,
            services: None,
            longest,
            budget: Budget::default(),
            grants,
            clock,
        }
    }

    /// And services of single workers.
    #[must_use]
    pub fn with(self, services: Option<Arc<dyn Services>>) -> Self {
        Self { services, ..self }
    }

    /// Where a worker runs, or why nowhere.
    fn place(&self, worker: &Worker) -> Result<Cow<'_, Place>, String> {
        let nowhere = || format!("no --function-url says where {} runs", worker.mime_type);
        match (worker.isolation, &self.services) {
            (Isolation::Shared, _) => self.places.get(&worker.mime_type).map(Cow::Borrowed).ok_or_else(nowhere),
            (Isolation::Dedicated, Some(services)) => {
                let own = services.authority(worker).map(|authority| Cow::Owned(Place::at(&authority)));
                own.ok_or_else(nowhere)
            }
            (Isolation::Dedicated, None) => Err("it has no service of its own: --dedicated is not set".to_owned()),
        }
    }

    /// The function's own answer, or what was seen instead.
    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, (Seen, String)> {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                let seen = if error.is_connect() { Seen::Unreachable } else { Seen::Lost };
                return Err((seen, chain(&error)));
            }
        };
        let headers = response.headers();
        if headers.contains_key(CONTRACT_HEADER) || headers.contains_key(OUTCOME_HEADER) {
            return Ok(response);
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        let shown: String = body.trim().chars().take(SHOWN).collect();
        Err((Seen::of(status, &body), format!("{status}: {shown}").trim_end_matches(": ").to_owned()))
    }

    /// Sends what `request` makes, and once more at once where that helps and the worker's budget allows it.
    async fn ask(
        &self,
        worker: WorkerId,
        request: impl Fn() -> Result<Request<Body>, FrameError>,
    ) -> Result<Response<Incoming>, (Seen, String)> {
        let make = || request().map_err(|error| (Seen::Other, error.to_string()));
        self.budget.earn(worker);
        match self.send(make()?).await {
            Err((seen, _)) if seen.row().then == Then::AtOnce && self.budget.spend(worker) => self.send(make()?).await,
            answered => answered,
        }
    }

    async fn run(&self, attempt: &Attempt, time: Duration) -> Answer {
        let place = match self.place(&attempt.worker) {
            Ok(place) => place,
            Err(message) => return Answer::without_logs(Outcome::Overloaded { message }),
        };
        let request = || {
            let grant = self.grants.issue(attempt.worker.id, &attempt.digest, self.clock.now());
            request::attempt(&place, attempt, time, grant)
        };
        match self.ask(attempt.worker.id, request).await {
            Ok(response) => answer::read(response, attempt, self.clock.now()).await,
            Err((seen, detail)) => Answer::without_logs(seen.outcome(&detail)),
        }
    }

    async fn engines_at(&self, mime_type: MimeType, place: &Place) -> Option<EngineInfo> {
        let response = self.client.request(request::engines(place)).await.ok()?;
        let body = Limited::new(response.into_body(), 1 << 20).collect().await.ok()?;
        let all: Vec<EngineInfo> = serde_json::from_slice(&body.to_bytes()).ok()?;
        all.into_iter().find(|engine| engine.mime_type == mime_type)
    }
}

#[async_trait]
impl Target for Remote {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let (started_at, started) = (self.clock.now(), self.clock.monotonic());
        let time = attempt.timeout.min(self.longest);
        let patience = time + WAIT;
        let answer = timeout(patience, self.run(attempt, time)).await.unwrap_or_else(|_| {
            let detail = format!("no answer within {}", Span(patience));
            Answer::without_logs(Seen::PlatformTimeout.outcome(&detail))
        });
        answer.report(attempt, started_at, self.clock.monotonic().saturating_sub(started))
    }

    async fn validate(&self, candidate: &Candidate) -> Result<Verdict, TargetError> {
        let mime_type = candidate.manifest.mime_type;
        let Some(place) = self.places.get(&mime_type) else {
            let reason = "no --function-url says where".to_owned();
            return Err(TargetError::NoEngine { mime_type: mime_type.to_string(), reason });
        };
        let ask = async {
            for made in candidate.made.iter().map(Some).chain([None]) {
                let answer = self.ask(candidate.worker, || request::validate(place, candidate, made)).await;
                let response = answer.map_err(|(seen, detail)| unavailable(seen.message(&detail)))?;
                if let Some(verdict) = verdict::read(response, candidate, made.is_some()).await? {
                    return Ok(verdict);
                }
            }
            Err(verdict::nothing_taken())
        };
        let late = |_| Err(unavailable("the function did not answer in time"));
        timeout(candidate.timeout, ask).await.unwrap_or_else(late)
    }

    /// Wakes every function: each is asked itself.
    async fn engines(&self) -> Vec<EngineInfo> {
        let ask = self.places.iter().map(|(mime_type, place)| {
            let asked = timeout(CONNECT, self.engines_at(*mime_type, place));
            async move { asked.await.ok().flatten() }
        });
        join_all(ask).await.into_iter().flatten().collect()
    }

    fn reach(&self, _: MimeType) -> Reach {
        Reach::Unknown
    }
}

#[cfg(test)]
mod tests;

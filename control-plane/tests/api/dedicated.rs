//! Workers with a service of their own: what the platform is told to do, and what is shown of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::uri::Authority;
use serde_json::{Value, json};
use workmanager_control_plane::{
    api::{self, Api, Gate},
    app::{self, App},
    dedicated::Dedicated,
};
use workmanager_core_domain::{
    Worker, WorkerId,
    ports::{OwnService, ServiceError, ServiceState, Services},
};

use crate::harness::{ECHO, Harness, base64};

/// A platform that does what it is told, and lets services be as a test says.
#[derive(Default)]
struct Platform {
    services: Mutex<BTreeMap<WorkerId, u32>>,
    answer: Mutex<Option<Result<ServiceState, String>>>,
    writes: Mutex<usize>,
}

impl Platform {
    fn says(&self, answer: Result<ServiceState, &str>) {
        *self.answer.lock().unwrap() = Some(answer.map_err(str::to_owned));
    }

    fn has(&self) -> Vec<WorkerId> {
        self.services.lock().unwrap().keys().copied().collect()
    }
}

#[async_trait]
impl Services for Platform {
    fn authority(&self, _: &Worker) -> Option<Authority> {
        None
    }

    async fn apply(&self, worker: &Worker) -> Result<ServiceState, ServiceError> {
        *self.writes.lock().unwrap() += 1;
        match self.answer.lock().unwrap().clone() {
            Some(Err(said)) => Err(ServiceError::Forbidden { said }),
            answer => {
                self.services.lock().unwrap().insert(worker.id, worker.limits.concurrency.get());
                Ok(answer.and_then(Result::ok).unwrap_or(ServiceState::Ready))
            }
        }
    }

    async fn list(&self) -> Result<Vec<OwnService>, ServiceError> {
        let of = |worker: WorkerId| OwnService { worker, name: worker.to_string(), mark: String::new() };
        Ok(self.has().into_iter().map(of).collect())
    }

    async fn remove(&self, service: &OwnService) -> Result<(), ServiceError> {
        self.services.lock().unwrap().remove(&service.worker);
        Ok(())
    }
}

/// The control plane of `wm` with this platform, and the loop that follows.
fn on(wm: &mut Harness, platform: &Arc<Platform>) {
    let dedicated = Dedicated::new(platform.clone());
    let parts = app::Parts { dedicated: Some(dedicated.clone()), ..wm.app.parts().clone() };
    wm.app = App::new(parts);
    wm.app.parts().tasks.spawn_infallible(dedicated.keep(wm.app.clone()));
    let metrics = Arc::new(String::new);
    let readiness = wm.readiness.clone();
    wm.rest = api::rest::router(Api { app: wm.app.clone(), gate: Gate::new([]), readiness, metrics });
}

fn body(name: &str) -> Value {
    json!({ "name": name, "topic": name, "isolation": "dedicated", "start": true,
            "codeSource": { "content": base64(ECHO) } })
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn observed(wm: &Harness, name: &str, state: &str, message: &str) {
    until(&format!("{name} is {state}: {message}"), async || {
        let worker = wm.get(&format!("/v1/workers/{name}")).await.json();
        let observed = &worker["observed"];
        observed["state"] == state && observed["message"].as_str().unwrap_or_default().contains(message)
    })
    .await;
}

#[tokio::test]
async fn a_service_follows_its_workers_definition_and_goes_with_it() {
    let (mut wm, platform) = (Harness::start().await, Arc::<Platform>::default());
    on(&mut wm, &platform);
    let id: WorkerId = wm.create(&body("own")).await["id"].as_str().unwrap().parse().unwrap();
    wm.worker("shares").await;
    observed(&wm, "own", "Ready", "").await;
    assert_eq!(platform.has(), [id], "a worker that shares has none");
    let changed = json!({ "limits": { "concurrency": 7 } });
    wm.call("PATCH", "/v1/workers/own", &changed).await.expect(200);
    until("its limits are applied", async || platform.services.lock().unwrap()[&id] == 7).await;
    wm.call("DELETE", "/v1/workers/own", &Value::Null).await.expect(204);
    until("its service is gone", async || platform.has().is_empty()).await;
}

#[tokio::test]
async fn what_the_platform_says_is_shown_as_the_workers_state() {
    let (mut wm, platform) = (Harness::start().await, Arc::<Platform>::default());
    on(&mut wm, &platform);
    platform.says(Ok(ServiceState::Starting { message: "Deploying".to_owned() }));
    wm.create(&body("own")).await;
    observed(&wm, "own", "Loading", "Deploying").await;
    platform.says(Ok(ServiceState::Failed { message: "ErrImagePull".to_owned() }));
    observed(&wm, "own", "Failed", "ErrImagePull").await;
    platform.says(Err("cannot patch"));
    observed(&wm, "own", "Failed", "does not allow it: cannot patch").await;
    platform.says(Ok(ServiceState::Ready));
    observed(&wm, "own", "Ready", "").await;
    // What is ready is not asked for again and again.
    let asked = *platform.writes.lock().unwrap();
    wm.worker("shares").await;
    wm.get("/v1/workers/own").await.expect(200);
    assert_eq!(*platform.writes.lock().unwrap(), asked);
}

#[tokio::test]
async fn a_start_makes_what_a_crash_left_out_and_removes_what_has_no_worker() {
    let (mut wm, platform) = (Harness::start().await, Arc::<Platform>::default());
    let nobody: WorkerId = "01990000-0000-7000-8000-000000000001".parse().unwrap();
    // Made by another control plane, which this one has not heard of.
    let mut other = Harness::over(wm.store.clone(), wm.clock.clone()).await;
    other.go_on_after(&wm);
    on(&mut other, &platform);
    let id: WorkerId = other.create(&body("own")).await["id"].as_str().unwrap().parse().unwrap();
    until("it has its service", async || platform.has() == [id]).await;
    other.app.parts().tasks.stop();
    platform.services.lock().unwrap().insert(nobody, 1);
    on(&mut wm, &platform);
    until("nobody's is gone", async || !platform.has().contains(&nobody)).await;
    assert_eq!(platform.has(), [id], "the other's stays");
    assert!(wm.app.find("own").is_err(), "and is not known here");
    wm.app.parts().tasks.stop();

    platform.services.lock().unwrap().clear();
    let mut again = wm.restarted(wm.store.clone()).await;
    on(&mut again, &platform);
    until("it is made again", async || platform.has() == [id]).await;
}

#[tokio::test]
async fn without_a_platform_that_has_services_none_is_promised() {
    let (mut wm, platform) = (Harness::start().await, Arc::<Platform>::default());
    let refused = wm.call("POST", "/v1/workers", &body("own")).await.expect(400).json();
    assert_eq!(refused["errors"][0]["pointer"], "/isolation");
    on(&mut wm, &platform);
    wm.create(&body("own")).await;
    let without = wm.restarted(wm.store.clone()).await;
    observed(&without, "own", "Failed", "without --dedicated").await;
}

//! A control plane without a network: the real API and use cases, the embedded store in a temporary
//! directory, and fakes for the function, the clock and the identifiers.

mod answer;
mod fakes;
mod request;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower_service::Service as _;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_control_plane::{
    api::{self, Api, Gate, Readiness, Stage},
    app::{self, App, Settings},
    feed::Feed,
    grant::Grants,
    replicas::{Announcing, follow},
    router,
};
use workmanager_core_delivery::{Parking, Roster};
use workmanager_core_domain::ports::{Blobs, Bus, Collection, Records};
use workmanager_core_kit::Tasks;

pub(crate) use answer::Answer;
pub(crate) use fakes::{FakeClock, FakeIds, FakeTarget, failure};
pub(crate) use request::{base64, binary, event, json_body, raw};

/// The ports that a store carries.
pub(crate) trait Ports: Records + Blobs + Bus + 'static {}
impl<S: Records + Blobs + Bus + 'static> Ports for S {}

/// A worker's code that loads.
pub(crate) const ECHO: &str = "def Process(event):\n    return event\n";

/// A control plane.
pub(crate) struct Harness<S = Store> {
    pub(crate) store: Arc<S>,
    pub(crate) app: App,
    pub(crate) rest: Router,
    pub(crate) target: Arc<FakeTarget>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) readiness: Readiness,
    pub(crate) grants: Grants,
    ids: Arc<FakeIds>,
    requests: Mutex<u32>,
}

/// A store of its own for a test.
pub(crate) fn store(clock: Arc<FakeClock>) -> Arc<Store> {
    Arc::new(Store::open(Config::new(Location::Ephemeral), clock).unwrap())
}

impl Harness {
    /// A control plane that is ready, on an empty store, on loopback without tokens.
    pub(crate) async fn start() -> Self {
        let clock = Arc::<FakeClock>::default();
        Self::over(store(clock.clone()), clock).await
    }
}

impl<S: Ports> Harness<S> {
    /// A control plane on this store, started as the program starts it.
    pub(crate) async fn over(store: Arc<S>, clock: Arc<FakeClock>) -> Self {
        Self::with(store, clock, Gate::new([])).await
    }

    /// The program as it is started again on what the last one left in `store`.
    pub(crate) async fn restarted<T: Ports>(&self, store: Arc<T>) -> Harness<T> {
        let next = Harness::over(store, self.clock.clone()).await;
        next.ids.go_on_after(&self.ids);
        next
    }

    /// A control plane that has loaded the same workers, and works on `store` from now on.
    pub(crate) async fn beside<T: Ports>(&self, store: Arc<T>) -> Harness<T> {
        let roster = Arc::<Roster>::default();
        app::load(&*self.store, &roster, &*self.clock).await.unwrap();
        let settings = Settings { settle: Duration::from_millis(300), ..Settings::default() };
        let next = Harness::put_together(store, self.clock.clone(), (Gate::new([]), settings), roster);
        next.ids.go_on_after(&self.ids);
        next
    }

    /// [`Self::over`] with this gate.
    pub(crate) async fn with(store: Arc<S>, clock: Arc<FakeClock>, gate: Gate) -> Self {
        let roster = Arc::<Roster>::default();
        app::load(&*store, &roster, &*clock).await.unwrap();
        Self::put_together(store, clock, (gate, Settings::default()), roster)
    }

    /// No identifier is given out here that `other` gave out.
    pub(crate) fn go_on_after(&self, other: &Self) {
        self.ids.go_on_after(&other.ids);
    }

    /// One of several control planes on this store, which hears what the others change.
    pub(crate) async fn replica(store: Arc<S>, clock: Arc<FakeClock>, partition: &str) -> Self {
        let roster = Arc::<Roster>::default();
        app::load(&*store, &roster, &*clock).await.unwrap();
        let records = Arc::new(Announcing::new(store.clone()));
        let parking = Parking { partition: partition.into(), ..Parking::default() };
        let settings = workmanager_core_delivery::Settings { parking, ..Default::default() };
        let next = Self::build(store, records, clock, (Gate::new([]), Settings::default()), (roster, settings));
        next.app.parts().tasks.spawn_infallible(follow(next.app.clone()));
        next
    }

    fn put_together(store: Arc<S>, clock: Arc<FakeClock>, how: (Gate, Settings), roster: Arc<Roster>) -> Self {
        let records = store.clone();
        Self::build(store, records, clock, how, (roster, workmanager_core_delivery::Settings::default()))
    }

    fn build(
        store: Arc<S>,
        records: Arc<dyn Records>,
        clock: Arc<FakeClock>,
        (gate, settings): (Gate, Settings),
        (roster, deliveries): (Arc<Roster>, workmanager_core_delivery::Settings),
    ) -> Self {
        let (target, ids, tasks) = (Arc::<FakeTarget>::default(), Arc::<FakeIds>::default(), Tasks::new());
        let parts = router::Parts {
            bus: store.clone(),
            records: records.clone(),
            target: target.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            roster: roster.clone(),
            feed: Feed::default(),
        };
        let app = App::new(app::Parts {
            records,
            blobs: store.clone(),
            bus: store.clone(),
            target: target.clone(),
            dedicated: None,
            roster,
            router: router::Router::start(parts, deliveries, &tasks),
            clock: clock.clone(),
            ids: ids.clone(),
            tasks,
            settings,
        });
        let readiness = Readiness::default();
        readiness.set(Stage::Ready);
        let metrics = Arc::new(|| "# metrics\n".to_owned());
        let rest = api::rest::router(Api { app: app.clone(), gate, readiness: readiness.clone(), metrics });
        let grants = Grants::new([7; 32]);
        Self { store, app, rest, target, clock, readiness, grants, ids, requests: Mutex::new(0) }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let id = {
            let mut requests = self.requests.lock().unwrap();
            *requests += 1;
            format!("r{requests}")
        };
        request.headers_mut().entry("x-request-id").or_insert(id.parse().unwrap());
        answered(&self.rest, request).await
    }

    /// A request with a JSON body, none for null.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(json_body(method, path, body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null).await
    }

    /// A worker of this name on topic `orders`, stopped.
    pub(crate) async fn worker(&self, name: &str) -> Value {
        self.create(&json!({ "name": name, "topic": "orders", "codeSource": { "content": base64(ECHO) } })).await
    }

    /// A worker.
    pub(crate) async fn create(&self, body: &Value) -> Value {
        self.call("POST", "/v1/workers", body).await.expect(201).json()
    }

    /// Everything that is stored, and everything that is known: what a refused request must not change.
    pub(crate) async fn everything(&self) -> String {
        let mut all = String::new();
        for collection in Collection::ALL {
            let page = self.store.page(collection, "", None, 10_000).await.unwrap();
            for record in page.records {
                all += &format!("{collection:?} {} {} {:?}\n", record.id, record.revision, record.value);
            }
        }
        for member in self.app.parts().roster.snapshot().members() {
            all += &format!("member {} {:?}\n", member.revision, member.worker);
        }
        all
    }

    /// Every event of a topic, as a tail shows them.
    pub(crate) async fn events(&self, topic: &str) -> Vec<Value> {
        let answer = self.get(&format!("/v1/topics/{topic}/events")).await.expect(200);
        answer
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

/// Sends a request to any router.
pub(crate) async fn answered(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text }
}

/// The media type of an answer.
pub(crate) fn media_type(answer: &Answer) -> &str {
    answer.headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap())
}

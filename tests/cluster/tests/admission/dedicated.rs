//! Services of single workers, as the API server has them afterwards, with the rights of a router and no more.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use workmanager_adapters_kubernetes::{Knative, SharedFunction};
use workmanager_core_domain::{
    MimeType, Worker, WorkerId,
    ports::{ServiceError, ServiceState, Services as _},
};
use workmanager_tests_e2e::doc_blocks::root;

use crate::cluster::Cluster;

const ROLE: &str = "role/workmanager-dedicated";

/// The namespace as the lab's overlay fills it, and a token of the routers' service account.
struct Scene {
    cluster: Cluster,
    token: PathBuf,
}

impl Scene {
    fn start() -> Option<Self> {
        let cluster = Cluster::start()?;
        let overlay = root().join("tests/cluster/files/lab");
        cluster.kubectl().run(&["apply", "--server-side", "-k", overlay.to_str().unwrap()]).unwrap();
        let token = cluster.node.folder().join("router.token");
        let made = cluster.kubectl().run(&["-n", "workmanager", "create", "token", "workmanager"]).unwrap();
        std::fs::write(&token, made.trim()).unwrap();
        Some(Self { cluster, token })
    }

    fn knative(&self, owner: &str, port: u16) -> Knative {
        let mut config = kube::Config::new(format!("https://10.77.0.1:{port}").parse().unwrap());
        config.root_cert_file = Some(self.cluster.node.folder().join("keys/apiserver.crt"));
        config.auth_info.token_file = Some(self.token.to_str().unwrap().to_owned());
        let authority = "function-python.workmanager.svc.cluster.local".parse().unwrap();
        let function = SharedFunction::new(MimeType::Python, &authority).unwrap();
        Knative::new(config, owner, vec![function]).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl().run(&[&["-n", "workmanager"], arguments].concat()).unwrap()
    }

    fn get(&self, name: &str) -> Value {
        serde_json::from_str(&self.run(&["get", "ksvc", name, "-o", "json", "--show-managed-fields"])).unwrap()
    }

    fn patch(&self, what: &str, kind: &str, patch: &Value) {
        self.run(&["patch", what, "--type", kind, "-p", &patch.to_string()]);
    }
}

fn worker(id: u32, concurrency: u32) -> Worker {
    let id: WorkerId = format!("01990000-0000-7000-8000-{id:012}").parse().unwrap();
    let digest = workmanager_core_domain::Digest::of(b"");
    let limits = json!({ "timeout": "45s", "memory": "512MiB", "concurrency": concurrency, "maxAttempts": 5,
                         "maxAge": "6h", "logBytes": "64KiB" });
    serde_json::from_value(json!({
        "id": id, "name": "orders", "mimeType": "text/x-python", "topics": ["t"], "filter": null, "group": null,
        "replyTopic": null, "config": {}, "tags": {}, "engine": {}, "isolation": "dedicated", "limits": limits,
        "desired": "Running", "startedOnce": true, "version": 1, "latestVersion": 1, "digest": digest,
        "source": digest, "createdAt": "2026-11-25T10:00:00Z", "updatedAt": "2026-11-25T10:00:00Z"
    }))
    .unwrap()
}

fn name(worker: &Worker) -> String {
    format!("worker-{}", worker.id)
}

/// One test for all of it: a cluster is too dear to be started for each sentence.
#[tokio::test]
async fn a_worker_gets_a_service_of_its_own_and_nobody_elses_is_touched() {
    let Some(scene) = Scene::start() else { return };
    scene.cluster.node.enter().unwrap();
    let knative = scene.knative("workmanager", 6443);
    it_is_like_the_shared_one(&scene, &knative).await;
    it_is_written_when_something_differs(&scene, &knative).await;
    what_is_somebody_elses_stays(&scene, &knative).await;
    it_goes_and_only_it(&scene, &knative).await;
    what_is_refused_says_why(&scene, &knative).await;
    each_missing_right_is_named(&scene, &knative).await;
}

/// What the API server's admission and authorisation hear of in a moment.
async fn until<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.unwrap()
}

async fn it_is_like_the_shared_one(scene: &Scene, knative: &Knative) {
    let worker = worker(1, 2);
    let state = knative.apply(&worker).await.unwrap();
    assert!(matches!(state, ServiceState::Starting { .. }), "nothing acts here: {state:?}");
    let (own, shared) = (scene.get(&name(&worker)), scene.get("function-python"));
    let managers: Vec<_> = own["metadata"]["managedFields"].as_array().unwrap().iter().collect();
    assert_eq!(managers.len(), 1, "{managers:?}");
    assert_eq!((&managers[0]["manager"], &managers[0]["operation"]), (&json!("workmanager"), &json!("Apply")));
    let creator = &own["metadata"]["annotations"]["serving.knative.dev/creator"];
    assert_eq!(creator, "system:serviceaccount:workmanager:workmanager");
    assert_eq!(own["metadata"]["annotations"]["workmanager/name"], "orders");
    assert_eq!(own["metadata"]["labels"]["networking.knative.dev/visibility"], "cluster-local");

    let (mut own, mut shared) = (own["spec"]["template"].clone(), shared["spec"]["template"].clone());
    assert_eq!(own["metadata"]["labels"]["workmanager/worker"].take(), worker.id.to_string());
    own["metadata"]["labels"].as_object_mut().unwrap().remove("workmanager/worker");
    for (at, applied) in [
        ("/spec/containerConcurrency", json!(2)),
        ("/spec/timeoutSeconds", json!(105)),
        ("/spec/responseStartTimeoutSeconds", json!(105)),
    ] {
        assert_eq!(own.pointer_mut(at).unwrap().take(), applied, "{at}");
        shared.pointer_mut(at).unwrap().take();
    }
    // 64 asked for in the lab, and for each of two 512 and what the pool has above 256: (2304 - 64) / 8 - 256.
    let memory = "/spec/containers/0/resources/limits/memory";
    assert_eq!(own.pointer_mut(memory).unwrap().take(), json!("1136Mi"));
    shared.pointer_mut(memory).unwrap().take();
    assert_eq!(own, shared, "image, probes, security and scheduling are the shared one's");
}

async fn it_is_written_when_something_differs(scene: &Scene, knative: &Knative) {
    let worker = worker(1, 2);
    let version = |scene: &Scene| scene.get(&name(&worker))["metadata"]["resourceVersion"].clone();
    let before = version(scene);
    knative.apply(&worker).await.unwrap();
    assert_eq!(version(scene), before, "nothing differs, nothing is written");

    knative.apply(&self::worker(1, 3)).await.unwrap();
    assert_eq!(scene.get(&name(&worker))["spec"]["template"]["spec"]["containerConcurrency"], 3);
    knative.apply(&worker).await.unwrap();

    // By hand: what is ours comes back, what is not stays.
    let own = format!("ksvc/{}", name(&worker));
    let patch = json!({ "metadata": { "labels": { "team": "a" } },
                        "spec": { "template": { "spec": { "containerConcurrency": 50 } } } });
    scene.patch(&own, "merge", &patch);
    knative.apply(&worker).await.unwrap();
    let found = scene.get(&name(&worker));
    assert_eq!(found["spec"]["template"]["spec"]["containerConcurrency"], 2);
    assert_eq!(found["metadata"]["labels"]["team"], "a");

    // A new image of the pool is everybody's; what the pool loses, too.
    let image =
        json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "dev.local/next:lab" }]);
    scene.patch("ksvc/function-python", "json", &image);
    knative.apply(&worker).await.unwrap();
    let template = |scene: &Scene| scene.get(&name(&worker))["spec"]["template"].clone();
    assert_eq!(template(scene)["spec"]["containers"][0]["image"], "dev.local/next:lab");
    let target = "autoscaling.knative.dev/target-utilization-percentage";
    assert_eq!(template(scene)["metadata"]["annotations"][target], "75");
    let path = format!("/spec/template/metadata/annotations/{}", target.replace('/', "~1"));
    scene.patch("ksvc/function-python", "json", &json!([{ "op": "remove", "path": path }]));
    knative.apply(&worker).await.unwrap();
    assert_eq!(template(scene)["metadata"]["annotations"][target], Value::Null);
}

async fn what_is_somebody_elses_stays(scene: &Scene, knative: &Knative) {
    let taken = worker(2, 1);
    let foreign = json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Service",
                          "metadata": { "name": name(&taken), "namespace": "workmanager" },
                          "spec": { "template": { "spec": { "containers": [{ "image": "theirs" }] } } } });
    scene.cluster.kubectl().feed(&["apply", "-f", "-"], &foreign.to_string()).unwrap();
    let before = scene.get(&name(&taken));
    let error = knative.apply(&taken).await.unwrap_err();
    let is_it = |error: &ServiceError| matches!(error, ServiceError::Foreign { name: found, .. } if found.ends_with(&name(&taken)));
    assert!(is_it(&error), "{error:?}");
    assert!(error.to_string().contains("workmanager/owner=workmanager"), "{error}");
    assert_eq!(scene.get(&name(&taken)), before);

    // Another deployment in the same namespace sees nothing of ours.
    let other = scene.knative("other", 6443);
    assert!(other.list().await.unwrap().is_empty());
    let error = other.apply(&worker(1, 2)).await.unwrap_err();
    assert!(matches!(error, ServiceError::Foreign { .. }), "{error:?}");
    let ours: Vec<_> = knative.list().await.unwrap().into_iter().map(|service| service.worker).collect();
    assert_eq!(ours, [worker(1, 2).id]);
}

async fn it_goes_and_only_it(scene: &Scene, knative: &Knative) {
    let first = knative.list().await.unwrap().remove(0);
    knative.remove(&first).await.unwrap();
    assert!(knative.list().await.unwrap().is_empty());
    knative.remove(&first).await.unwrap();
    // One that was made anew since is another.
    knative.apply(&worker(1, 2)).await.unwrap();
    knative.remove(&first).await.unwrap();
    assert_eq!(knative.list().await.unwrap().len(), 1);
    assert_eq!(scene.get(&name(&worker(2, 1)))["spec"]["template"]["spec"]["containers"][0]["image"], "theirs");
}

async fn what_is_refused_says_why(scene: &Scene, knative: &Knative) {
    let counted = "count/services.serving.knative.dev";
    scene.run(&["create", "quota", "few", &format!("--hard={counted}=1")]);
    // Nobody counts here.
    let status = json!({ "status": { "hard": { counted: "1" }, "used": { counted: "1" } } }).to_string();
    scene.run(&["patch", "quota", "few", "--subresource=status", "--type=merge", "-p", &status]);
    let error = until(async || {
        let answer = knative.apply(&worker(3, 1)).await;
        if answer.is_ok() {
            scene.run(&["delete", "ksvc", &name(&worker(3, 1))]);
        }
        answer.err()
    })
    .await;
    assert!(matches!(&error, ServiceError::Refused { said } if said.contains("exceeded quota")), "{error:?}");
    scene.run(&["delete", "quota", "few"]);

    let error = scene.knative("workmanager", 6444).apply(&worker(3, 1)).await.unwrap_err();
    assert!(matches!(&error, ServiceError::Unavailable { said } if said.contains("refused")), "{error:?}");

    let no_engine = Worker { mime_type: MimeType::Dll, ..worker(3, 1) };
    let error = knative.apply(&no_engine).await.unwrap_err();
    assert!(matches!(&error, ServiceError::NoShape { said } if said.contains("--function-url")), "{error:?}");
    assert_eq!(knative.authority(&no_engine), None);
    let here = knative.authority(&worker(3, 1)).unwrap();
    assert_eq!(here, *format!("{}.workmanager.svc.cluster.local", name(&worker(3, 1))));

    let shared = scene.run(&["get", "ksvc", "function-python", "-o", "json"]);
    scene.run(&["delete", "ksvc", "function-python"]);
    let error = knative.apply(&worker(3, 1)).await.unwrap_err();
    assert!(matches!(&error, ServiceError::NoShape { said } if said.contains("function-python")), "{error:?}");
    let mut shared: Value = serde_json::from_str(&shared).unwrap();
    shared["metadata"] = json!({ "name": "function-python", "namespace": "workmanager" });
    scene.cluster.kubectl().feed(&["create", "-f", "-"], &shared.to_string()).unwrap();
}

async fn each_missing_right_is_named(scene: &Scene, knative: &Knative) {
    const ALL: [&str; 5] = ["get", "list", "create", "patch", "delete"];
    // What is as it shall be is not written, so that reading is enough.
    knative.apply(&worker(1, 2)).await.unwrap();
    scene.patch(ROLE, "json", &json!([{ "op": "replace", "path": "/rules/0/verbs", "value": ["get"] }]));
    until(async || knative.apply(&worker(4, 1)).await.err()).await;
    knative.apply(&worker(1, 2)).await.unwrap();
    for missing in ALL {
        let verbs: Vec<_> = ALL.into_iter().filter(|verb| *verb != missing).collect();
        scene.patch(ROLE, "json", &json!([{ "op": "replace", "path": "/rules/0/verbs", "value": verbs }]));
        let verb = format!("cannot {missing} resource \"services\"");
        let said = until(async || {
            let answer = match missing {
                "list" => knative.list().await.map(drop),
                "delete" => match knative.list().await.unwrap().pop() {
                    Some(service) => knative.remove(&service).await,
                    None => knative.apply(&worker(1, 2)).await.map(drop),
                },
                // One that is not there and has to be made.
                _ => knative.apply(&worker(4, 1)).await.map(drop),
            };
            if answer.is_ok() {
                drop(scene.cluster.kubectl().run(&["-n", "workmanager", "delete", "ksvc", &name(&worker(4, 1))]));
            }
            match answer {
                Err(ServiceError::Forbidden { said }) if said.contains(&verb) => Some(said),
                _ => None,
            }
        })
        .await;
        assert!(said.contains("deploy/knative-dedicated"), "{said}");
    }
}

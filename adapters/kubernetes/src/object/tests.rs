use super::*;

fn worker(limits: &Value) -> Worker {
    let digest = Digest::of(b"");
    serde_json::from_value(json!({
        "id": "01990000-0000-7000-8000-000000000001", "name": "w", "mimeType": "text/x-python", "topics": ["t"],
        "filter": null, "group": null, "replyTopic": null, "config": {}, "tags": {}, "engine": {},
        "isolation": "dedicated", "limits": limits, "desired": "Running", "startedOnce": true, "version": 1,
        "latestVersion": 1, "digest": digest, "source": digest, "createdAt": "2026-11-25T10:00:00Z",
        "updatedAt": "2026-11-25T10:00:00Z"
    }))
    .unwrap()
}

fn limits(timeout: &str, memory: &str, concurrency: u32) -> Value {
    json!({ "timeout": timeout, "memory": memory, "concurrency": concurrency, "maxAttempts": 5, "maxAge": "6h",
            "logBytes": "64KiB" })
}

fn shared() -> Value {
    json!({
        "metadata": { "name": "function-python", "labels": { "app.kubernetes.io/part-of": "workmanager" } },
        "spec": { "traffic": [{ "percent": 100 }], "template": {
            "metadata": { "name": "a-revision", "labels": { "app.kubernetes.io/name": "function" },
                          "annotations": { "autoscaling.knative.dev/window": "60s" } },
            "spec": {
                "containerConcurrency": 8, "timeoutSeconds": 600, "responseStartTimeoutSeconds": 600,
                "nodeSelector": { "disk": "fast" },
                "containers": [
                    { "name": "beside", "image": "other" },
                    { "name": "function", "image": "python", "ports": [{ "containerPort": 8080 }],
                      "resources": { "requests": { "cpu": "100m", "memory": "128Mi" },
                                     "limits": { "memory": "2304Mi" } } },
                ],
            },
        } },
    })
}

#[test]
fn a_service_is_like_the_shared_one_with_the_workers_limits() {
    let own = wanted(&worker(&limits("1m30s", "512MiB", 2)), "one", &shared()).unwrap();
    let spec = &own["spec"]["template"]["spec"];
    assert_eq!(spec["containerConcurrency"], 2);
    assert_eq!((&spec["timeoutSeconds"], &spec["responseStartTimeoutSeconds"]), (&json!(150), &json!(150)));
    assert_eq!(spec["idleTimeoutSeconds"], Value::Null, "what the shared one does not say is not said");
    // 128 for the function, and for each of two attempts 512 and the 16 that the pool has above 256.
    let expected = json!({ "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "1184Mi" } });
    assert_eq!(spec["containers"][1]["resources"], expected);
    assert_eq!(spec["containers"][0], shared()["spec"]["template"]["spec"]["containers"][0]);
    assert_eq!(spec["nodeSelector"]["disk"], "fast");
    let of_pods = &own["spec"]["template"]["metadata"];
    assert_eq!(of_pods["labels"]["app.kubernetes.io/name"], "function", "network policies find it");
    assert_eq!(of_pods["name"], Value::Null, "a revision's name is Knative's to choose");
    assert_eq!(own["spec"]["traffic"], Value::Null);
    let labels = json!({ "workmanager/owner": "one", "workmanager/worker": "01990000-0000-7000-8000-000000000001",
                         "networking.knative.dev/visibility": "cluster-local" });
    assert_eq!(own["metadata"]["labels"], labels);
}

#[test]
fn a_worker_like_eight_by_default_gets_what_the_pool_has() {
    let own = wanted(&worker(&limits("15m", "256MiB", 8)), "one", &shared()).unwrap();
    let spec = &own["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][1]["resources"]["limits"]["memory"], "2304Mi");
    assert_eq!(spec["timeoutSeconds"], 600, "never more than the platform lets the shared one take");
}

#[test]
fn a_shared_service_that_says_too_little_is_enough_and_one_without_a_container_is_not() {
    let small = worker(&limits("30s", "256MiB", 1));
    let mut shared = shared();
    shared["spec"]["template"]["spec"]["containers"][1]["resources"] = Value::Null;
    shared["spec"]["template"]["spec"]["containerConcurrency"] = Value::Null;
    let own = wanted(&small, "one", &shared).unwrap();
    assert_eq!(
        own["spec"]["template"]["spec"]["containers"][1]["resources"],
        json!({ "limits": { "memory": "384Mi" } })
    );
    shared["spec"]["template"]["spec"]["containers"] = json!([]);
    assert_eq!(wanted(&small, "one", &shared).unwrap_err(), "it has no container");
    assert_eq!(wanted(&small, "one", &json!({})).unwrap_err(), "it has no template");
}

#[test]
fn what_the_cluster_adds_is_no_difference_and_what_changes_or_goes_is_one() {
    let (small, shared) = (worker(&limits("30s", "256MiB", 1)), shared());
    let own = wanted(&small, "one", &shared).unwrap();
    let mut found = own.clone();
    found["metadata"]["uid"] = json!("u");
    found["spec"]["template"]["spec"]["containers"][1]["image2"] = json!("defaulted");
    assert!(is_in(&own, &found));
    found["spec"]["template"]["spec"]["containers"][1]["image"] = json!("by hand");
    assert!(!is_in(&own, &found));
    let mut less = shared;
    less["spec"]["template"]["spec"]["nodeSelector"] = Value::Null;
    assert!(!is_in(&wanted(&small, "one", &less).unwrap(), &own), "the digest says that something has gone");
}

#[track_caller]
fn is(conditions: &Value, expected: ServiceState) {
    let object =
        json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 2, "conditions": conditions } });
    assert_eq!(state(&object), expected);
}

#[test]
fn conditions_are_read_as_a_state_with_the_reason_that_helps() {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({ "type": kind, "status": status, "reason": reason, "message": message });
    let starting = |message: &str| ServiceState::Starting { message: message.to_owned() };
    let failed = |message: &str| ServiceState::Failed { message: message.to_owned() };
    is(&json!([condition("Ready", "True", "", "")]), ServiceState::Ready);
    let pull = condition("ConfigurationsReady", "False", "RevisionFailed", "ErrImagePull");
    let route = condition("RoutesReady", "False", "RevisionMissing", "no ready Revision");
    let ready = condition("Ready", "False", "RevisionMissing", "no ready Revision");
    is(&json!([ready, route, pull]), failed("RevisionFailed: ErrImagePull"));
    is(
        &json!([ready, condition("RoutesReady", "True", "", ""), pull]),
        failed("RevisionFailed: ErrImagePull; what ran before its last change serves on"),
    );
    is(&json!([ready]), failed("RevisionMissing: no ready Revision"));
    is(&json!([condition("Ready", "Unknown", "Deploying", "")]), starting("Deploying"));
    is(&json!([]), starting("Knative starts it"));
    let stale = json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": 1,
                        "conditions": [condition("Ready", "True", "", "")] } });
    assert!(matches!(state(&stale), ServiceState::Starting { .. }));
    assert!(matches!(state(&json!({ "metadata": { "generation": 1 } })), ServiceState::Starting { .. }));
}

//! Everything in `deploy` passes a real API server and Knative's own admission, and what is altered does not.

use serde_json::{Value, json};

use crate::cluster::Cluster;

const DRY: [&str; 5] = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];

/// Folders with a `kustomization.yaml` that a reader applies; the last adds `deploy/knative-dedicated`.
const FOLDERS: [&str; 4] = ["deploy/dapr", "deploy/knative", "deploy/knative-dotnet", "tests/cluster/files/lab"];

/// A change to one rendered object, and what must be said about it.
struct Altered {
    kind: &'static str,
    name: &'static str,
    at: &'static str,
    to: Value,
    says: &'static str,
}

const TEMPLATE: &str = "/spec/template/metadata/annotations";
const SPEC: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

fn function(at: impl Into<String>, to: Value, says: &'static str) -> Altered {
    let at = Box::leak(at.into().into_boxed_str());
    Altered { kind: "Service", name: "function-python", at, to, says }
}

fn of(kind: &'static str, name: &'static str, at: &'static str, to: Value, says: &'static str) -> Altered {
    Altered { kind, name, at, to, says }
}

/// Mistakes that people make, each refused for its own reason.
fn altered() -> Vec<Altered> {
    let annotation =
        |name: &str, to: &str, says| function(format!("{TEMPLATE}/{}", name.replace('/', "~1")), json!(to), says);
    vec![
        // Knative's admission.
        function(
            "/metadata/annotations/autoscaling.knative.dev~1min-scale",
            json!("1"),
            "autoscaling annotations must be put",
        ),
        annotation("autoscaling.knative.dev/window", "5s", "expected 6s <= 5s"),
        annotation("autoscaling.knative.dev/activation-scale", "1", "autoscaling.knative.dev/activation-scale"),
        annotation("autoscaling.knative.dev/initial-scale", "0", "initial-scale"),
        annotation("autoscaling.knative.dev/metric", "cpu", "invalid value: cpu"),
        annotation("autoscaling.knative.dev/max-scale", "-1", "max-scale"),
        function(format!("{SPEC}/timeoutSeconds"), json!(700), "expected 0 <= 700 <= 600"),
        function(format!("{SPEC}/containerConcurrency"), json!(1001), "expected 0 <= 1001 <= 1000"),
        function(format!("{SPEC}/automountServiceAccountToken"), json!(true), "automountServiceAccountToken"),
        function(format!("{SPEC}/nodeSelector"), json!({"disk": "fast"}), "nodeSelector"),
        function(format!("{SPEC}/securityContext"), json!({"runAsUser": 1}), "securityContext"),
        function(format!("{SPEC}/initContainers"), json!([{"name": "a", "image": "a"}]), "initContainers"),
        function(format!("{SPEC}/volumes/0"), json!({"name": "tmp", "hostPath": {"path": "/"}}), "hostPath"),
        function(format!("{CONTAINER}/ports/0/containerPort"), json!(8012), "8012"),
        function(format!("{CONTAINER}/ports/0/name"), json!("grpc"), "grpc"),
        function(format!("{CONTAINER}/env/0/name"), json!("PORT"), "\"PORT\" is a reserved environment variable"),
        function(
            format!("{CONTAINER}/env/0"),
            json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}),
            "fieldRef",
        ),
        function(format!("{CONTAINER}/readinessProbe/failureThreshold"), json!(3), "failureThreshold is disallowed"),
        function(format!("{CONTAINER}/securityContext/capabilities"), json!({"add": ["NET_RAW"]}), "capabilities.add"),
        function("/spec/traffic", json!([{"latestRevision": true, "percent": 50}]), "Traffic targets sum to 50"),
        // Fields that the API server would drop without a word, were it not asked to be strict.
        function(format!("{CONTAINER}/lifecycle"), json!({"preStop": {"sleep": {"seconds": 1}}}), "unknown field"),
        function(format!("{SPEC}/terminationGracePeriodSeconds"), json!(30), "unknown field"),
        function(format!("{CONTAINER}/resources/limit"), json!({"memory": "1Gi"}), "unknown field"),
        of("Deployment", "workmanager", "/spec/replica", json!(2), "unknown field"),
        of("Component", "pubsub", "/spec/metadatas", json!([]), "unknown field"),
        of("Resiliency", "workmanager", "/spec/targets/components/pubsub/inbound/retries", json!("a"), "unknown field"),
        // The API server's own checks.
        of("Deployment", "workmanager", "/spec/selector/matchLabels", json!({"a": "b"}), "does not match template"),
        of(
            "Deployment",
            "workmanager",
            "/spec/template/spec/containers/0/volumeMounts/0/name",
            json!("no"),
            "Not found",
        ),
        of("PodDisruptionBudget", "workmanager", "/spec/minAvailable", json!(1), "cannot be both set"),
        of("NetworkPolicy", "functions", "/spec/egress/0/to/0/ipBlock/cidr", json!("everywhere"), "everywhere"),
        of("Configuration", "workmanager", "/spec/accessControl/defaultAction", json!(7), "must be of type string"),
    ]
}

/// Puts a value where a pointer points; what is on the way is made.
fn put(value: &mut Value, pointer: &str, to: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    if value.pointer(parent).is_none() {
        put(value, parent, json!({}));
    }
    let last = last.replace("~1", "/");
    match value.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = to,
        Value::Object(fields) => drop(fields.insert(last, to)),
        other => panic!("{pointer} points into {other}"),
    }
}

#[test]
fn what_is_shipped_passes_a_real_cluster_and_what_is_altered_is_refused_for_its_own_reason() {
    let Some(cluster) = Cluster::start() else { return };
    let kubectl = cluster.kubectl();
    kubectl.run(&["create", "namespace", "workmanager"]).unwrap();
    for folder in FOLDERS {
        let all = cluster.rendered(folder);
        assert!(!all.is_empty());
        let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
        let accepted = kubectl.feed(&DRY, &list.to_string()).unwrap();
        assert_eq!(accepted.lines().count(), all.len(), "{folder}: {accepted}");
    }
    let shipped = cluster.rendered("deploy/knative");
    let mut wrong = Vec::new();
    for Altered { kind, name, at, to, says } in altered() {
        let is_it = |object: &&Value| {
            let version = object["apiVersion"].as_str().unwrap();
            let is_function = kind != "Service" || version.starts_with("serving.knative.dev/");
            object["kind"] == kind && object["metadata"]["name"] == name && is_function
        };
        let mut object = shipped.iter().find(is_it).unwrap_or_else(|| panic!("there is no {kind} {name}")).clone();
        put(&mut object, at, to.clone());
        match kubectl.feed(&DRY, &object.to_string()) {
            Ok(_) => wrong.push(format!("{kind} {name} {at} = {to} was accepted")),
            Err(error) if error.to_string().contains(says) => {}
            Err(error) => wrong.push(format!("{kind} {name} {at} = {to}: not `{says}` but {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Knative's and Dapr's definitions, and Knative's own admission.

use std::{fs, path::Path, time::Duration};

use crate::{
    Images, Kubectl, Node, Programs,
    node::{ADMISSION, wait},
};

/// Makes the API server know and check what Knative and Dapr define: their definitions, Knative's settings,
/// and its webhook as a process of the node.
///
/// # Errors
/// Something is refused, or does not come up in time.
pub fn admission(node: &Node, programs: &Programs) -> anyhow::Result<()> {
    let kubectl = Kubectl::new(node, programs);
    definitions(&kubectl, programs)?;
    let knative = |path: &str| programs.files("knative").join(path);
    kubectl.apply(&[&knative("100-namespace.yaml")])?;
    kubectl.apply(&[&knative("settings"), &knative("webhooks/secret.yaml")])?;
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: webhook, namespace: knative-serving}}\n\
         spec: {{clusterIP: {ADMISSION}, ports: [{{port: 443}}]}}\n"
    );
    kubectl.feed(&["apply", "-f", "-"], &service)?;
    let mut webhook = node.command("env");
    webhook.arg(format!("KUBECONFIG={}", node.folder().join("admin.kubeconfig").display()));
    webhook.args(["POD_NAME=webhook-0", "SYSTEM_NAMESPACE=knative-serving", "CONFIG_LOGGING_NAME=config-logging"]);
    webhook.args(["CONFIG_OBSERVABILITY_NAME=config-observability", "WEBHOOK_NAME=webhook", "WEBHOOK_PORT=443"]);
    webhook.arg("METRICS_DOMAIN=knative.dev/serving").arg(programs.program("webhook"));
    node.background("webhook", webhook)?;
    kubectl.apply(&[&knative("webhooks")])?;
    asked(&kubectl)
}

/// Knative's and Dapr's custom resources.
pub(crate) fn definitions(kubectl: &Kubectl<'_>, programs: &Programs) -> anyhow::Result<()> {
    let (knative, dapr) = (programs.files("knative/definitions"), programs.files("dapr/definitions"));
    kubectl.apply(&[&knative, &dapr])?;
    kubectl.run(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"])?;
    Ok(())
}

/// Waits until the API server asks Knative's webhook, which has to give it its certificate first.
pub(crate) fn asked(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let bad = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: bad, namespace: default}\n\
               spec: {template: {spec: {timeoutSeconds: 700, containers: [{image: a}]}}}\n";
    wait("Knative's webhook is asked; see log/webhook.log", Duration::from_secs(60), || {
        let refused = kubectl.feed(&["apply", "--dry-run=server", "-f", "-"], bad).err();
        Ok(refused.filter(|error| error.to_string().contains("timeoutSeconds")).map(drop))
    })
}

/// Knative as pods, behind what stands in for an ingress.
///
/// # Errors
/// Something is refused, or does not come up in time.
pub(crate) fn serving(node: &Node, programs: &Programs) -> anyhow::Result<()> {
    let (kubectl, images) = (Kubectl::new(node, programs), Images::new(node));
    definitions(&kubectl, programs)?;
    for name in ["queue", "webhook", "controller", "autoscaler", "activator", "ingress"] {
        images.pack(name, &programs.program(name))?;
    }
    let knative = |path: &str| programs.files("knative").join(path);
    let place = node.folder().join("knative");
    for name in ["settings", "deployments"] {
        ours(&knative(name), &place.join(name))?;
    }
    kubectl.apply(&[&knative("100-namespace.yaml")])?;
    kubectl.apply(&[&knative("roles"), &place.join("settings")])?;
    let patch = |name: &str, data: &str| {
        kubectl.run(&["-n", "knative-serving", "patch", "configmap", name, "--type=merge", "-p", data])
    };
    patch("config-network", r#"{"data":{"ingress-class":"lab.ingress.networking.knative.dev"}}"#)?;
    patch("config-autoscaler", r#"{"data":{"scale-to-zero-grace-period":"6s"}}"#)?;
    let ingress = node.folder().join("ingress.yaml");
    fs::write(&ingress, include_str!("../files/ingress.yaml"))?;
    kubectl.apply(&[&knative("webhooks"), &place.join("deployments"), &ingress])?;
    kubectl.run(&["-n", "knative-serving", "rollout", "status", "deployment", "--timeout=180s"])?;
    asked(&kubectl)
}

/// Copies manifests with the images that are here, and without what only a large cluster needs.
fn ours(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let (Some(name), text) = (path.file_name(), fs::read_to_string(&path)?) else { continue };
        if name.to_string_lossy().ends_with("-hpa.yaml") {
            continue;
        }
        let mut text = text.replace("cpu: 100m", "cpu: 20m").replace("cpu: 300m", "cpu: 20m");
        for program in ["queue", "webhook", "controller", "autoscaler", "activator"] {
            let ko = format!("ko://knative.dev/serving/cmd/{program}");
            text = text.replace(&ko, &format!("dev.local/{program}:lab"));
        }
        fs::write(to.join(name), text)?;
    }
    Ok(())
}

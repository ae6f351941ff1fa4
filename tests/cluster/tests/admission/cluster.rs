//! A cluster that admits and does nothing else, for one test.

use serde_json::Value;
use workmanager_tests_cluster::{Api, Kubectl, Life, Node, Programs, Tier, admission};
use workmanager_tests_e2e::{doc_blocks::root, skip, tool};

/// An API server with Knative's admission.
pub(crate) struct Cluster {
    pub(crate) node: Node,
    programs: Programs,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// `None`, with a loud word, where it cannot be.
    pub(crate) fn start() -> Option<Self> {
        let programs = Programs::new(tool("kube-apiserver", "WORKMANAGER_TEST_CLUSTER")?);
        let folder = tempfile::tempdir().unwrap();
        let node = match Node::start(folder.path(), Life::Ours) {
            Ok(node) => node,
            Err(error) => {
                skip("a node of its own", &format!("{error:#}"));
                return None;
            }
        };
        Api::start(&node, &programs, Tier::Admission).unwrap();
        admission(&node, &programs).unwrap();
        Some(Self { node, programs, _folder: folder })
    }

    pub(crate) fn kubectl(&self) -> Kubectl<'_> {
        Kubectl::new(&self.node, &self.programs)
    }

    pub(crate) fn rendered(&self, folder: &str) -> Vec<Value> {
        let text = self.kubectl().render(&root().join(folder)).unwrap();
        let documents = serde_norway::Deserializer::from_str(&text);
        documents.map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
    }
}

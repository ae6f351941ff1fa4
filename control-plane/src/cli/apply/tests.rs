//! Documents against a real control plane whose function is a fake.

use serde_json::{Value, json};

use crate::cli::{
    exit::Exit,
    tests::{fake::Ran, plane::Plane},
};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    async fn apply(&self, plane: &Plane, more: &[&str]) -> Ran {
        let mut line = vec!["apply", "-f", self.0.path().to_str().unwrap()];
        line.extend(more);
        plane.run(&line).await
    }
}

const ONE: &str = "# Takes orders.\nname: orders\ncode: ./orders.py\ntopic: orders\nlimits: { timeout: 60s }\n---\n# nothing\n---\nname: returns\ncode: orders.py\nstatus: Stopped\n";

#[tokio::test]
async fn the_first_time_makes_the_workers_and_the_second_leaves_them_alone() {
    let plane = Plane::start().await;
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass"), ("notes.txt", "")]);
    let planned = folder.apply(&plane, &["--dry-run"]).await;
    assert_eq!(planned.out, "NAME     ACTION  CHANGES\norders   create\nreturns  create\n");
    assert!(plane.names().is_empty(), "a dry run makes nothing");
    let first = folder.apply(&plane, &[]).await;
    assert_eq!(first.out, "NAME     ACTION   CHANGES\norders   created\nreturns  created\n", "{}", first.err);
    let second = folder.apply(&plane, &[]).await;
    assert_eq!(second.out, "NAME     ACTION     CHANGES\norders   unchanged\nreturns  unchanged\n", "{}", second.err);
    assert_eq!(plane.changes(), ["POST /v1/workers", "POST /v1/workers"]);
    let (orders, returns) = (plane.worker("orders").await, plane.worker("returns").await);
    assert_eq!(orders["limits"]["timeout"], "1m");
    assert_eq!((&orders["status"], &returns["status"]), (&json!("Running"), &json!("Stopped")));
}

#[tokio::test]
async fn only_what_differs_is_sent() {
    let plane = Plane::start().await;
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass")]);
    folder.apply(&plane, &[]).await;
    let document = "{\"name\": \"orders\", \"code\": \"orders.py\", \"filter\": \"true\", \"status\": \"Stopped\"}";
    folder.write("shop.yaml", document);
    folder.write("orders.py", "pass # better");
    let ran = folder.apply(&plane, &["--output", "json"]).await;
    let read: Value = serde_json::from_str(&ran.out).unwrap();
    let expected = json!([{ "name": "orders", "action": "changed", "changes": ["code", "filter", "status"] }]);
    assert_eq!(read["workers"], expected);
    let changing = plane.changes();
    assert_eq!(
        changing[2..],
        ["PUT /v1/workers/orders/code", "PATCH /v1/workers/orders", "POST /v1/workers/orders/stop"]
    );
    assert_eq!(plane.worker("orders").await["topics"], json!(["orders"]), "what is not named stays");
    folder.write("shop.yaml", &document.replace("\"true\"", "null"));
    folder.apply(&plane, &[]).await;
    assert_eq!(plane.worker("orders").await["filter"], Value::Null, "null takes away");
}

#[tokio::test]
async fn prune_deletes_what_the_set_has_made_and_nothing_else() {
    let plane = Plane::start().await;
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass")]);
    plane.run(&["create", folder.0.path().join("orders.py").to_str().unwrap(), "--name", "returns", "--start"]).await;
    let ran = folder.apply(&plane, &["--set", "shop", "--prune"]).await;
    assert_eq!(ran.out, "NAME     ACTION   CHANGES\norders   created\nreturns  changed  status\n", "{}", ran.err);
    let elsewhere = Folder::new(&[("other.yaml", "name: other\ncode: other.py\n"), ("other.py", "pass")]);
    elsewhere.apply(&plane, &["--set", "other"]).await;
    folder.write("shop.yaml", "name: new\ncode: orders.py\n");
    let planned = folder.apply(&plane, &["--set", "shop", "--prune", "--dry-run"]).await;
    assert_eq!(planned.out, "NAME    ACTION  CHANGES\nnew     create\norders  delete\n");
    folder.apply(&plane, &["--set", "shop", "--prune"]).await;
    assert_eq!(plane.names(), ["new", "other", "returns"], "what was made by hand or by another set stays");
    let taken = elsewhere.apply(&plane, &["--set", "shop"]).await;
    assert_eq!(taken.exit, Exit::Refused);
    assert!(taken.err.contains("`other` was made by the set `other`, not by `shop`"), "{}", taken.err);
}

#[tokio::test]
async fn one_worker_that_fails_does_not_keep_the_others() {
    let plane = Plane::start().await;
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass"), ("bad.py", "pass")]);
    folder.write("shop.yaml", "name: bad\ncode: bad.py\n---\nname: good\ncode: orders.py\n");
    folder.apply(&plane, &[]).await;
    folder.write("bad.py", "syntax error");
    folder.write("orders.py", "pass # better");
    let ran = folder.apply(&plane, &[]).await;
    assert_eq!(ran.out, "NAME  ACTION   CHANGES\nbad   failed   code\ngood  changed  code\n");
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.err.contains("load-failed") && ran.err.contains("1 of 2 failed"), "{}", ran.err);
    assert_eq!(plane.code("bad").await, "pass");
}

#[tokio::test]
async fn a_document_that_is_none_is_refused_by_name_before_anything_is_done() {
    let plane = Plane::start().await;
    let table = [
        ("name: a\ncode: a.py\ntopci: x\n", "unknown field `topci`"),
        ("name: a\ncode: a.py\nlimits: { tmeout: 1s }\n", "unknown field `tmeout`"),
        ("name: a\ncode: a.py\nlimits: { timeout: 30 }\n", "`30` is not a duration"),
        ("name: a/b\ncode: a.py\n", "must match"),
        ("code: a.py\n", "missing field `name`"),
        ("name: a\n", "it has no `code`"),
        ("name: a\ncode: none.py\n", "none.py"),
        ("name: a\ncode: a.rb\n", "no extension that tells"),
        ("name: a\ncode: a.py\ntopic: x\ntopics: [y]\n", "`topic` and `topics`"),
        ("name: a\ncode: a.py\ncodeSource: { content: eA== }\n", "`code` and `codeSource`"),
        ("name: a\ncode: a.py\ntags: { workmanager/applied: x }\n", "has the tag `workmanager/applied`"),
        ("name: a\ncode: a.py\n---\nname: a\ncode: a.py\n", "a second document for `a`"),
        ("name: ok\ncode: a.py\n---\n- a list\n", "document 2"),
    ];
    for (text, expected) in table {
        let folder = Folder::new(&[("a.yaml", text), ("a.py", "pass"), ("a.rb", "")]);
        let ran = folder.apply(&plane, &[]).await;
        assert!(ran.exit != Exit::Success && ran.err.contains(expected), "{text:?}: {}", ran.err);
        assert_eq!(plane.changes(), [] as [&str; 0], "{text:?}");
    }
}

#[tokio::test]
async fn what_get_shows_can_be_applied() {
    let plane = Plane::start().await;
    let shown = json!({ "id": "1", "name": "orders", "mimeType": "text/x-python", "language": "python",
        "codeSource": { "content": "cGFzcw==" }, "topic": "orders", "topics": ["orders"], "filter": null, "group": null,
        "replyTopic": null, "config": {}, "tags": {}, "engine": { "entry": null, "invariant": false },
        "isolation": "shared", "limits": { "timeout": "30s", "memory": "256MiB", "concurrency": 1, "maxAttempts": 5,
        "maxAge": "6h", "logBytes": "64KiB" }, "status": "Running", "observed": { "state": "Ready" }, "version": 3,
        "digest": "sha256:00", "createdAt": "now", "updatedAt": "now", "revision": "7" });
    let folder = Folder::new(&[("worker.json", &shown.to_string())]);
    let ran = folder.apply(&plane, &[]).await;
    assert_eq!(
        (ran.exit, ran.out.as_str()),
        (Exit::Success, "NAME    ACTION   CHANGES\norders  created\n"),
        "{}",
        ran.err
    );
}

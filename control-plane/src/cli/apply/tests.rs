//! Documents against a fake control plane that keeps workers.

use serde_json::{Value, json};

use crate::cli::{
    exit::Exit,
    tests::{
        fake::{Fake, Ran},
        keeper::{base64, keeper},
    },
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

    async fn apply(&self, fake: &Fake, more: &[&str]) -> Ran {
        let mut line = vec!["apply", "-f", self.0.path().to_str().unwrap()];
        line.extend(more);
        fake.run(&line).await
    }
}

const ONE: &str = "# Takes orders.\nname: orders\ncode: ./orders.py\ntopic: orders\nlimits: { timeout: 60s }\n---\n# nothing\n---\nname: returns\ncode: orders.py\nstatus: Stopped\n";

fn calls(fake: &Fake) -> Vec<String> {
    let changing = fake.asked().into_iter().map(|asked| asked.line).filter(|line| !line.starts_with("GET"));
    changing.map(|line| line.split('?').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_first_time_makes_the_workers_and_the_second_leaves_them_alone() {
    let (fake, workers) = keeper().await;
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass"), ("notes.txt", "")]);
    let planned = folder.apply(&fake, &["--dry-run"]).await;
    assert_eq!(planned.out, "NAME     ACTION  CHANGES\norders   create\nreturns  create\n");
    assert!(workers.lock().unwrap().is_empty(), "a dry run makes nothing");
    let first = folder.apply(&fake, &[]).await;
    assert_eq!(first.out, "NAME     ACTION   CHANGES\norders   created\nreturns  created\n", "{}", first.err);
    let second = folder.apply(&fake, &[]).await;
    assert_eq!(second.out, "NAME     ACTION     CHANGES\norders   unchanged\nreturns  unchanged\n", "{}", second.err);
    assert_eq!(calls(&fake), ["POST /v1/workers", "POST /v1/workers"]);
    let workers = workers.lock().unwrap();
    assert_eq!(workers["orders"]["limits"], json!({ "timeout": "1m" }));
    assert_eq!((&workers["orders"]["status"], &workers["returns"]["status"]), (&json!("Running"), &json!("Stopped")));
}

#[tokio::test]
async fn only_what_differs_is_sent() {
    let (fake, workers) = keeper().await;
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass")]);
    folder.apply(&fake, &[]).await;
    let document = "{\"name\": \"orders\", \"code\": \"orders.py\", \"filter\": \"true\", \"status\": \"Stopped\"}";
    folder.write("shop.yaml", document);
    folder.write("orders.py", "pass # better");
    let ran = folder.apply(&fake, &["--output", "json"]).await;
    let read: Value = serde_json::from_str(&ran.out).unwrap();
    let expected = json!([{ "name": "orders", "action": "changed", "changes": ["code", "filter", "status"] }]);
    assert_eq!(read["workers"], expected);
    let changing = calls(&fake);
    assert_eq!(
        changing[2..],
        ["PUT /v1/workers/orders/code", "PATCH /v1/workers/orders", "POST /v1/workers/orders/stop"]
    );
    assert_eq!(workers.lock().unwrap()["orders"]["topics"], json!(["orders"]), "what is not named stays");
    folder.write("shop.yaml", &document.replace("\"true\"", "null"));
    folder.apply(&fake, &[]).await;
    assert_eq!(workers.lock().unwrap()["orders"]["filter"], Value::Null, "null takes away");
}

#[tokio::test]
async fn prune_deletes_what_the_set_has_made_and_nothing_else() {
    let (fake, workers) = keeper().await;
    let made_by_hand = json!({ "name": "returns", "id": "1", "mimeType": "text/x-python", "status": "Running", "version": 1,
        "codeSource": { "content": base64("pass") }, "tags": {} });
    workers.lock().unwrap().insert("returns".into(), made_by_hand);
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass")]);
    let ran = folder.apply(&fake, &["--set", "shop", "--prune"]).await;
    assert_eq!(ran.out, "NAME     ACTION   CHANGES\norders   created\nreturns  changed  status\n", "{}", ran.err);
    let elsewhere = Folder::new(&[("other.yaml", "name: other\ncode: other.py\n"), ("other.py", "pass")]);
    elsewhere.apply(&fake, &["--set", "other"]).await;
    folder.write("shop.yaml", "name: new\ncode: orders.py\n");
    let planned = folder.apply(&fake, &["--set", "shop", "--prune", "--dry-run"]).await;
    assert_eq!(planned.out, "NAME    ACTION  CHANGES\nnew     create\norders  delete\n");
    folder.apply(&fake, &["--set", "shop", "--prune"]).await;
    let left: Vec<_> = workers.lock().unwrap().keys().cloned().collect();
    assert_eq!(left, ["new", "other", "returns"], "what was made by hand or by another set stays");
    let taken = elsewhere.apply(&fake, &["--set", "shop"]).await;
    assert_eq!(taken.exit, Exit::Refused);
    assert!(taken.err.contains("`other` was made by the set `other`, not by `shop`"), "{}", taken.err);
}

#[tokio::test]
async fn one_worker_that_fails_does_not_keep_the_others() {
    let (fake, workers) = keeper().await;
    let folder = Folder::new(&[("shop.yaml", ONE), ("orders.py", "pass"), ("bad.py", "pass")]);
    folder.write("shop.yaml", "name: bad\ncode: bad.py\n---\nname: good\ncode: orders.py\n");
    folder.apply(&fake, &[]).await;
    folder.write("bad.py", "syntax error");
    folder.write("orders.py", "pass # better");
    let ran = folder.apply(&fake, &[]).await;
    assert_eq!(ran.out, "NAME  ACTION   CHANGES\nbad   failed   code\ngood  changed  code\n");
    assert_eq!(ran.exit, Exit::Refused);
    assert!(ran.err.contains("load-failed") && ran.err.contains("1 of 2 failed"), "{}", ran.err);
    assert_eq!(workers.lock().unwrap()["bad"]["codeSource"]["content"], json!(base64("pass")));
}

#[tokio::test]
async fn a_document_that_is_none_is_refused_by_name_before_anything_is_done() {
    let (fake, _) = keeper().await;
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
        let ran = folder.apply(&fake, &[]).await;
        assert!(ran.exit != Exit::Success && ran.err.contains(expected), "{text:?}: {}", ran.err);
        assert_eq!(calls(&fake), [] as [&str; 0], "{text:?}");
    }
}

#[tokio::test]
async fn what_get_shows_can_be_applied() {
    let (fake, _) = keeper().await;
    let shown = json!({ "id": "1", "name": "orders", "mimeType": "text/x-python", "language": "python",
        "codeSource": { "content": "cGFzcw==" }, "topic": "orders", "topics": ["orders"], "filter": null, "group": null,
        "replyTopic": null, "config": {}, "tags": {}, "engine": { "entry": null, "invariant": false },
        "isolation": "shared", "limits": { "timeout": "30s", "memory": "256MiB", "concurrency": 1, "maxAttempts": 5,
        "maxAge": "6h", "logBytes": "64KiB" }, "status": "Running", "observed": { "state": "Ready" }, "version": 3,
        "digest": "sha256:00", "createdAt": "now", "updatedAt": "now", "revision": "7" });
    let folder = Folder::new(&[("worker.json", &shown.to_string())]);
    let ran = folder.apply(&fake, &[]).await;
    assert_eq!(
        (ran.exit, ran.out.as_str()),
        (Exit::Success, "NAME    ACTION   CHANGES\norders  created\n"),
        "{}",
        ran.err
    );
}

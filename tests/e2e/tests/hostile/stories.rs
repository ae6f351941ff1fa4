//! What is told of a hostile worker's published events, and what else is said.

use serde_json::{Value, json};
use workmanager_tests_e2e::eventually;

use crate::scene::Scene;

#[test]
fn a_published_event_that_does_harm_is_given_up_with_its_reason() {
    for (act, outcome) in
        [("while True: pass", "timed-out"), ("os._exit(1)", "engine-lost"), ("os.fork()", "worker-exception")]
    {
        let scene = Scene::limited(act, &json!({ "timeout": "300ms", "maxAttempts": 1 }));
        scene.server.publish("hostile", "bad", &json!("bad"));
        let worker = eventually("the event is given up", || {
            let story = scene.server.call("GET", "/v1/events/bad", &Value::Null).json();
            let worker = story["events"][0]["workers"][0].clone();
            (worker["deadLetter"].is_string()).then_some(worker)
        });
        assert_eq!(worker["attempts"][0]["outcome"], outcome, "{worker}");
        scene.ends_well();
    }
}

#[test]
fn the_engine_says_what_holds_its_workers() {
    let scene = Scene::of("return None");
    let engines = scene.server.call("GET", "/v1/engines", &Value::Null).expect(200).json();
    let python = engines["engines"].as_array().unwrap().iter().find(|e| e["mimeType"] == "text/x-python").unwrap();
    let active: Vec<_> = python["sandbox"].as_array().unwrap().iter().filter(|m| m["active"] == true).collect();
    let named = |name: &str| active.iter().any(|mechanism| mechanism["name"] == name);
    for name in ["no-new-privileges", "no-capabilities", "seccomp", "landlock", "resource-limits"] {
        assert!(named(name), "{name}: {python}");
    }
    scene.ends_well();
}

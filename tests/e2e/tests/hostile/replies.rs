//! Workers whose replies are none, or hard to write.

use serde_json::json;

use crate::scene::Scene;

/// Each reply's data, as Python has it, is refused in these words.
#[track_caller]
fn refused(data: &str, says: &str) {
    Scene::of(&format!("return {{'type': 't', 'data': {data}}}")).fails("invalid-reply", says);
}

#[test]
fn an_object_that_is_no_json_is_refused_by_its_type() {
    refused("{'a': object()}", "the reply's data cannot be written as JSON: object is not a JSON value");
}

#[test]
fn a_structure_that_contains_itself_is_refused() {
    refused("(lambda v: v.append(v) or v)([])", "cannot be written as JSON: Circular reference detected");
}

#[test]
fn a_structure_of_any_depth_is_refused() {
    let act = "value = []\nfor _ in range(100000): value = [value]\nreturn {'type': 't', 'data': value}";
    Scene::of(act).fails("invalid-reply", "the reply's data cannot be written as JSON: maximum recursion depth");
}

#[test]
fn not_a_number_is_no_json() {
    refused("[1.0, float('nan')]", "Out of range float values are not JSON compliant");
}

#[test]
fn a_reply_that_is_no_event_is_refused() {
    Scene::of("return 7").fails("invalid-reply", "the worker returned int; a reply is a dict or None");
}

#[test]
fn a_huge_integer_is_written_digit_by_digit() {
    let scene = Scene::of("return {'type': 't', 'data': 10 ** 4000}");
    let answer = scene.provoke().expect(200);
    assert!(answer.text.contains(&format!("1{}", "0".repeat(4000))), "{}", answer.text);
    scene.ends_well();
}

#[test]
fn a_lone_surrogate_is_escaped() {
    let scene = Scene::of("return {'type': 't', 'data': '\\ud800'}");
    let answer = scene.provoke().expect(200);
    assert!(answer.text.contains(r#""\ud800""#), "{}", answer.text);
    scene.ends_well();
}

#[test]
fn a_reply_of_ten_megabytes_is_too_large() {
    let act = "return {'type': 't', 'data': 'x' * (10 << 20)}";
    Scene::of(act).fails("reply-too-large", "the limit is 1048576");
}

#[test]
fn recursion_a_hundred_thousand_deep_is_an_exception() {
    let act = "def down(n): return down(n + 1) if n < 100000 else n\ndown(0)";
    Scene::of(act).fails("worker-exception", "RecursionError: maximum recursion depth exceeded");
}

#[test]
fn recursion_beyond_the_stack_kills_its_own_process_at_most() {
    let act = "
import functools
sys.setrecursionlimit(10 ** 9)
class Deep:
    def __getattr__(self, name): return getattr(self, name + 'x')
repr(functools.reduce(lambda inner, _: [inner], range(10 ** 6), []))
Deep().a";
    let scene = Scene::limited(act, &json!({ "timeout": "3s" }));
    let code = scene.provoke().json()["code"].clone();
    let outcomes = ["engine-lost", "out-of-memory", "worker-exception", "timed-out"];
    assert!(outcomes.iter().any(|outcome| code == *outcome), "{code}");
    scene.ends_well();
}

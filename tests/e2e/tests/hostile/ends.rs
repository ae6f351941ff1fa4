//! Workers that do not come to an end, or come to a bad one.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn an_infinite_loop_is_ended_at_the_time_limit() {
    Scene::of("while True: pass").fails("timed-out", "the worker did not answer within 500ms");
}

#[test]
fn a_process_that_stops_itself_is_ended_at_the_time_limit() {
    Scene::of("os.kill(os.getpid(), 19)\ntime.sleep(600)").fails("timed-out", "did not answer within 500ms");
}

#[test]
fn an_exit_behind_pythons_back_says_its_code() {
    Scene::of("os._exit(7)").fails("engine-lost", "the worker's process exited with code 7");
}

#[test]
fn a_system_exit_is_an_exception_of_the_worker() {
    Scene::of("sys.exit(3)").fails("worker-exception", "SystemExit: the worker called exit(3)");
}

#[test]
fn a_segmentation_fault_says_its_signal() {
    let act = "import ctypes\nctypes.string_at(0)";
    Scene::of(act).fails("engine-lost", "was killed by SIGSEGV (invalid memory access)");
}

#[test]
fn a_signal_to_itself_says_its_name() {
    Scene::of("os.kill(os.getpid(), 9)").fails("engine-lost", "was killed by SIGKILL");
}

#[test]
fn closing_every_descriptor_ends_its_own_process() {
    Scene::of("os.closerange(0, 1024)").fails("engine-lost", "the worker's process exited with code");
}

#[test]
fn closing_the_channel_and_going_on_is_ended_at_once() {
    let scene = Scene::limited("os.close(3)\ntime.sleep(600)", &json!({ "timeout": "60s" }));
    scene.fails("engine-lost", "the worker's process closed its channel and was killed");
}

#[test]
fn an_event_that_is_changed_is_the_workers_own() {
    let scene = Scene::of("event.clear(); event['self'] = event\nreturn {'type': 't', 'data': len(event)}");
    let _ = scene.provoke().expect(200);
    scene.answers(&json!(1));
}

#[test]
fn what_a_worker_remembers_is_seen_by_nobody_else() {
    let scene = Scene::of("seen.append(event['data'])\nreturn {'type': 't', 'data': seen}");
    let first = scene.provoke().expect(200).json();
    assert_eq!(first["data"], json!(["bad"]));
    scene.answers(&json!(["bad", "bad"]));
}

//! Workers that write what they should not, or too much of it.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn a_gibibyte_of_output_is_cut_off_and_the_answer_counts() {
    let act = "line = 'x' * (1 << 20)\nfor _ in range(1024): print(line)\nreturn {'type': 't', 'data': 'done'}";
    Scene::limited(act, &json!({ "timeout": "60s", "logBytes": "1KiB" })).answers(&json!("done"));
}

#[test]
fn a_line_of_a_hundred_mebibytes_is_cut_off() {
    let act = "sys.stdout.write('x' * (100 << 20))\nraise ValueError('done')";
    let scene = Scene::limited(act, &json!({ "timeout": "60s", "memory": "512MiB", "logBytes": "1KiB" }));
    let logs = scene.provoke().json()["logs"].clone();
    let kept: usize = logs.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().len()).sum();
    assert_eq!(kept, 1024, "{logs}");
    scene.fails("worker-exception", "ValueError: done");
}

#[test]
fn bytes_and_escapes_are_shown_as_text() {
    let act =
        "sys.stdout.buffer.write(b'\\xff\\x00|')\nprint('\\x1b[31mred', file=sys.stderr)\nraise ValueError('done')";
    let scene = Scene::of(act);
    let answer = scene.provoke().json();
    let text: String = answer["logs"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert!(text.contains("\u{fffd}\0|") && text.contains("\u{1b}[31mred"), "{text:?}");
    scene.fails("worker-exception", "ValueError: done");
}

#[test]
fn garbage_on_the_channel_is_a_broken_protocol() {
    let act = "os.write(3, b'\\xff' * 64)\ntime.sleep(600)";
    Scene::of(act).fails("engine-protocol", "frame of 4294967295 bytes, allowed are 5 to 4194304");
}

#[test]
fn an_answer_that_is_no_answer_is_a_broken_protocol() {
    let act = "os.write(3, b'\\0\\0\\0\\x09\\x03\\0\\0\\0\\x04junk')\ntime.sleep(600)";
    Scene::of(act).fails("engine-protocol", "head of a Result frame cannot be read");
}

#[test]
fn an_answer_to_another_attempt_is_not_taken() {
    let act = "
head = b'{\"attempt\":\"att_0199a3b0-7c1e-7000-8000-000000000001\"}'
os.write(3, (len(head) + 5).to_bytes(4, 'big') + b'\\x03' + len(head).to_bytes(4, 'big') + head)
return {'type': 't', 'data': 'own'}";
    Scene::of(act).answers(&json!("own"));
}

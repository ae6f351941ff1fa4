//! Workers that take all there is.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn memory_without_end_is_out_of_memory() {
    let act = "hoard = []\nwhile True: hoard.append(bytearray(1 << 20))";
    Scene::limited(act, &json!({ "timeout": "10s", "memory": "64MiB" })).fails("out-of-memory", "MemoryError");
}

#[test]
fn memory_that_is_shared_counts_too() {
    let act = "import mmap\nhoard = []\nwhile True: hoard.append(mmap.mmap(-1, 1 << 20))";
    let scene = Scene::limited(act, &json!({ "timeout": "10s", "memory": "64MiB" }));
    scene.fails("worker-exception", "OSError: [Errno 12] Cannot allocate memory");
}

#[test]
fn threads_without_end_run_into_the_memory() {
    let act = "import threading\nwhile True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()";
    Scene::limited(act, &json!({ "timeout": "10s" })).fails("worker-exception", "RuntimeError: can't start new thread");
}

#[test]
fn tiny_threads_without_end_are_counted() {
    let act = "
import threading
threading.stack_size(32768)
while True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()";
    Scene::limited(act, &json!({ "timeout": "10s", "memory": "4GiB" }))
        .fails("engine-lost", "threads, 512 are allowed");
}

#[test]
fn descriptors_without_end_run_into_their_limit() {
    let act = "hoard = []\nwhile True: hoard.append(os.pipe())";
    Scene::of(act).fails("worker-exception", "OSError: [Errno 24] Too many open files");
}

#[test]
fn a_file_without_end_runs_into_its_limit() {
    let act = "
import tempfile
with tempfile.TemporaryFile() as file:
    while True: os.pwrite(file.fileno(), b'x', (1 << 30))";
    Scene::of(act).fails("worker-exception", "OSError: [Errno 27] File too large");
}

//! The engine's own Python is of the oldest version that is served.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

#[test]
fn every_file_is_valid_for_python_3_9() {
    let files = [
        include_str!("../../src/runtime/workmanager_wire.py"),
        include_str!("../../src/runtime/workmanager_worker.py"),
        include_str!("../../src/runtime/workmanager_zygote.py"),
    ];
    for text in files {
        let parse = "import ast, sys; ast.parse(sys.stdin.read(), feature_version=(3, 9))";
        let mut python = Command::new("python3").args(["-c", parse]).stdin(Stdio::piped()).spawn().unwrap();
        python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(python.wait().unwrap().success());
    }
}

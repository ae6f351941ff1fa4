//! A worker that writes without end, in a process of its own so that memory can be measured.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "the other tests use more of the support")]

#[path = "engine/support.rs"]
mod support;

use support::load;

#[tokio::test]
async fn a_flood_is_cut_off_and_never_blocks() {
    // 1 GiB in all, of which one line has 100 MiB.
    let source = "
def Process(event):
    line = 'x' * (1 << 20)
    for _ in range(100): print(line, end='')
    for _ in range(924): print(line)
    return {'type': 't', 'data': 'done'}
";
    let mut worker = load(source).await;
    worker.log_bytes = 1000;
    let before = resident();
    let answer = worker.json("1").await;
    assert_eq!(answer.data(), "\"done\"");
    assert_eq!((answer.stdout.len(), answer.truncated), (1000, true));
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "the host grew by {grown} bytes");
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

//! Workers that reach for what is not theirs.

use serde_json::json;

use crate::scene::Scene;

/// What the worker tries is an exception in it: PermissionError, in words that say what a worker may do.
#[track_caller]
fn refused(act: &str) {
    let says = "Operation not permitted: a worker starts no processes, sends no signals to others";
    // The system may name a file in between.
    let says = if act.contains("posix_spawn") { "a worker starts no processes" } else { says };
    let scene = Scene::of(act);
    let answer = scene.provoke().json();
    assert_eq!(answer["failure"]["errorType"], "PermissionError", "{answer}");
    scene.fails("worker-exception", says);
}

#[test]
fn a_fork_is_refused() {
    refused("os.fork()");
}

#[test]
fn a_subprocess_is_refused() {
    refused("import subprocess\nsubprocess.run(['sleep', '600'])");
}

#[test]
fn multiprocessing_is_refused() {
    refused("import multiprocessing\nmultiprocessing.Process(target=print).start()");
}

#[test]
fn a_spawn_is_refused() {
    refused("os.posix_spawn('/bin/sleep', ['sleep', '600'], {})");
}

#[test]
fn another_program_in_its_place_is_refused() {
    refused("os.execv('/bin/sleep', ['sleep', '600'])");
}

#[test]
fn killing_the_function_is_refused() {
    refused("os.kill(os.getppid(), 9)");
}

#[test]
fn killing_the_zygote_is_refused() {
    let act = "
def parent(pid):
    try: return int(open('/proc/%s/stat' % pid).read().rsplit(')', 1)[1].split()[1])
    except OSError: return None
pids = [int(pid) for pid in os.listdir('/proc') if pid.isdigit()]
siblings = [pid for pid in pids if parent(pid) == os.getppid() and pid != os.getpid()]
assert len(siblings) >= 2, siblings
os.kill(siblings[0], 9)";
    refused(act);
}

#[test]
fn killing_a_group_is_refused() {
    refused("os.killpg(os.getpgid(os.getppid()), 9)");
}

#[test]
fn signalling_everybody_in_every_way_reaches_nobody() {
    // Signal 0 asks whether another one would arrive, and PTRACE_SEIZE stops nobody: a sandbox that lets
    // this through fails the test, and not the machine.
    let act = "
import ctypes, signal
libc = ctypes.CDLL(None)
tkill, tgkill = {'x86_64': (200, 234), 'aarch64': (130, 131)}[os.uname().machine]
others = [int(pid) for pid in os.listdir('/proc') if pid.isdigit() and int(pid) != os.getpid()]
reached = [pid for pid in others + [-1, 0] if libc.kill(pid, 0) == 0]
reached += [pid for pid in others if libc.syscall(tkill, pid, 0) == 0]
reached += [pid for pid in others if libc.syscall(tgkill, pid, pid, 0) == 0]
reached += [pid for pid in others if libc.syscall(434, pid, 0) >= 0]
reached += [pid for pid in others if libc.ptrace(0x4206, pid, 0, 0) == 0]
return {'type': 't', 'data': [len(others) > 3, reached]}";
    Scene::limited(act, &json!({ "timeout": "10s" })).answers(&json!([true, []]));
}

#[test]
fn the_memory_of_others_and_their_files_stay_closed() {
    let act = "
def opens(path, mode):
    try: open(path, mode).close()
    except PermissionError: return False
    return True
parent = '/proc/%d' % os.getppid()
paths = [parent + '/mem', parent + '/environ', parent + '/oom_score_adj', '/tmp/left', '/etc/hostname', '/dev/shm/left']
return {'type': 't', 'data': [path for path in paths if opens(path, 'r+b' if os.path.exists(path) else 'wb')]}";
    Scene::of(act).answers(&json!([]));
}

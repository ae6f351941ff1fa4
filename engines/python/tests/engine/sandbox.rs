//! What a worker can do to its surroundings: nothing.

use workmanager_core_domain::{MimeType, outcome::FailureKind};
use workmanager_engines_host::{Ended, Engine as _, Level};
use workmanager_engines_python::Options;

use crate::support::{Harness, eventually, load, python};

/// Defines `refused(action)`: the errno with which the system refuses it.
const REFUSED: &str = "
import os
def refused(action):
    try: action()
    except OSError as error: return error.errno
    return 'it worked'
";
pub(crate) const EPERM: i32 = 1;
const EACCES: i32 = 13;

/// Asserts that each action is refused with this errno.
pub(crate) async fn each_is_refused(imports: &str, errno: i32, actions: &[&str]) {
    for action in actions {
        let source = format!(
            "{REFUSED}\n{imports}\ndef Process(event): return {{'type': 't', 'data': refused(lambda: {action})}}"
        );
        assert_eq!(load(&source).await.json("1").await.data(), errno.to_string(), "{action}");
    }
}

#[tokio::test]
async fn a_worker_starts_no_process() {
    let actions = [
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['true'])",
        "subprocess.run('true', shell=True)",
        "multiprocessing.Process(target=print).start()",
    ];
    each_is_refused("import subprocess, multiprocessing", EPERM, &actions).await;
}

#[tokio::test]
async fn a_worker_leaves_its_host_and_its_neighbours_alone() {
    let actions = [
        "os.kill(os.getppid(), 9)",
        "os.kill(os.getppid(), 0)",
        "os.kill(1, 0)",
        "os.kill(-1, 0)",
        "os.kill(0, 9)",
        "os.killpg(os.getpgid(os.getppid()), 9)",
        "os.pidfd_open(os.getppid())",
        "os.setsid()",
        "os.setpgid(0, 0)",
        "os.setpriority(os.PRIO_USER, 0, 10)",
        "os.sched_setaffinity(os.getppid(), {0})",
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))",
        "fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid())",
        "call(101, 0x4206, os.getppid(), 0, 0)", // ptrace(PTRACE_SEIZE)
        "call(157, 1, 0)",                       // prctl(PR_SET_PDEATHSIG)
        "call(319, b'x', 0)",                    // memfd_create
        "call(272, 0x10000000)",                 // unshare(CLONE_NEWUSER)
        "call(321, 0, 0, 0)",                    // bpf
    ];
    let imports = "
import ctypes, fcntl, resource
C = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if C.syscall(*arguments) < 0: raise OSError(ctypes.get_errno(), 'x')";
    let actions = if cfg!(target_arch = "x86_64") { &actions[..] } else { &actions[..13] };
    each_is_refused(imports, EPERM, actions).await;
}

#[tokio::test]
async fn a_worker_changes_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "untouched").unwrap();
    let (file, folder) = (format!("{file:?}"), format!("{:?}", folder.path()));
    let actions = [
        format!("open({file}, 'w')"),
        format!("open({file}, 'a')"),
        format!("os.truncate({file}, 0)"),
        format!("os.remove({file})"),
        format!("os.rename({file}, {file} + '2')"),
        format!("os.mkdir({folder} + '/new')"),
        format!("os.symlink('/', {folder} + '/new')"),
        "open('/tmp/new', 'w')".to_owned(),
        "open('/dev/shm/new', 'w')".to_owned(),
        "open('/proc/%d/mem' % os.getppid(), 'rb')".to_owned(),
        "open('/proc/%d/environ' % os.getppid(), 'rb')".to_owned(),
        "open('/proc/self/oom_score_adj', 'w')".to_owned(),
    ];
    each_is_refused("", EACCES, &actions.each_ref().map(String::as_str)).await;
    assert_eq!(std::fs::read_to_string(file.trim_matches('"')).unwrap(), "untouched");
}

#[tokio::test]
async fn what_is_refused_is_said_in_words() {
    let table = [
        ("import os\ndef Process(event): os.fork()", "a worker starts no processes"),
        ("def Process(event): open('/new', 'w')", "a worker writes to its folder for temporary files only"),
    ];
    for (source, says) in table {
        let failure = load(source).await.json("1").await.failure();
        assert_eq!((failure.kind, failure.error_type.as_deref()), (FailureKind::Exception, Some("PermissionError")));
        assert!(failure.message.contains(says), "{}", failure.message);
    }
}

#[tokio::test]
async fn limits_cannot_be_raised_and_capabilities_are_gone() {
    let source = "
import resource
def raised(kind):
    soft, hard = resource.getrlimit(kind)
    try: resource.setrlimit(kind, (hard, hard + 1))
    except (ValueError, OSError): return False
    return True
def Process(event):
    status = dict(line.split(':\\t') for line in open('/proc/self/status') if ':\\t' in line)
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)
    return {'type': 't', 'data': [[raised(kind) for kind in kinds], int(status['CapEff'], 16), status['Seccomp'].strip()]}
";
    assert_eq!(load(source).await.json("1").await.data(), r#"[[false,false,false,false],0,"2"]"#);
}

#[tokio::test]
async fn threads_are_bounded_by_memory_and_by_number() {
    let source = "
import threading, time
def Process(event):
    if event['data']: threading.stack_size(event['data'])
    while True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
";
    let mut harness = Harness::new();
    let failure = harness.load(source).await.json("0").await.failure();
    assert_eq!(failure.message, "can't start new thread");
    harness.manifest.memory.0 = 4 << 30;
    let answer = harness.load(source).await.json("32768").await;
    let Ended::Lost(message) = &answer.ended else { panic!("{answer:?}") };
    assert!(message.ends_with("threads, 512 are allowed"), "{message}");
}

#[tokio::test]
async fn what_workers_need_works() {
    let source = "
import asyncio, concurrent.futures, os, signal, socket, tempfile, threading
async def later(): return await asyncio.to_thread(lambda: 1) if hasattr(asyncio, 'to_thread') else 1
def Process(event):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        squares = list(pool.map(lambda n: n * n, range(8)))
    with tempfile.NamedTemporaryFile('w+') as file:
        file.write('kept'); file.seek(0); text = file.read()
    with tempfile.TemporaryDirectory() as folder:
        open(folder + '/a', 'w').close(); os.rename(folder + '/a', folder + '/b')
    open('/dev/null', 'w').write('gone')
    seen = []
    signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    os.kill(os.getpid(), signal.SIGUSR1); signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    left, right = socket.socketpair(); left.send(b'x'); right.recv(1)
    socket.create_server(('127.0.0.1', 0)).close()
    return {'type': 't', 'data': [squares, text, asyncio.run(later()), len(seen)]}
";
    assert_eq!(load(source).await.json("1").await.data(), r#"[[0,1,4,9,16,25,36,49],"kept",1,2]"#);
}

#[tokio::test]
async fn the_folder_of_a_worker_is_its_own_and_goes_with_it() {
    let source = "
import os, tempfile
path = tempfile.mkdtemp()
open(path + '/left', 'w').close()
def Process(event):
    siblings = [name for name in os.listdir(tempfile.gettempdir() + '/..') if name != str(os.getpid())]
    def write():
        open('%s/../%s/mine' % (tempfile.gettempdir(), siblings[0]), 'w')
    try: write()
    except PermissionError: return {'type': 't', 'data': [tempfile.gettempdir(), 'refused']}
";
    let harness = Harness::new();
    let (first, mut second) = (harness.load(source).await, harness.load(source).await);
    let answer: (String, String) = serde_json::from_str(&second.json("1").await.data()).unwrap();
    assert_eq!(answer.1, "refused");
    let folder = std::path::PathBuf::from(answer.0);
    assert!(folder.exists());
    drop((first, second));
    eventually("the folder is gone", || !folder.exists()).await;
}

#[tokio::test]
async fn the_posture_is_what_is_applied() {
    let posture = |level| {
        let harness = Harness::with(Options { sandbox: level, ..python() });
        let info = harness.engine.info(MimeType::Python);
        info.sandbox.into_iter().map(|mechanism| (mechanism.name, mechanism.active)).collect::<Vec<_>>()
    };
    let all = |active| {
        [
            ("process-group", true),
            ("empty-environment", true),
            ("closed-descriptors", true),
            ("no-new-privileges", true),
            ("death-with-parent", true),
            ("resource-limits", true),
            ("oom-preference", true),
            ("no-capabilities", active),
            ("seccomp", active),
            ("landlock", active),
        ]
        .map(|(name, active)| (name.to_owned(), active))
    };
    // Both kernel mechanisms are on every machine that this is tested on; a kernel without them says so.
    assert_eq!(posture(Level::Standard), all(true));
    assert_eq!(posture(Level::Strict), all(true));
    assert_eq!(posture(Level::Off), all(false));
}

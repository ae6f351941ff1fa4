//! What a worker does not reach: files that it could not write, doors of this machine, and the time after
//! its answer.

use crate::{
    sandbox::{EPERM, each_is_refused},
    support::{eventually, load},
};

#[tokio::test]
async fn a_file_that_a_worker_could_not_write_keeps_its_owner_its_mode_and_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "untouched").unwrap();
    let before = std::fs::metadata(&file).unwrap();
    let file_name = format!("{file:?}");
    let actions = [
        format!("os.chmod({file_name}, 0)"),
        format!("os.fchmod(os.open({file_name}, os.O_RDONLY), 0)"),
        format!("os.chmod('file', 0, dir_fd=os.open({:?}, os.O_RDONLY))", folder.path()),
        format!("os.chown({file_name}, -1, os.getgid())"),
        format!("os.lchown({file_name}, -1, os.getgid())"),
        format!("os.fchown(os.open({file_name}, os.O_RDONLY), -1, os.getgid())"),
        format!("os.utime({file_name}, (0, 0))"),
        format!("os.setxattr({file_name}, 'user.mine', b'1')"),
        format!("fcntl.fcntl(os.open({file_name}, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)"),
        // Nor can those who write to it be made to wait.
        format!("fcntl.lockf(os.open({file_name}, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)"),
        format!("fcntl.fcntl(os.open({file_name}, os.O_RDONLY), 37, struct.pack('hhqqi4x', 0, 0, 0, 0, 0))"),
    ];
    each_is_refused("import fcntl, struct", EPERM, &actions.each_ref().map(String::as_str)).await;
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!((after.permissions(), after.modified().unwrap()), (before.permissions(), before.modified().unwrap()));
}

#[tokio::test]
async fn the_doors_of_this_machine_stay_closed() {
    let actions = [
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
        // AF_VSOCK and AF_ALG: the machine that this one runs on, and the kernel's ciphers.
        "socket.socket(40, socket.SOCK_STREAM)",
        "socket.socket(38, socket.SOCK_SEQPACKET)",
    ];
    each_is_refused("import socket", EPERM, &actions).await;
}

#[tokio::test]
async fn threads_that_are_started_after_the_answer_are_counted_too() {
    let source = "
import threading, time
threading.stack_size(32768)
def Process(event):
    def more():
        while True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    threading.Thread(target=more, daemon=True).start()
    return {'type': 't', 'data': 'answered'}
";
    let mut worker = load(source).await;
    assert_eq!(worker.json("1").await.data(), "\"answered\"");
    eventually("it is ended, with nobody speaking to it", || !worker.process.is_alive()).await;
}

#[tokio::test]
async fn copies_archives_and_databases_of_a_workers_own_work() {
    let source = "
import fcntl, pathlib, shutil, sqlite3, tempfile, zipfile
def Process(event):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / 'a').write_text('kept'); (path / 'a').touch()
        shutil.copyfile(path / 'a', path / 'b')
        with zipfile.ZipFile(path / 'z', 'w') as archive: archive.write(path / 'b', 'b')
        zipfile.ZipFile(path / 'z').extractall(path / 'out')
        # A database in a file locks it by a second file.
        with sqlite3.connect('file:%s/db?vfs=unix-dotfile' % folder, uri=True) as db:
            db.execute('create table t (n)'); db.execute('insert into t values (1)')
        with open(path / 'lock', 'w') as lock: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return {'type': 't', 'data': [(path / 'out' / 'b').read_text(), db.execute('select n from t').fetchone()[0]]}
";
    assert_eq!(load(source).await.json("1").await.data(), r#"["kept",1]"#);
}
